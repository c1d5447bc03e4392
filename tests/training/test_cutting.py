# SPDX-License-Identifier: MIT
"""Windows that reach beyond an image, beside NumPy's padding; memory of batches."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.io.raster import ArraySource, StackedSource
from microtome.training import buffers as buffers_module
from microtome.training.buffers import KEPT, SMALLEST, Buffers, type_of_labels
from microtome.training.cutting import copy_inside, copy_mirrored, pieces
from microtome.training.labelled import Memory, narrowest

PAD = 60


class Raster:
    """An image that is neither in memory nor stacked."""

    def __init__(self, array):
        self.source = ArraySource(array)
        self.shape, self.dtype = self.source.shape, self.source.dtype
        self.read = self.source.read


def stacked(array):
    return StackedSource(tuple(ArraySource(one) for one in array))


KINDS = {"array": ArraySource, "stacked": stacked, "raster": Raster}
PLACES = {"y": st.integers(-PAD, 30), "x": st.integers(-PAD, 30), "side": st.integers(1, 30)}


@settings(max_examples=80, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), kind=st.sampled_from(list(KINDS)), **PLACES)
def test_windows_are_those_of_padded_images(height, width, kind, y, x, side):
    image = np.random.default_rng(height * width).integers(0, 200, (2, height, width), np.uint8)
    pad = ((0, 0), (PAD, 2 * PAD), (PAD, 2 * PAD))
    cut = (slice(None), slice(y + PAD, y + PAD + side), slice(x + PAD, x + PAD + side))
    for copy, options in (
        (copy_mirrored, {"mode": "reflect"}),
        (copy_inside, {"mode": "constant", "constant_values": 255}),
    ):
        out = np.full((2, side, side), 99, np.int16)
        copy(KINDS[kind](image), y, x, out)
        assert np.array_equal(out, np.pad(image, pad, **options)[cut])


@settings(max_examples=60, deadline=None)
@given(start=st.integers(-70, 70), count=st.integers(1, 50), length=st.integers(1, 20))
def test_pieces_are_runs_of_a_mirrored_row(start, count, length):
    row, out = np.arange(length), np.full(count, -1)
    found = list(pieces(start, count, length))
    for to, at in found:
        out[to] = row[at]
    assert np.array_equal(out, np.pad(row, (80, 200), mode="reflect")[start + 80 : start + 80 + count])
    assert len(found) <= 2 + count // max(length - 1, 1)


def test_the_image_is_left_alone():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    out = np.zeros((1, 9, 9), np.uint8)
    copy_mirrored(ArraySource(image), -2, -2, out)
    out[...] = 0
    assert np.array_equal(image, np.arange(12).reshape(3, 4))


SHAPE = (SMALLEST // 4, 1)


def test_memory_comes_back_when_the_last_tensor_is_gone():
    buffers = Buffers()
    first = buffers.empty(SHAPE, np.float32)
    address, part = first.data_ptr(), first[7:9]
    del first
    gc.collect()
    second = buffers.empty(SHAPE, np.float32)
    assert second.data_ptr() != address, "a part of it is still looked at"
    del part
    third = buffers.empty((2, SMALLEST // 4), np.uint16)
    assert third.data_ptr() == address, "of another type, but as large"
    assert (third.dtype, third.shape) == (torch.uint16, (2, SMALLEST // 4))


def test_threads_share_no_memory():
    buffers = Buffers()

    def fill(number):
        for _ in range(5):
            one = buffers.empty(SHAPE, np.float32)
            one.numpy()[...] = number
            assert bool((one == number).all())
        return one

    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(fill, range(12)))
    assert [set(one.flatten().tolist()[::1000]) for one in kept] == [{float(n)} for n in range(12)]


def test_little_is_kept():
    buffers = Buffers()
    lent = [buffers.empty(SHAPE, np.float32) for _ in range(2 * KEPT)]
    del lent
    assert [len(free) for free in buffers._free.values()] == [KEPT]
    small = buffers.empty((4, 4), np.uint8)
    del small
    assert len(buffers._free) == 1


def test_page_locked_memory_is_left_to_pytorch(monkeypatch):
    asked = []
    original = torch.empty

    def empty(*arguments, pin_memory, **options):
        asked.append(pin_memory)
        return original(*arguments, **options)

    monkeypatch.setattr(buffers_module.torch, "empty", empty)
    for shape in (SHAPE, (2, 2)):
        assert Buffers(pinned=True).empty(shape, np.uint8).shape == shape
    assert asked == [True, True]


@pytest.mark.parametrize(
    ("kind", "found"),
    [("bool", "uint8"), ("int8", "int16"), ("uint16", "int32"), ("int32", "int32"), ("uint32", "int64")],
)
def test_types_of_labels_hold_what_means_no_label(kind, found):
    assert type_of_labels([kind]) == found
    assert np.iinfo(found).max >= 255


def test_images_are_held_in_half_the_bytes_where_nothing_is_lost():
    whole = np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5) * 30
    memory = Memory()
    held = memory.hold(ArraySource(whole))
    assert held.array.dtype == np.float16
    assert np.array_equal(held.array.astype(np.float32), whole)
    assert memory.held == held.array.nbytes == whole.nbytes // 2
    for other in (whole + 0.1, whole * 1e4, whole.astype(np.float64)):
        assert narrowest(other).dtype == other.dtype
    late = np.zeros(10_000, np.float32)
    late[-1] = 0.1
    assert narrowest(late).dtype == np.float32
    turned = np.zeros((4, 5, 3), np.uint8).transpose(2, 0, 1)
    assert narrowest(turned).flags.c_contiguous
