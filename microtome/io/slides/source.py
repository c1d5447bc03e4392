# SPDX-License-Identifier: MIT
"""A slide at one pixel size, read by windows."""

import math
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microtome.io.errors import ImageError
from microtome.io.raster import EVERY, check_window
from microtome.io.slides.area import average
from microtome.io.slides.files import data_files
from microtome.io.slides.headers import header
from microtome.io.slides.levels import Levels, open_levels
from microtome.io.slides.pyramid import Pair
from microtome.io.slides.references import Reference, describe, read_reference
from microtome.io.tiff_windows import CACHE_BYTES

RGB, HALF = 3, 2
PIECE = 2**22
"""Level pixels that are held at once; larger windows are made in pieces."""
SIDE = 512
"""Image pixels; pieces that share a row of windows begin at multiples of it."""


class SlideSource:
    """The image of a slide that a reference describes, as a window source, (3, H, W) uint8.

    A place has one value, whichever window reads it. What is transparent is white. The source holds no open
    file: it can be pickled, forked and shared by threads.

    Args:
        reference: Which image of which slide.
        cache_bytes: Upper bound of the decoded tiles kept in memory; OpenSlide keeps its own, of all slides
            together (`handles.CACHE_BYTES`).

    Attributes:
        reference: The same.
    """

    def __init__(self, reference: Reference, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.reference = reference
        self._lattice, self._cache_bytes = reference.lattice, cache_bytes

    def __reduce__(self) -> tuple[Any, tuple[Reference]]:
        """Pickle by reference: the copy opens the slide anew."""
        return partial(SlideSource, cache_bytes=self._cache_bytes), (self.reference,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        return RGB, *self.reference.shape

    @property
    def dtype(self) -> np.dtype:
        """Pixel type, uint8."""
        return np.dtype(np.uint8)

    @property
    def mpp(self) -> Pair:
        """Pixel size of the image in µm, of rows and columns."""
        return self.reference.mpp

    @property
    def scale(self) -> Pair:
        """Slide pixels in an image pixel, of rows and columns."""
        return self.reference.scale

    def at(self, mpp: float, *, tolerance: float = 0.0) -> "SlideSource":
        """The same slide at another pixel size, from the level that suits it best.

        Args:
            mpp: µm.
            tolerance: Relative difference within which a level is read as it is.

        Raises:
            ImageError: The slide is too coarse.
        """
        return SlideSource(self.reference.at(mpp, tolerance=tolerance), cache_bytes=self._cache_bytes)

    def reduced(self, longest: int) -> "SlideSource":
        """The same slide, its longer side of about so many pixels, or less where it has less."""
        sides = (size * pixel for size, pixel in zip(self.reference.shape, self.mpp, strict=True))
        return self.at(max(max(sides) / longest, *self.mpp))

    def overview(self, longest: int) -> NDArray[np.uint8]:
        """The pixels (3, H, W) of the whole slide as `reduced` shows it."""
        source = self.reduced(longest)
        return source.read(0, 0, *source.shape[1:])

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray[np.uint8]:
        """Return the window (3, height, width) at (y, x), which must lie inside the image.

        Raises:
            ImageError: If the window is not inside, or a part of the slide cannot be decoded.
        """
        check_window(self.shape, y, x, height, width)
        pieces = list(self._pieces(y, x, height, width))
        if len(pieces) == 1:
            return self._piece(*pieces[0])[channels]
        result = np.empty((RGB, height, width), np.uint8)
        for top, left, rows, columns in pieces:
            place = slice(top - y, top - y + rows), slice(left - x, left - x + columns)
            result[:, *place] = self._piece(top, left, rows, columns)
        return result[channels]

    def _pieces(self, y: int, x: int, height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
        """Cut a window so that each piece needs few level pixels, row of pieces after row."""
        rows, columns = self._lattice.rows, self._lattice.columns
        area = 1.0 if self._is_halved else rows.step * columns.step
        wide = width if area * width * SIDE / 8 <= PIECE else max(int(PIECE / area / SIDE), 1)
        high = max(int(PIECE / area / min(wide, width)), 1)
        for top in range(y, y + height, high):
            for left in range(x, x + width, wide):
                yield top, left, min(high, y + height - top), min(wide, x + width - left)

    def _piece(self, y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        found = self._lattice
        if self._is_halved:
            top, left = (int(axis.start) // 2 for axis in (found.rows, found.columns))
            block = self._levels.read(found.level, top + y, left + x, height, width, half=True)
            return np.ascontiguousarray(np.moveaxis(block, -1, 0))
        top, bottom = found.rows.span(y, height)
        left, right = found.columns.span(x, width)
        block = self._levels.read(found.level, top, left, bottom - top, right - left)
        return average(block, found.rows, found.columns, (y, x, height, width))

    @cached_property
    def _levels(self) -> Levels:
        reference = self.reference
        size = sum(file.stat().st_size for file in data_files(reference.path))
        if size != reference.size:
            found = f"a slide of {size} bytes"
            remedy = "delete the reference to it; the workflow makes it anew"
            raise ImageError(reference.path, found, f"{reference.size}, as its reference says", remedy)
        return open_levels(reference, cache_bytes=self._cache_bytes)

    @cached_property
    def _is_halved(self) -> bool:
        """Whether tiles are decoded to half their size: where exactly that is wanted, and can be had."""
        axes = self._lattice.rows, self._lattice.columns
        exactly = all(axis.factor == HALF and axis.start % HALF == 0 for axis in axes)
        return self.reference.decode == "half" and exactly and self._levels.can_halve(self._lattice.level)


def open_reference(path: Path | str, *, cache_bytes: int = CACHE_BYTES) -> SlideSource:
    """Open the image that a reference describes; `cache_bytes` as of `SlideSource`.

    Raises:
        ImageError: The file is no reference.
    """
    return SlideSource(read_reference(path), cache_bytes=cache_bytes)


def open_finest(path: Path | str) -> SlideSource:
    """Open a slide at its finest level, whether or not it says how large its pixels are.

    Raises:
        ImageError: It cannot be read.
    """
    pixel = header(path).mpp or (1.0, 1.0)
    middle = math.sqrt(pixel[0] * pixel[1])
    return SlideSource(describe(path, mpp=middle, slide_mpp=(middle, middle)))
