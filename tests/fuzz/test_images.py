# SPDX-License-Identifier: MIT
"""Heads of pictures, broken at random: bits, orientation, pages."""

import io
import tempfile
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from hypothesis import given
from PIL import Image

from microtome.io import images
from microtome.io.images import ImageError
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import edited
from tests.io.test_strange_images import grey_png

GREY = (np.arange(96).reshape(8, 12) % 4).astype(np.uint8)
WORDS = (
    *(b"IHDR", b"eXIf", b"IDAT", b"IEND", b"Exif\0\0", b"\x01\x12\0\x03\0\0\0\x01\0\x06", b"MM\0*", b"II*\0"),
    *(b"jp2c", b"jp2h", b"ihdr", b"\xff\x4f\xff\x51", b"\0\0\0\1jp2c", b"\xff\x52", b"\x8f\1\1", b"\x26\1\1"),
)
TAGS = (
    b"\x12\x01\x03\0\x01\0\0\0\x06",
    b"\xfe\0\x04\0",
    b"II*\0",
    b"MM\0*",
    b"\x06\x01\x03\0",
    b"\x02\x01\x03\0",
)


def saved(array, kind, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format=kind, **options)
    return file.getvalue()


def pictures():
    exif = Image.Exif()
    exif[274] = 6
    deep = imagecodecs.jpeg2k_encode(
        GREY.astype(np.uint16) * 999, level=0, reversible=True, codecformat="jp2"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.png"
        grey_png(file, GREY, 2, late=exif.tobytes().removeprefix(b"Exif\0\0"))
        few = file.read_bytes()
    return [saved(GREY, "PNG", exif=exif), saved(GREY, "JPEG", exif=exif), few, deep]


def tiffs():
    found = []
    for options in ({}, {"metadata": None}, {"metadata": None, "tile": (16, 16), "compression": "zlib"}):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as tiff:
            for array in (GREY[:3, :4], GREY, GREY[:4, :6]):
                tiff.write(array, photometric="minisblack", extratags=[(274, 3, 1, 6, True)], **options)
        found.append(file.getvalue())
    return found


PICTURES, TIFFS = pictures(), tiffs()


def agree(path):
    """Whatever is read is what the head says, page by page."""
    found = images.header(path)
    whole = images.read(path)
    assert whole.shape[:2] == (found.height, found.width)
    assert whole.dtype.name == found.dtype
    for page in range(min(found.pages, 5)) if found.shapes else ():
        if found.shapes[page][0]:
            assert images.read(path, page=page).shape[:2] == found.shapes[page][:2]


def test_the_seeds_are_sound(folder):
    for number, content in enumerate([*PICTURES, *TIFFS]):
        path = folder / str(number)
        path.write_bytes(content)
        agree(path)
    assert images.header(folder / "0").height == 12
    assert images.header(folder / "3").dtype == "uint16"


@fuzzed
@given(content=edited(PICTURES, WORDS))
def test_a_picture_is_read_as_its_head_says_or_refused(content, folder):
    path = folder / "picture"
    path.write_bytes(content)
    with bounded(ImageError):
        agree(path)


@fuzzed
@given(content=edited(TIFFS, TAGS))
def test_pages_are_read_as_the_head_says_or_refused(content, folder):
    path = folder / "pages.tif"
    path.write_bytes(content)
    with bounded(ImageError):
        agree(path)
