# SPDX-License-Identifier: MIT
"""What a slide says of itself, read without decoding its pixels."""

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import openslide

from microtome.io.slides import handles, pictures
from microtome.io.slides.files import data_files, main_file
from microtome.io.slides.pyramid import Box, Pair, Size
from microtome.io.slides.tiff_levels import directories
from microtome.io.tiff import COARSEST_TAG

EDGE_BYTES = 2**20
"""Of a file without an identifier of its own, as many bytes at either end identify it."""
PLAIN = "generic-tiff"


@dataclass(frozen=True, kw_only=True)
class SlideHeader:
    """What is known of a slide without decoding its pixels.

    Attributes:
        path: The file that readers open.
        format: Vendor as OpenSlide calls it (`aperio`, `hamamatsu`, `generic-tiff`, …), or the format of a
            picture that is taken for a small slide (`PNG`, `OME-TIFF`, …).
        reader: Who reads it: `openslide`, `tiff` or `picture`.
        levels: Rows and columns of each level, finest first.
        bounds: Row, column, height and width of what was scanned, slide pixels; the whole canvas where the
            file does not say.
        mpp: Pixel size of level 0 in µm, of rows and columns; None where the file does not say.
        power: Power of the objective; None where the file does not say.
        quickhash: Identifies the slide without all its bytes being read.
        size: Bytes of all its files.
        dtype: NumPy name of the type of its values.
        channels: Values of a pixel; opacity is none.
        has_profile: Whether it has a colour profile (ICC), which is not applied.
    """

    path: str
    format: str
    reader: str
    levels: tuple[Size, ...]
    bounds: Box
    mpp: Pair | None
    power: float | None
    quickhash: str
    size: int
    dtype: str = "uint8"
    channels: int = 3
    has_profile: bool = False

    def __post_init__(self) -> None:
        """Name the fields of bounds that come from a file."""
        object.__setattr__(self, "bounds", Box(*self.bounds))

    @property
    def shape(self) -> Size:
        """Rows and columns of level 0, the whole canvas."""
        return self.levels[0]


def header(path: Path | str) -> SlideHeader:
    """Describe a slide without decoding its pixels.

    Args:
        path: A slide that OpenSlide reads (any instance, or the folder, of a DICOM series), or a picture.

    Raises:
        ImageError: It is missing, damaged or no slide.
    """
    path = main_file(Path(path))
    vendor = openslide.OpenSlide.detect_format(path)
    is_picture = vendor is None or (vendor == PLAIN and pictures.is_ome(path))
    return _of_picture(path) if is_picture else _of_openslide(path, vendor)


def _of_openslide(path: Path, vendor: str) -> SlideHeader:
    told, levels = handles.properties(path), handles.level_sizes(path)
    dtype, channels = pictures.stored_type(path, vendor)
    return SlideHeader(
        path=str(path),
        format=vendor,
        reader="openslide" if directories(path, vendor, levels) is None else "tiff",
        levels=levels,
        bounds=_bounds(told, levels[0]),
        mpp=_pixel_size(told, vendor),
        power=_number(told, openslide.PROPERTY_NAME_OBJECTIVE_POWER),
        quickhash=told.get(openslide.PROPERTY_NAME_QUICKHASH1) or _digest(path),
        size=sum(file.stat().st_size for file in data_files(path)),
        dtype=dtype,
        channels=channels,
        has_profile="openslide.icc-size" in told,
    )


def _of_picture(path: Path) -> SlideHeader:
    found = pictures.describe(path)
    height, width = found.levels[0]
    return SlideHeader(
        path=str(path),
        format=found.format,
        reader=found.reader,
        levels=found.levels,
        bounds=Box(0, 0, height, width),
        mpp=found.mpp,
        power=None,
        quickhash=_digest(path),
        size=path.stat().st_size,
        dtype=found.dtype,
        channels=found.channels,
    )


def _bounds(told: Mapping[str, str], size: Size) -> Box:
    """What was scanned, inside the canvas."""
    names = (openslide.PROPERTY_NAME_BOUNDS_Y, openslide.PROPERTY_NAME_BOUNDS_X)
    names += (openslide.PROPERTY_NAME_BOUNDS_HEIGHT, openslide.PROPERTY_NAME_BOUNDS_WIDTH)
    values = [_number(told, name) for name in names]
    if None in values:
        return Box(0, 0, *size)
    y, x, height, width = map(int, values)
    y, x = max(y, 0), max(x, 0)
    height, width = min(height, size[0] - y), min(width, size[1] - x)
    return Box(y, x, height, width) if height > 0 and width > 0 else Box(0, 0, *size)


def _pixel_size(told: Mapping[str, str], vendor: str) -> Pair | None:
    """The pixel size; the coarse one of a printer, in the tags of a plain TIFF, is none."""
    found = tuple(
        _number(told, name) for name in (openslide.PROPERTY_NAME_MPP_Y, openslide.PROPERTY_NAME_MPP_X)
    )
    if not all(found) or min(found) <= 0 or (vendor == PLAIN and max(found) >= COARSEST_TAG):
        return None
    return found


def _number(told: Mapping[str, str], name: str) -> float | None:
    """A property as a number; None where it is absent or none."""
    try:
        value = float(told[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _digest(path: Path) -> str:
    """SHA-256 of a file's size, its first and its last bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        content = file.read(EDGE_BYTES)
        file.seek(max(size - EDGE_BYTES, 0), os.SEEK_SET)
        content += file.read(EDGE_BYTES)
    return hashlib.sha256(f"{size} ".encode() + content).hexdigest()
