# SPDX-License-Identifier: MIT
"""MATLAB files of cubes, broken at random."""

import io
import struct
import zlib

import numpy as np
import scipy.io
from hypothesis import given
from pytest import mark, raises

from microtome.io.envi import CubeError, open_cube
from microtome.io.matlab import shape_of
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import edited

CUBE = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
CONTENTS = (
    {"cube": CUBE},
    {"hsi": CUBE.astype(float), "wavelength": np.linspace(500, 600, 5), "note": "a"},
    {"a": np.moveaxis(CUBE, -1, 0), "lambda": np.linspace(0.5, 0.6, 5), "s": {"b": 1}},
)
WORDS = (
    b"\x0e\0\0\0",
    b"\x0f\0\0\0",
    b"\x05\0\0\0",
    b"\xff\xff\xff\x7f",
    b"wavelength",
    b"lambda",
    b"IM",
    b"MI",
)


def made(content, packed):
    file = io.BytesIO()
    scipy.io.savemat(file, content, do_compression=packed)
    return file.getvalue()


FILES = [made(content, packed) for content in CONTENTS for packed in (False, True)]


def write(folder, content):
    path = folder / "cube.mat"
    path.write_bytes(content)
    return path


def test_the_seeds_are_sound(folder):
    for content in FILES:
        path = write(folder, content)
        assert (open_cube(path).shape, shape_of(path)) == ((5, 3, 4), (5, 3, 4))


@mark.parametrize("packed", [False, True])
@mark.parametrize("kind", [0, 10, 176, 0x4030])
def test_a_type_of_values_that_is_none_is_refused(packed, kind, folder):
    """SciPy 1.17 looks it up beyond the end of a table: a segmentation fault or a bus error."""
    plain = made({"cube": CUBE.astype(float)}, False)
    values = struct.pack("<II", 9, CUBE.size * 8)
    assert plain.count(values) == 1
    wrong = plain.replace(values, struct.pack("<II", kind, CUBE.size * 8))
    if packed:
        element = zlib.compress(wrong[128:])
        wrong = wrong[:128] + struct.pack("<II", 15, len(element)) + element
    with raises(CubeError, match="unknown type of data"):
        open_cube(write(folder, wrong))


def test_a_side_below_zero_is_refused(folder):
    """SciPy 1.17 tells it, and reads another."""
    plain = made({"cube": CUBE}, False)
    sides = struct.pack("<III", 3, 4, 5)
    assert plain.count(sides) == 1
    with raises(CubeError, match="a side of -2147483645"):
        open_cube(write(folder, plain.replace(sides, struct.pack("<iII", -2147483645, 4, 5))))


@fuzzed
@given(content=edited(FILES, WORDS))
def test_a_file_is_read_or_refused(content, folder):
    path = write(folder, content)
    with bounded(CubeError):
        cube = open_cube(path)
        assert cube.shape == shape_of(path)
        assert cube.wavelengths is None or len(cube.wavelengths) == cube.bands
