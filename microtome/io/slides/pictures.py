# SPDX-License-Identifier: MIT
"""Pictures that are no slides to OpenSlide, taken for small ones: PNG, JPEG, plain TIFF and OME-TIFF."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from microtome.io import images, tiff
from microtome.io.errors import ImageError
from microtome.io.slides.pyramid import Pair, Size
from microtome.io.tiff_windows import ALPHA_SAMPLES

RGB = 3
WITH_OPACITY = (2, 4)
"""Channels of pictures whose last is opacity."""
TIFF_VENDORS = ("aperio", "generic-tiff", "leica", "philips-tiff", "trestle", "ventana")
"""Slides of OpenSlide that are one TIFF whose tags say what the pixels are."""


@dataclass(frozen=True)
class Picture:
    """What a picture says of itself.

    Attributes:
        format: As `ImageHeader.format`.
        reader: `tiff` or `picture`.
        levels: Rows and columns of each level, finest first.
        mpp: Pixel size in µm, of rows and columns, if it says so.
        dtype: NumPy name of the type.
        channels: Values of a pixel, without opacity.
    """

    format: str
    reader: str
    levels: tuple[Size, ...]
    mpp: Pair | None
    dtype: str
    channels: int


def describe(path: Path) -> Picture:
    """What a picture says of itself.

    Raises:
        ImageError: It is damaged, or no picture.
    """
    if images.is_tiff(path):
        with tiff.open_checked(path) as file:
            return _of_tiff(path, file)
    found = images.header(path)
    sizes = ((found.height, found.width),)
    channels = RGB if found.palette else found.channels - (found.channels in WITH_OPACITY)
    return Picture(found.format, "picture", sizes, None, found.dtype, channels)


def _of_tiff(path: Path, file: tifffile.TiffFile) -> Picture:
    found, series = tiff.header(path, file), tiff.picture(file, path)
    key = series.keyframe
    sizes = tuple(tiff.shape_of(level)[:2] for level in series.levels)
    channels = found.channels - len(set(key.extrasamples) & ALPHA_SAMPLES)
    pixel = tiff.pixel_sizes(file, key)
    return Picture(found.format, "tiff", sizes, pixel, found.dtype, RGB if found.palette else channels)


def stored_type(path: Path, vendor: str) -> tuple[str, int]:
    """Type and number of the values of a pixel of a slide that OpenSlide knows, without opacity.

    OpenSlide shows 16 bits as black and fails at floats, so the tags of a TIFF are asked; the other formats
    hold colours of 8 bits alone.

    Raises:
        ImageError: The file is cut short.
    """
    if vendor not in TIFF_VENDORS:
        return "uint8", RGB
    try:
        with tiff.open_checked(path) as file:
            pages = [page.aspage() for page in file.pages]
            _check_extents(path, pages, file.filehandle.size)
            key = max(
                (page for page in pages if page.is_tiled), key=lambda page: page.imagewidth * page.imagelength
            )
            dtype = "unknown" if key.dtype is None else key.dtype.name
            return dtype, key.samplesperpixel - len(set(key.extrasamples) & ALPHA_SAMPLES)
    except tiff.DAMAGE as error:
        if isinstance(error, ImageError):
            raise
        raise tiff.damaged(path, str(error)) from error


def _check_extents(path: Path, pages: Sequence[tifffile.TiffPage], size: int) -> None:
    """Refuse a file that ends before its tiles do, or the strips of its thumbnail."""
    for page in pages:
        starts, counts = np.asarray(page.dataoffsets), np.asarray(page.databytecounts)
        end = int((starts + counts).max(initial=0))
        if end > size:
            raise tiff.damaged(path, f"its pixels reach to byte {end}, the file has {size}")


def is_ome(path: Path) -> bool:
    """Whether a file is an OME-TIFF, whose smaller levels lie where OpenSlide does not look."""
    if not images.is_tiff(path):
        return False
    try:
        with tifffile.TiffFile(path, _multifile=False) as file:
            return bool(file.is_ome)
    except tiff.DAMAGE:
        return False


class PictureLevels:
    """The one level of a picture that is decoded as a whole, once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def can_halve(self, level: int) -> bool:
        """Never: it is decoded as a whole."""
        return False

    def read(
        self, level: int, y: int, x: int, height: int, width: int, *, half: bool = False
    ) -> NDArray[np.uint8]:
        """Pixels of the level, (height, width, 3)."""
        return self._whole[y : y + height, x : x + width]

    @cached_property
    def _whole(self) -> NDArray[np.uint8]:
        return images.read_on_white(self._path)
