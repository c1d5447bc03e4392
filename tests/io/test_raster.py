# SPDX-License-Identifier: MIT
"""Sources of pixels that are made of others."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from microtome.io import images
from microtome.io.images import ImageError
from microtome.io.raster import ArraySource, Raster, StackedSource, read_mirrored

SIZE = (9, 11)


def source(channels=1, dtype=np.uint8, seed=0):
    values = np.random.default_rng(seed).integers(0, 200, (channels, *SIZE))
    return ArraySource(values.astype(dtype))


@given(
    channels=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    y=st.integers(0, 8),
    x=st.integers(0, 10),
    height=st.integers(1, 9),
    width=st.integers(1, 11),
)
@settings(deadline=None)
def test_a_stack_is_its_sources_channel_after_channel(channels, y, x, height, width):
    parts = tuple(source(count, seed=number) for number, count in enumerate(channels))
    stack = StackedSource(parts)
    whole = np.concatenate([part.array for part in parts])
    assert isinstance(stack, Raster)
    assert stack.shape == whole.shape == (sum(channels), *SIZE)
    height, width = min(height, 9 - y), min(width, 11 - x)
    assert np.array_equal(stack.read(y, x, height, width), whole[:, y : y + height, x : x + width])
    mirrored = read_mirrored(stack, y - 3, x - 3, height + 5, width + 5)
    apart = [read_mirrored(part, y - 3, x - 3, height + 5, width + 5) for part in parts]
    assert np.array_equal(mirrored, np.concatenate(apart))


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ((np.uint8, np.uint8), np.uint8),
        ((np.uint8, np.int32), np.int32),
        ((np.uint8, np.float32), np.float32),
    ],
)
def test_the_type_holds_the_values_of_all(types, expected):
    parts = tuple(source(dtype=dtype, seed=number) for number, dtype in enumerate(types))
    stack = StackedSource(parts)
    assert stack.dtype == stack.read(0, 0, *SIZE).dtype == expected
    assert np.array_equal(stack.read(0, 0, *SIZE)[1], parts[1].array[0].astype(expected))


def test_what_is_read_can_be_changed_without_changing_the_source():
    part = source()
    before = part.array.copy()
    StackedSource((part,)).read(0, 0, *SIZE)[:] = 0
    assert np.array_equal(part.array, before)


def test_files_are_stacked(tmp_path):
    arrays = [source(seed=number).array[0] for number in range(2)]
    for number, array in enumerate(arrays):
        images.write(tmp_path / f"{number}.tif", array)
    stack = StackedSource(tuple(images.open_source(tmp_path / f"{number}.tif") for number in range(2)))
    assert np.array_equal(stack.read(2, 3, 4, 5), np.stack(arrays)[:, 2:6, 3:8])


@pytest.mark.parametrize("sizes", [[], [(4, 5), (5, 4)], [(4, 5), (4, 5), (4, 6)]])
def test_sizes_that_differ_are_refused(sizes):
    parts = tuple(ArraySource(np.zeros((1, *size), np.uint8)) for size in sizes)
    with pytest.raises(ImageError, match="expected one size"):
        StackedSource(parts)


def test_channels_are_read_alone():
    """Also across the sources of a stack; a source without any of them is not touched."""
    parts = [np.arange(count * 12).reshape(count, 3, 4) + 100 * count for count in (2, 1, 3)]
    whole = np.concatenate(parts)
    stack = StackedSource(tuple(map(ArraySource, parts)))
    for start in range(6):
        for stop in range(start + 1, 7):
            found = stack.read(1, 1, 2, 3, slice(start, stop))
            assert np.array_equal(found, whole[start:stop, 1:3, 1:4])
    assert np.array_equal(ArraySource(whole).read(0, 0, 3, 4, slice(2, 3)), whole[2:3])


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        *((mode, "a.png") for mode in ("1", "L", "P", "I;16", "RGB")),
        ("L", "a.jpg"),
        ("RGB", "a.jp2"),
        ("RGB", "a.bmp"),
    ],
)
@pytest.mark.parametrize("turn", [1, 6])
def test_windows_of_a_picture_are_cut_from_what_is_read(mode, name, turn, tmp_path):
    """Also of copies; a picture that is turned, or of other depths, is held as an array."""
    values = np.random.default_rng(0).integers(
        0, 2 if mode in "1P" else 256, (*SIZE, 3)[: 3 if mode == "RGB" else 2]
    )
    picture = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.uint8))
    picture = picture.convert("1") if mode == "1" else picture
    if mode == "P":
        picture.putpalette([0, 0, 0, 255, 0, 0])
    exif = Image.Exif()
    exif[274] = turn
    picture.save(tmp_path / name, **({"exif": exif} if name.endswith(("png", "jpg")) else {}))
    whole = images.as_channels_first(images.read(tmp_path / name, palette="index"))
    opened = images.open_source(tmp_path / name, palette="index")
    for one in (opened, pickle.loads(pickle.dumps(opened))):
        assert isinstance(one, Raster)
        assert (one.shape, one.dtype) == (whole.shape, whole.dtype)
        np.testing.assert_array_equal(one.read(2, 3, 5, 4), whole[:, 2:7, 3:7])
        np.testing.assert_array_equal(one.read(0, 0, *whole.shape[1:], slice(0, 1)), whole[:1])
        with pytest.raises(ImageError, match="not inside the image"):
            one.read(0, 0, *(side + 1 for side in whole.shape[1:]))
