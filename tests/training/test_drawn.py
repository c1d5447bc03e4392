# SPDX-License-Identifier: MIT
"""What a batch holds is drawn apart from reading it, as it always was, and read by any thread."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from microtome.config.sampling import Lists
from microtome.io.raster import ArraySource, StackedSource
from microtome.training.batch import Batch, Drawn
from microtome.training.batches import BalancedWindowBatches, ListBatches, PatchBatches
from microtome.training.labelled import Labelled, Surroundings
from microtome.training.reading import in_order
from microtome.training.window_lists import WindowLists
from tests.training.test_batches import WINDOWS, coded


class Unread:
    """An image that nobody may look at."""

    shape, dtype = (1, 20, 23), np.dtype(np.uint16)

    def read(self, *_):
        pytest.fail("a window was read")


def patches(images=None, **options):
    chosen = {"crop": 6, "seed": 3, "copies": 1, "share": (0.0, 0.5)} | options
    return PatchBatches(coded() if images is None else images, WINDOWS, 5, **chosen)


def lists(images=None, **options):
    index = pd.DataFrame({"fraction_T": [0.2 * (place % 4 == 0) for place in range(len(WINDOWS))]})
    two = {
        "t": {"fraction": "T", "at_least": 0.1, "draw": 7},
        "rest": {"fraction": "T", "below": 0.1},
    }
    chosen = WindowLists.collect(index, Lists(lists=two))
    return ListBatches(coded() if images is None else images, WINDOWS, chosen, 8, crop=5, seed=3, **options)


def balanced(images=None, per_epoch=11, batch_size=4, size=3):
    return BalancedWindowBatches(coded() if images is None else images, size, per_epoch, batch_size, seed=5)


def pixels(batches, number, row, column):
    """The value of one pixel of every window, which says where it lies."""
    return [batch.images[:, 0, row, column].tolist() for batch in batches.epoch(number)]


def test_windows_and_seeds_are_those_that_trained_earlier_runs():
    """Literals of the order before windows were drawn apart from being read."""
    batches = patches()
    assert pixels(batches, 2, 0, 0) == [
        [69, 1009, 2361, 30, 77],
        [1015, 0, 2397, 1031, 407],
        [1375, 1067, 1392, 2062, 75],
        [2039, 1397, 2362],
    ]
    assert [batch.draws for batch in batches.epoch(2)] == [
        (4118301105, None, 3205971040, None, 2503325836),
        (2824664463, 3302297253, None, None, None),
        (3150941766, 2145030367, 891484532, None, None),
        (315233867, 4022406949, None),
    ]
    assert pixels(lists(), 1, 0, 0) == [
        [75, 1047, 1375, 1038, 392, 1451, 437, 2367],
        [1032, 458, 67, 1, 2391, 1430, 2031, 1077],
        [2068, 2375, 2047, 428],
    ]
    assert pixels(balanced(), 1, 1, 1) == [
        [1333, 2008, 1370, 1155],
        [1420, 1220, 2100, 130],
        [405, 101, 2241],
    ]
    every = pixels(balanced(per_epoch=None, batch_size=400), 1, 1, 1)
    assert [batch[:5] for batch in every] == [
        [2195, 2138, 342, 2130, 180],
        [4, 171, 2486, 1074, 1073],
        [2401, 3, 528, 2450, 1551],
        [1451, 1425, 1523, 2102, 229],
    ]


@pytest.mark.parametrize("kind", [patches, lists])
def test_drawing_reads_nothing(kind):
    unread = {name: Labelled(Unread(), Unread()) for name in coded()}
    found = list(kind(unread).drawn(1))
    assert [one.number for one in found] == list(range(len(kind())))
    for one, batch in zip(found, kind().epoch(1), strict=True):
        assert one.samples == batch.samples
        assert one.draws == batch.draws
        corners = 1000 * np.array([int(name[1:]) for name in one.samples]) + 30 * one.rows + one.columns
        assert np.array_equal(corners, batch.images[:, 0, 0, 0].numpy())


@pytest.mark.parametrize("source", [patches(), lists(), balanced(), patches(readers=2)])
def test_batches_that_threads_read_are_those_of_the_epoch(source):
    calls = (partial(source.read, drawn) for drawn in source.drawn(1))
    for one, other in zip(source.epoch(1), in_order(calls, threads=3), strict=True):
        assert (one.samples, one.draws, one.known) == (other.samples, other.draws, other.known)
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)


def test_batches_keep_their_values_while_others_are_read():
    """Memory of a batch is used again, but not while anybody looks at it, or at a part of it."""
    side = 400  # a megabyte and more, which is kept
    generator = np.random.default_rng(0)
    image = generator.integers(0, 9999, (4, side, side), np.uint16)
    images = {"a": Labelled(ArraySource(image), ArraySource(np.zeros((side, side), np.uint8)))}
    batches = PatchBatches(images, [("a", 0, 0, side), ("a", 7, 3, side)], 1, repeats=4, shuffle=False)
    first, parts, addresses = None, [], set()
    for number, batch in enumerate(batches.epoch(0)):
        first = batch if first is None else first
        parts += [batch.images[0, 1, 5:7]] if number == 1 else []
        addresses.add(batch.images.data_ptr())
    assert len(addresses) < 8, "nothing was used again"
    assert np.array_equal(first.images[0].numpy(), image)
    expected = np.pad(image, ((0, 0), (0, 7), (0, 3)), mode="reflect")[1, 12:14, 3:]
    assert np.array_equal(parts[0].numpy(), expected)


def test_windows_of_several_sizes_are_no_batch():
    with pytest.raises(ValueError, match=r"windows of 4 and 8 pixels in one batch, expected one size; set"):
        Drawn.of(0, [("a", 0, 0, 8), ("b", 0, 0, 4)])


def test_images_of_other_channels_are_named():
    images = coded(2)
    image = StackedSource((images["s1"].image,) * 3)
    other = images | {"s1": Labelled(image, images["s1"].label)}
    batches = PatchBatches(other, [("s0", 0, 0, 8), ("s1", 0, 0, 8)], 2)
    with pytest.raises(ValueError, match=r"sample s1: found 3 channel.*expected 1 channel.* as of sample s0"):
        next(batches.epoch(0))


@pytest.mark.parametrize("mirrors", [True, False])
def test_a_batch_is_known_to_be_labelled_if_every_pixel_is(mirrors):
    label = np.zeros((30, 40), np.uint8)
    label[25, 35] = 255
    images = {"a": Labelled(ArraySource(label), ArraySource(label))}
    windows = [("a", 8, 8, 10), ("a", 2, 8, 10), ("a", 18, 28, 10), ("a", 8, 22, 10)]
    around = Surroundings(4, mirrors_labels=mirrors)
    batches = list(PatchBatches(images, windows, 1, shuffle=False, around=around).epoch(0))
    assert [batch.known for batch in batches] == [True, mirrors, False, True]
    assert [batch.known for batch in batches] == [not (b.labels == 255).any() for b in batches]
    assert all(batch.known for batch in balanced().epoch(0))


@pytest.mark.parametrize(
    ("pixels", "labels", "found"),
    [
        ("uint8", "uint8", (torch.uint8, torch.uint8)),
        ("float64", "bool", (torch.float32, torch.uint8)),
        ("int32", "uint16", (torch.float32, torch.int32)),
        ("float16", "int8", (torch.float16, torch.int16)),
        ("int16", "int64", (torch.int16, torch.int64)),
    ],
)
@pytest.mark.parametrize("readers", [1, 2])
def test_types_are_those_of_the_files_where_a_device_knows_them(pixels, labels, found, readers):
    image = np.arange(64).reshape(8, 8).astype(pixels)
    label = (np.arange(64).reshape(8, 8) % 2).astype(labels)
    images = {"a": Labelled(ArraySource(image), ArraySource(label))}
    (batch,) = PatchBatches(images, [("a", 1, 2, 4)], 1, readers=readers).epoch(0)
    assert (batch.images.dtype, batch.labels.dtype) == found
    assert np.array_equal(batch.images[0, 0].float().numpy(), image[1:5, 2:6].astype(np.float32))
    assert np.array_equal(batch.labels[0, 0].long().numpy(), label[1:5, 2:6].astype(int))


def test_one_type_holds_the_values_of_all_samples():
    images = coded(1) | {"b": Labelled(ArraySource(np.ones((8, 8), np.uint8)), coded(1)["s0"].label)}
    (batch,) = PatchBatches(images, [("b", 0, 0, 4), ("s0", 4, 4, 4)], 2, shuffle=False).epoch(0)
    assert batch.images.dtype == torch.uint16
    assert batch.images[:, 0, 0, 0].tolist() == [1, 124]


def test_pinned_batches_are_pinned_once(monkeypatch):
    """CUDA is needed to pin memory, so what pins it is replaced."""
    pinned = []
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda self: any(self is one for one in pinned))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned.append(self.clone()) or pinned[-1])
    values = torch.arange(4.0).view(1, 1, 2, 2)
    batch = Batch(values, values.byte(), ("a",), (3,), 1, known=True).pinned()
    assert len(pinned) == 2
    assert (batch.draws, batch.margin, batch.known) == ((3,), 1, True)
    again = batch.pinned()
    assert again.images is batch.images and again.labels is batch.labels
    away = batch.on(torch.device("meta"))
    assert away.pinned().images.device.type == "meta"
    assert len(pinned) == 2
    assert (away.images.dtype, away.labels.dtype, away.known) == (torch.float32, torch.uint8, True)


@pytest.mark.parametrize("pinned", [True, False])
def test_only_page_locked_memory_is_copied_while_the_host_goes_on(monkeypatch, pinned):
    """Other memory may hold the next batch before the copy has ended."""
    asked = []
    original = torch.Tensor.to

    def to(self, device, *, non_blocking):
        asked.append(non_blocking)
        return original(self, device)

    batch = Batch(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.uint8), ("a",))
    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda self: pinned)
    batch.on(torch.device("meta"))
    assert asked == [pinned, pinned]
