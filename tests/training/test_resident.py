# SPDX-License-Identifier: MIT
"""Batches cut on a device are those cut on the host, bit for bit, without a look at the device."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.io.raster import ArraySource, StackedSource
from microtome.training import resident as resident_module
from microtome.training.batches import BalancedWindowBatches, PatchBatches
from microtome.training.labelled import Labelled, Surroundings
from microtome.training.resident import Resident, bytes_of
from microtome.training.tasks import BinaryTask
from tests.host_syncs import HostSyncs

CPU = torch.device("cpu")


def images(dtypes=("uint8",), *, channels=2, maps=1, unlabelled=False, sizes=((9, 13), (17, 8), (1, 30))):
    """Some small images of noise, of types in turn; of one the last pixel has no label."""
    generator, found = np.random.default_rng(4), {}
    for number, (height, width) in enumerate(sizes):
        dtype = dtypes[number % len(dtypes)]
        pixels = generator.integers(0, 60_000, (channels, height, width)).astype(dtype)
        labels = generator.integers(0, 3, (maps, height, width), np.uint8)
        if unlabelled and number == 1:
            labels[:, -1, -1] = 255
        label = StackedSource(tuple(map(ArraySource, labels))) if maps > 1 else ArraySource(labels)
        found[f"s{number}"] = Labelled(ArraySource(pixels), label)
    return found


def same(one, other):
    assert (one.samples, one.draws, one.margin) == (other.samples, other.draws, other.margin)
    assert (one.images.dtype, one.labels.dtype) == (other.images.dtype, other.labels.dtype)
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.labels, other.labels)


@settings(max_examples=40, deadline=None)
@given(
    dtypes=st.sampled_from(
        [("uint8",), ("uint16",), ("uint8", "uint16"), ("float32",), ("float16", "uint8")]
    ),
    maps=st.integers(1, 2),
    size=st.integers(1, 24),
    margin=st.integers(0, 12),
    mirrors=st.booleans(),
    seed=st.integers(0, 99),
)
def test_windows_are_those_cut_on_the_host(dtypes, maps, size, margin, mirrors, seed):
    every = images(dtypes, maps=maps, unlabelled=bool(seed % 2))
    windows = [(f"s{k}", y, x, size) for k in range(3) for y in (0, 1) for x in (0, 5)]
    around = Surroundings(margin, mirrors_labels=mirrors)
    host = PatchBatches(every, windows, 5, seed=seed, copies=1, around=around)
    there = PatchBatches(
        every, windows, 5, seed=seed, copies=1, around=around, resident=Resident.collect(every, CPU)
    )
    for one, other in zip(host.epoch(1), there.epoch(1), strict=True):
        same(one, other)
        assert one.known or not other.known, "labels are known that are not there"
        assert not other.binary, "there is a third class"


@pytest.mark.parametrize("size", [1, 5, 31])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_windows_around_pixels_are_those_cut_on_the_host(size, dtype):
    every = images((dtype,), unlabelled=True)
    resident = Resident.collect(every, CPU)
    host, there = (
        BalancedWindowBatches(every, size, 50, 7, seed=2, resident=one) for one in (None, resident)
    )
    for one, other in zip(host.epoch(3), there.epoch(3), strict=True):
        same(one, other)
        assert one.known and other.known


def test_labels_are_known_where_images_are_labelled_all_over():
    windows = [("s0", 0, 0, 4), ("s1", 0, 0, 4), ("s0", 5, 9, 4), ("s0", 6, 9, 4)]
    resident = Resident.collect(images(unlabelled=True), CPU)

    def known(**around):
        source = PatchBatches(
            images(unlabelled=True),
            windows,
            1,
            shuffle=False,
            resident=resident,
            around=Surroundings(**around),
        )
        return [batch.known for batch in source.epoch(0)]

    assert known() == [True, False, True, True]
    assert known(mirrors_labels=False) == [True, False, True, False]
    assert known(margin=1, mirrors_labels=False) == [False] * 4


@pytest.mark.parametrize("mirrors", [True, False])
def test_cutting_does_not_wait_for_the_device(mirrors):
    every = images(("uint16",), unlabelled=True)
    resident = Resident.collect(every, CPU)
    windows = [("s0", 0, 0, 8), ("s1", 3, 3, 8)]
    around = Surroundings(3, mirrors_labels=mirrors)
    sources = (
        PatchBatches(every, windows, 2, around=around, resident=resident),
        BalancedWindowBatches(every, 5, 20, 20, resident=resident),
    )
    for source in sources:
        (drawn,) = source.drawn(0)
        source.read(drawn)  # what is made once
        with HostSyncs() as watched:
            assert source.read(drawn).images.dtype == torch.uint16
        assert watched.found == []


def test_images_are_sent_some_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(resident_module, "ROWS", 4)
    every, rows = images(), []

    class Tall:
        def __init__(self, source):
            self.source, self.shape, self.dtype = source, source.shape, source.dtype

        def read(self, y, x, height, width):
            rows.append(height)
            return self.source.read(y, x, height, width)

    through = {name: Labelled(Tall(one.image), Tall(one.label)) for name, one in every.items()}
    found, expected = (Resident.collect(one, CPU) for one in (through, every))
    assert max(rows) == 4
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.labels, expected.labels)
    assert found.complete.tolist() == expected.complete.tolist()


@pytest.mark.parametrize("dtypes", [("uint8",), ("uint8", "uint16"), ("float64",)])
def test_the_room_is_told_before(dtypes):
    every = images(dtypes, maps=2)
    resident = Resident.collect(every, CPU)
    assert bytes_of(iter(every.values())) == resident.images.nbytes + resident.labels.nbytes


@pytest.mark.parametrize("fault", [2, 255])
def test_labels_that_cannot_be_interpolated_are_refused_as_on_the_host(fault):
    """Without a look at the device where all labels of an image are 0 and 1."""
    every = images(maps=2)
    for number, one in enumerate(every.values()):
        for source in one.label.sources:
            source.array[...] %= 2
        if number == 1:
            one.label.sources[1].array[0, 0] = fault
    task = BinaryTask(Input(), Augment(rotation=30, target_rounding="floor"))
    windows = [("s0", 0, 0, 8), ("s2", 0, 3, 8), ("s1", 2, 0, 8), ("s1", 0, 0, 8)]
    found = []
    for resident in (None, Resident.collect(every, CPU)):
        batches = PatchBatches(every, windows, 1, shuffle=False, resident=resident).epoch(0)
        with pytest.raises(ValueError, match=f"values from 0 to {fault}, expected 0 and 1"):
            for batch in batches:
                with HostSyncs() as watched:
                    task.draw(batch, seed=1)
                found.append((resident is None, *batch.samples, bool(watched.found)))
    assert found == [(True, name, True) for name in ("s0", "s2", "s1")] + [
        (False, "s0", False),
        (False, "s2", False),
        (False, "s1", True),
    ]
    binary = PatchBatches(every, windows, 1, shuffle=False, resident=Resident.collect(every, CPU))
    assert [batch.binary for batch in binary.epoch(0)] == [True, True, False, False]
    beyond = Surroundings(2, mirrors_labels=False)
    binary = PatchBatches(every, windows[:1], 1, around=beyond, resident=Resident.collect(every, CPU))
    assert [batch.binary for batch in binary.epoch(0)] == [False]
