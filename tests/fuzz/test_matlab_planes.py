# SPDX-License-Identifier: MIT
"""MATLAB files of labels, broken at random, as they are and inside what is compressed."""

import struct
import zlib

import numpy as np
from hypothesis import given

from microtome.io import images
from microtome.io.errors import VolumeError
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import edited
from tests.fuzz.planes import look
from tests.io.volumes import mat, of_seg3d

PLANE = np.arange(63, dtype=np.uint16).reshape(7, 9)
CONTENTS = (
    {"label": PLANE},
    {"label": PLANE.astype(float), "note": "a", "mpp": 0.5},
    of_seg3d(PLANE.astype(np.uint8)),
    {"s": {"b": 1}, "names": np.array(["a", "b"], object), "label": PLANE[:, :, None]},
)
FILES = [mat(content, packed=packed) for content in CONTENTS for packed in (False, True)]
WORDS = (
    *(b"\x0e\0\0\0", b"\x0f\0\0\0", b"\x05\0\0\0", b"\x01\0\x04\0", b"\xff\xff\xff\x7f", b"\x40\x42\x0f\0"),
    *(b"scirunnrrd", b"data", b"IM", b"MI"),
)


def write(folder, content):
    path = folder / "a.mat"
    path.write_bytes(content)
    return path


def test_the_seeds_are_sound(folder):
    for content in FILES:
        np.testing.assert_array_equal(images.read(write(folder, content)), PLANE)


@fuzzed
@given(content=edited(FILES, WORDS))
def test_a_file_is_read_or_refused(content, folder):
    path = write(folder, b"MATLAB" + content[6:])
    with bounded(VolumeError):
        look(path)


@fuzzed
@given(element=edited([content[128:] for content in FILES[::2]], WORDS))
def test_what_is_compressed_is_read_or_refused(element, folder):
    packed = zlib.compress(element)
    path = write(folder, FILES[0][:128] + struct.pack("<II", 15, len(packed)) + packed)
    with bounded(VolumeError):
        look(path)
