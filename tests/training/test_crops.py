# SPDX-License-Identifier: MIT
"""Crops of whole images: inside, everywhere alike, around objects as often as asked for, repeatable."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.class_maps import IGNORE
from microtome.io.raster import ArraySource
from microtome.training.class_blocks import BLOCK, ClassBlocks
from microtome.training.crops import CropBatches
from microtome.training.labelled import Labelled, Surroundings
from microtome.training.resident import Resident

CPU = torch.device("cpu")


def labelled(*labels):
    """Images whose pixels tell their row and column, with labels."""
    found = {}
    for number, label in enumerate(labels):
        rows, columns = np.indices(label.shape)
        image = np.stack([rows, columns, np.full_like(rows, number)]).astype(np.uint16)
        found[f"s{number}"] = Labelled(ArraySource(image), ArraySource(label))
    return found


def blank(height, width):
    return np.zeros((height, width), np.uint8)


def places(source, number=0):
    """Image, row and column of each crop of an epoch."""
    drawn = list(source.drawn(number))
    return [
        (int(name[1:]), int(row), int(column))
        for one in drawn
        for name, row, column in zip(one.samples, one.rows, one.columns, strict=True)
    ]


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 40),
    batch_size=st.integers(1, 7),
    count=st.none() | st.integers(1, 30),
    rich=st.sampled_from([0.0, 0.4, 1.0]),
    seed=st.integers(0, 99),
)
def test_crops_lie_inside_and_are_read_from_there(size, batch_size, count, rich, seed):
    label = blank(50, 43)
    label[7:20, 30:43] = 1
    source = CropBatches(labelled(label, label.copy()), size, batch_size, count, rich, seed)
    found = list(source.epoch(seed))
    expected = count or 2 * -(-50 // size) * -(-43 // size)
    assert sum(len(batch.samples) for batch in found) == expected
    assert len(found) == len(source)
    for batch in found:
        assert batch.images.shape[1:] == (3, size, size)
        rows, columns, numbers = batch.images.long().unbind(1)
        assert ((rows[:, 1:] - rows[:, :-1]) == 1).all() and (
            (columns[..., 1:] - columns[..., :-1]) == 1
        ).all()
        assert [f"s{number}" for number in numbers[:, 0, 0].tolist()] == list(batch.samples)
        truth = torch.from_numpy(label)[rows, columns]
        assert torch.equal(batch.labels[:, 0], truth)


def test_an_epoch_depends_on_seed_and_number_alone():
    label = blank(64, 64)
    label[30, 30] = 1
    sources = [CropBatches(labelled(label), 8, 4, 40, 0.5, seed) for seed in (0, 0, 1)]
    assert places(sources[0], 3) == places(sources[1], 3)
    assert places(sources[0], 3) != places(sources[0], 4)
    assert places(sources[0], 3) != places(sources[2], 3)


def test_all_places_are_alike_and_images_count_by_their_area():
    source = CropBatches(labelled(blank(8, 8), blank(16, 8)), 6, 64, 30_000)
    found = Counter(places(source))
    of_first = sum(count for (image, _, _), count in found.items() if image == 0)
    assert of_first == pytest.approx(10_000, abs=400)
    first, second = ([count for (n, _, _), count in found.items() if n == image] for image in (0, 1))
    assert (len(first), len(second)) == (9, 33), "every place of each"
    for counts in (first, second):
        expected = sum(counts) / len(counts)
        assert sum((count - expected) ** 2 / expected for count in counts) < 2 * len(counts) + 20


def test_images_smaller_than_a_crop_are_mirrored():
    (batch,) = CropBatches(labelled(blank(5, 7)), 9, 4, 1).epoch(0)
    assert batch.images[0, 0, :, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0]
    assert batch.images[0, 1, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 5, 4]


@pytest.mark.parametrize("rich", [0.0, 0.25, 1.0])
def test_so_many_crops_hold_the_object(rich):
    """One small object in a wide image, which crops hardly meet by chance."""
    label = blank(2000, 2000)
    label[1000:1004, 1500:1504] = 1
    source = CropBatches(labelled(blank(2000, 2000), label), 2 * BLOCK + 8, 10, 400, rich)
    held = sum(batch.labels.bool().flatten(1).any(1).sum().item() for batch in source.epoch(0))
    assert rich * 400 <= held <= rich * 400 + 6


def test_classes_are_alike_however_rare():
    label = blank(512, 512)
    label[:256] = 1
    label[500, 500] = 2
    source = CropBatches(labelled(label), 70, 50, 1000, 1.0)
    rare = sum((batch.labels == 2).flatten(1).any(1).sum().item() for batch in source.epoch(0))
    assert rare == pytest.approx(500, abs=60)


def test_blocks_hold_what_is_counted_pixel_by_pixel(monkeypatch):
    monkeypatch.setattr("microtome.training.class_blocks.STRIP", 2 * BLOCK)
    generator = np.random.default_rng(0)
    labels = [
        generator.choice([0, 0, 0, 1, 4, IGNORE], size).astype(np.uint8) for size in ((70, 99), (200, 33))
    ]
    found = ClassBlocks.collect({str(n): ArraySource(label) for n, label in enumerate(labels)})
    for blocks, value in zip(found.classes, (1, 4), strict=True):
        counts = np.diff(blocks.ends, prepend=0)
        expected = {}
        for number, label in enumerate(labels):
            for row, column in np.argwhere(label == value):
                corner = number, row // BLOCK * BLOCK, column // BLOCK * BLOCK
                expected[corner] = expected.get(corner, 0) + 1
        assert dict(zip(map(tuple, blocks.corners.tolist()), counts.tolist(), strict=True)) == expected


def test_labels_without_objects_are_refused():
    unlabelled = np.full((9, 9), IGNORE, np.uint8)
    with pytest.raises(ValueError, match=r"labels of s0, s1 hold none; expected .* set sampler\.rich to 0"):
        list(CropBatches(labelled(blank(9, 9), unlabelled), 4, 2, rich=0.5).drawn(0))


def test_crops_with_surroundings_are_the_same_on_a_device():
    label = blank(40, 30)
    label[5:9, 5:9] = 1
    images = labelled(label, label.T.copy())
    around = Surroundings(5, mirrors_labels=False)
    host, there = (
        CropBatches(images, 16, 3, 20, 0.5, around=around, resident=resident)
        for resident in (None, Resident.collect(images, CPU))
    )
    for one, other in zip(host.epoch(2), there.epoch(2), strict=True):
        assert torch.equal(one.images.int(), other.images.int())
        assert torch.equal(one.labels, other.labels)
        assert (one.samples, one.margin, other.margin) == (other.samples, 5, 5)
