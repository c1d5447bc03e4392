# SPDX-License-Identifier: MIT
"""Pixels of the levels of slides, whoever reads them."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from microtome.io.slides import handles
from microtome.io.slides.pictures import PictureLevels
from microtome.io.slides.references import Reference
from microtome.io.slides.tiff_levels import TiffLevels

BLOCK = 512
"""Side of the blocks, pixels, that a level is read in whose pixels do not lie where OpenSlide looks."""
EXACT = 1e-9


class Levels(Protocol):
    """The levels of one slide."""

    def read(
        self, level: int, y: int, x: int, height: int, width: int, *, half: bool = False
    ) -> NDArray[np.uint8]:
        """Pixels of a level, (height, width, 3); the window lies inside it.

        `half`: of the level at half its size, see `can_halve`.
        """
        ...

    def can_halve(self, level: int) -> bool:
        """Whether a level can be decoded to half its size."""
        ...


class OpenSlideLevels:
    """The levels of a slide that OpenSlide reads.

    OpenSlide is asked for places in whole pixels of level 0, which it divides by the mean ratio of the sizes.
    Where that is no whole number, no window but the first begins on a pixel of the level, and OpenSlide mixes
    neighbours. So such a level is read in blocks that begin at fixed places: a place has one value.
    """

    def __init__(self, path: Path, *, cache_bytes: int) -> None:
        self._path, self._kept = path, cache_bytes // (3 * BLOCK**2)
        self._downsamples = handles.downsamples(path)
        self._sizes = handles.level_sizes(path)
        self._blocks: OrderedDict[tuple[int, int, int], NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    def can_halve(self, level: int) -> bool:
        """Never: OpenSlide decodes tiles as they are."""
        return False

    def read(
        self, level: int, y: int, x: int, height: int, width: int, *, half: bool = False
    ) -> NDArray[np.uint8]:
        """Pixels of a level, (height, width, 3)."""
        factor = self._downsamples[level]
        if abs(factor - round(factor)) < EXACT:
            place = y * round(factor), x * round(factor)
            return handles.read_region(self._path, place, level, (height, width))
        result = np.empty((height, width, 3), np.uint8)
        for top in range(y // BLOCK * BLOCK, y + height, BLOCK):
            for left in range(x // BLOCK * BLOCK, x + width, BLOCK):
                block = self._block(level, top, left)
                rows = slice(max(top, y), min(top + block.shape[0], y + height))
                columns = slice(max(left, x), min(left + block.shape[1], x + width))
                part = block[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
                result[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x] = part
        return result

    def _block(self, level: int, top: int, left: int) -> NDArray[np.uint8]:
        key = level, top, left
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        place = round(top * self._downsamples[level]), round(left * self._downsamples[level])
        size = (min(BLOCK, self._sizes[level][0] - top), min(BLOCK, self._sizes[level][1] - left))
        block = handles.read_region(self._path, place, level, size)
        with self._lock:
            self._blocks[key] = block
            while len(self._blocks) > self._kept:
                self._blocks.popitem(last=False)
        return block


def open_levels(reference: Reference, *, cache_bytes: int) -> Levels:
    """The levels of the slide of a reference, of which so many bytes are kept.

    Raises:
        ImageError: It cannot be opened.
    """
    path = reference.path
    if reference.reader == "tiff":
        return TiffLevels(path, reference.format, reference.levels, cache_bytes=cache_bytes)
    if reference.reader == "openslide":
        return OpenSlideLevels(path, cache_bytes=cache_bytes)
    return PictureLevels(path)
