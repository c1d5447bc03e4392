# SPDX-License-Identifier: MIT
"""Levels of slides that are tiled TIFFs, decoded without OpenSlide: the same pixels in less time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from microtome.io import tiff
from microtome.io.slides.handles import on_white
from microtome.io.slides.pyramid import Size
from microtome.io.tiff_windows import COLOURS, Plane, TiffSource

RGB = 3
OPAQUE = 255
DIRECT = ("aperio", "generic-tiff")
"""Slides whose levels are pages of tiles without gaps or overlaps."""
DECODED = (1, 5, 7, 8, 32773, 33003, 33005, 33007, 32946, 50000)
"""Compressions of TIFF whose values OpenSlide and tifffile both decode, to the same."""


def directories(path: Path, vendor: str, levels: Sequence[Size]) -> tuple[int, ...] | None:
    """The directories of a TIFF that hold the levels, finest first; None where OpenSlide has to read it.

    OpenSlide shows tiles that are not stored, opacity and rarer colours in its own way.
    """
    if vendor not in DIRECT:
        return None
    try:
        with tifffile.TiffFile(path, _multifile=False) as file:
            found = {}
            for number, page in enumerate(file.pages):
                if _is_plain(page.aspage()):
                    found.setdefault((page.imagelength, page.imagewidth), number)
    except tiff.DAMAGE:
        return None
    return tuple(found[size] for size in levels) if set(levels) <= set(found) else None


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Whether a page has tiles of RGB of 8 bits, all of them stored."""
    colours = page.photometric in (COLOURS.RGB, COLOURS.YCBCR) and page.samplesperpixel == RGB
    stored = page.bitspersample == 8 and page.planarconfig == tifffile.PLANARCONFIG.CONTIG
    if not (page.is_tiled and colours and stored and page.compression in DECODED):
        return False
    upright = tiff.orientation(page) == 1
    return upright and not page.extrasamples and bool(np.asarray(page.databytecounts).all())


class TiffLevels:
    """The levels of a slide that are pages of a TIFF.

    Args:
        path: The file.
        vendor: As `SlideHeader.format`; of `DIRECT` ones the directories hold the levels, of others
            (OME-TIFF) the metadata say which pages do.
        levels: Rows and columns of each level, finest first.
        cache_bytes: Upper bound of the decoded tiles of each level that are kept.
    """

    def __init__(self, path: Path, vendor: str, levels: Sequence[Size], *, cache_bytes: int) -> None:
        numbers = directories(path, vendor, levels)
        planes = (
            [Plane(level=level) for level in range(len(levels))]
            if numbers is None
            else [Plane(directory=number) for number in numbers]
        )
        self._cache_bytes = cache_bytes
        self._path, self._planes = path, [replace(plane, interleaved=True) for plane in planes]
        self._sources: dict[tuple[int, bool], TiffSource] = {}

    def read(
        self, level: int, y: int, x: int, height: int, width: int, *, half: bool = False
    ) -> NDArray[np.uint8]:
        """Pixels of a level, or of the level at half its size, (height, width, 3)."""
        source = self._source(level, half)
        pixels = np.moveaxis(source.read(y, x, height, width), 0, -1)
        if source.colour_table is not None:
            return np.moveaxis((source.colour_table >> 8).astype(np.uint8)[:, pixels[..., 0]], 0, -1)
        if pixels.shape[2] < RGB:
            opacity = pixels[..., 1:] if pixels.shape[2] > 1 else np.full_like(pixels, OPAQUE)
            pixels = np.concatenate([np.repeat(pixels[..., :1], RGB, axis=2), opacity], axis=2)
        return on_white(pixels) if pixels.shape[2] > RGB else pixels

    def can_halve(self, level: int) -> bool:
        """Whether a level can be decoded to half its size."""
        return self._source(level, half=False).can_halve

    def _source(self, level: int, half: bool) -> TiffSource:
        if (level, half) not in self._sources:
            plane = replace(self._planes[level], half=half)
            options = {"palette": "colours", "cache_bytes": self._cache_bytes}
            self._sources[level, half] = TiffSource(self._path, plane=plane, **options)
        return self._sources[level, half]
