# SPDX-License-Identifier: MIT
"""Images of one depth as another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtome.io.depth import as_dtype, importable, is_darker
from microtome.io.errors import ImageError

LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)
DEEP = np.arange(65536, dtype=np.uint16).reshape(256, 256)
PLAIN = {
    "times 257": LEVELS.astype(np.uint16) * 257,
    "float32": (LEVELS / 255).astype(np.float32),
    "float64": LEVELS / 255,
    "float16": (LEVELS / 255).astype(np.float16),
    "levels": LEVELS.astype(np.float32),
    "int64": LEVELS.astype(np.int64),
    "uint32": LEVELS.astype(np.uint32),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_depths_become_eight_bits(name):
    found = as_dtype(PLAIN[name], "uint8", name="a.tif")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, LEVELS)


def test_sixteen_bits():
    np.testing.assert_array_equal(as_dtype(LEVELS, "uint16", name="a"), LEVELS.astype(np.uint16) * 257)
    for values in (DEEP / 65535, (DEEP / 65535).astype(np.float32), DEEP.astype(np.int32)):
        np.testing.assert_array_equal(as_dtype(values, "uint16", name="a"), DEEP)
    assert as_dtype(DEEP, "uint16", name="a") is DEEP


NOT_PLAIN = {
    "16 bits": (DEEP, "uint8"),
    "12 bits": (DEEP[:16] % 4096, "uint8"),
    "dark": (LEVELS.astype(np.uint16), "uint8"),
    "between levels": (np.float32([[0, 0.5, 1]]), "uint8"),
    "negative": (np.float32([[-1, 0, 1]]), "uint8"),
    "bright": (np.float32([[0, 300]]), "uint8"),
    "NaN": (np.float32([[0, np.nan]]), "uint8"),
    "half floats": (np.float16([[0, 0.25, 1]]), "int16"),
    "signed": (LEVELS.astype(np.int16), "uint8"),
    "large": (np.array([[0, 256]], np.int32), "uint8"),
    "of unknown range": (LEVELS, "float32"),
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_others_are_refused_by_name(name):
    array, dtype = NOT_PLAIN[name]
    with pytest.raises(ImageError, match=rf"mine\.tif: found \w+ values from .*, expected {dtype} values"):
        as_dtype(array, dtype, name="mine.tif")


def test_the_range_that_was_trained_on():
    found = as_dtype(LEVELS, "float32", name="a", value_range=(0, 1))
    np.testing.assert_allclose(found, LEVELS / 255, rtol=1e-6)
    with pytest.raises(ImageError, match=r"a\.tif: found values up to 65535, expected up to about 4095"):
        as_dtype(DEEP, "uint16", name="a.tif", value_range=(0, 4095))
    with pytest.raises(ImageError, match="found values up to 255, expected up to about 1 "):
        as_dtype(LEVELS.astype(np.float32), "float32", name="a.tif", value_range=(0, 1))
    assert as_dtype(DEEP // 16, "uint16", name="a", value_range=(0, 4000)).max() == 4095
    assert as_dtype(LEVELS, "uint8", name="a", value_range=(0, 20)) is LEVELS


def test_images_that_are_far_darker_than_those_trained_on():
    with pytest.raises(ImageError, match=r"a\.tif: found values up to 1, expected up to about 255"):
        as_dtype((LEVELS / 255).astype(np.float32), "float32", name="a.tif", value_range=(0, 255))
    black = np.zeros((2, 2), np.float32)
    assert as_dtype(black, "float32", name="a", value_range=(0, 255)) is black
    assert is_darker(DEEP // 16, (0, 65535))
    assert is_darker((DEEP / 65535 / 16).astype(np.float32), (0, 1))
    assert not is_darker(DEEP // 4, (0, 65535))
    assert not is_darker(DEEP // 16, (0, 4095))
    assert not is_darker(DEEP // 16, None)
    assert not is_darker(LEVELS // 16, (0, 255)), "a dark image of 8 bits has no other range"


def test_eight_bits_are_not_spread_over_sixteen_where_those_are_of_twelve():
    dark = LEVELS // 8
    with pytest.raises(ImageError, match=r"a\.tif: found uint8 values from 0 to 31, expected uint16 values"):
        as_dtype(dark, "uint16", name="a.tif", value_range=(0, 4095))
    assert as_dtype(dark, "uint16", name="a", value_range=(0, 60_000)).max() == 31 * 257


def test_types_that_are_not_written():
    assert importable(np.float16([[0.5]]), name="a").dtype == np.float32
    assert importable(LEVELS, name="a") is LEVELS
    assert np.isnan(importable(np.float16([[np.nan]]), name="a")).all()
    with pytest.raises(ImageError, match=r"a\.tif: found int64 values from 0 to 8589934592, expected"):
        importable(np.array([[0, 2**33]]), name="a.tif")


@given(st.lists(st.integers(0, 65535), min_size=1), st.sampled_from(["float32", "float64", "int64"]))
def test_values_survive_the_way_there_and_back(values, kind):
    array = np.array([values], np.uint16)
    stored = array.astype(kind) / (65535 if kind.startswith("float") else 1)
    np.testing.assert_array_equal(as_dtype(stored.astype(kind), "uint16", name="a"), array)
