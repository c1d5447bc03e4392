# SPDX-License-Identifier: MIT
"""ENVI headers, broken at random."""

import itertools
import math
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given

from microtome.io.envi import EnviError, open_cube
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import edited
from tests.synthetic_cubes import braces, write_envi

CUBE = np.arange(60, dtype=np.uint16).reshape(5, 3, 4)
FIELDS = (
    {},
    {"wavelength": braces((500, 510, 520.5, 530, 540)), "wavelength_units": "nm", "exposure": "20 ms"},
    {"wavelength": braces((0.5, 0.51, 0.52, 0.53, 0.54)), "wavelength_units": "um", "tint": "0.02 s"},
    {"bbl": "{1, 0, 1, 1, 0}", "data_ignore_value": "-9999", "reflectance_scale_factor": "10000.0"},
    {"data_gain_values": "\n{1, 2, 1, 1, 1}", "data_offset_values": "{0, 0.5, -1, 0, 0}"},
    {"wavelength": braces((5, 4, 3, 2, 1)), "major_frame_offsets": "{0, 0}", "file_type": "ENVI Standard"},
)
WORDS = (
    *(f"{name} = ".encode() for name in ("samples", "lines", "bands", "data type", "interleave")),
    *(f"\n{name} = ".encode() for name in ("byte order", "header offset", "wavelength", "exposure")),
    *(b"bsq", b"bil", b"bip", b"ENVI\n", b"\n;", b"= {", b"um", b"Micrometers", b"wavelength units = um\n"),
    *(b"bbl = {0, 0, 1, 1, 1}\n", b"data ignore value = 3\n", b"reflectance scale factor = 1e-3\n"),
    *(b"data gain values = {1, 1, 1, 1, 1e300}\n", b"\0", b"\0\0", b"\xff\xfe", b"450,1; ", b"=\n{"),
    *(b"1e305", b"4", b"12", b"1e-12", b"minor frame offsets = {1, 1}\n", b"file compression = 1\n"),
)


def headers() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return [write_envi(Path(folder) / "a.hdr", CUBE, **fields).read_bytes() for fields in FIELDS]


HEADERS = headers()


def write(folder, content):
    path = write_envi(folder / "cube.hdr", CUBE)
    path.write_bytes(content)
    return path


def test_the_seeds_are_sound(folder):
    bands = [5 - len(cube.bad_bands) for cube in (open_cube(write(folder, content)) for content in HEADERS)]
    assert bands == [5, 5, 5, 3, 5, 5]


@fuzzed
@given(content=edited(HEADERS, WORDS))
def test_a_header_is_read_or_refused(content, folder):
    path = write(folder, content)
    with bounded(EnviError):
        cube = open_cube(path)
        assert cube.read().size <= CUBE.size
        assert cube.exposure is None or 0 < cube.exposure < math.inf
        if cube.wavelengths is not None:
            assert len(cube.wavelengths) == cube.bands
            assert all(100 <= wave <= 30_000 for wave in cube.wavelengths)
            signs = {np.sign(two - one) for one, two in itertools.pairwise(cube.wavelengths)}
            assert signs in (set(), {1}, {-1})
