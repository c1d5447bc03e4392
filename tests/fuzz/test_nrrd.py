# SPDX-License-Identifier: MIT
"""NRRD files, and their headers with data files beside, broken at random."""

import numpy as np
from hypothesis import given

from microtome.io import images
from microtome.io.errors import VolumeError
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import edited
from tests.fuzz.planes import look
from tests.io.volumes import nrrd

PLANE = np.arange(63, dtype=np.uint16).reshape(7, 9)
OPTIONS = (
    {},
    {"order": ">"},
    {"packed": True},
    {"packed": True, "order": ">", "axes": "1 {w} {h}"},
    {"byte_skip": "-1", "spacings": "0.5 0.5 1", "units": '"um" "um" "um"'},
    {"space_directions": "(0,0.3,0.4) (0.5,0,0) none", "space_units": '"mm" "mm"'},
)
FILES = [b"".join(nrrd(PLANE, **options)) for options in OPTIONS]
HEADERS = [
    nrrd(PLANE, data_file=name, packed=packed)[0] for name in ("a.raw", "b/a.raw") for packed in (False, True)
]
WORDS = (
    *(b"sizes: ", b"dimension: 2", b"type: double", b"encoding: gzip", b"encoding: raw", b"endian: big"),
    *(b"data file: ", b"LIST", b"../a.raw", b"/etc/passwd", b"a.raw", b"%03d 1 9 1", b"byte skip: -1"),
    *(b"line skip: 999", b"1000000 1000000 1", b":=", b"\n\n", b"\x1f\x8b\x08", b"none", b"(1,0,0)"),
)


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_seeds_are_sound(folder):
    for content in FILES:
        np.testing.assert_array_equal(images.read(write(folder, "a.nrrd", content)), PLANE)
    (folder / "b").mkdir(exist_ok=True)
    for content, (_, values) in zip(
        HEADERS, (nrrd(PLANE, packed=packed) for packed in (0, 1, 0, 1)), strict=True
    ):
        write(folder, "a.raw", values)
        write(folder, "b/a.raw", values)
        np.testing.assert_array_equal(images.read(write(folder, "a.nhdr", content)), PLANE)


@fuzzed
@given(content=edited(FILES, WORDS))
def test_a_file_is_read_or_refused(content, folder):
    path = write(folder, "a.nrrd", b"NRRD000" + content[7:])
    with bounded(VolumeError):
        look(path)


@fuzzed
@given(content=edited(HEADERS, WORDS), values=edited([PLANE.tobytes(), FILES[2][-60:]]))
def test_a_header_beside_its_values_is_read_or_refused(content, values, folder):
    path = write(folder, "a.nhdr", b"NRRD000" + content[7:])
    write(folder, "a.raw", values)
    with bounded(VolumeError):
        look(path)
