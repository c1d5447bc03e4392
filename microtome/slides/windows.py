# SPDX-License-Identifier: MIT
"""Which parts of a slide are predicted: sections, together where windows overlap, and tissue in them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from microtome.io.raster import EVERY, Raster, check_window

STRIPS = 8
"""Strips of a mask whose sums are kept: windows come row by row."""
Pair = tuple[float, float]


@dataclass(frozen=True, order=True)
class Rectangle:
    """Rows and columns of a map; sorted from above, then from the left.

    Attributes:
        y: First row.
        x: First column.
        height: Rows.
        width: Columns.
    """

    y: int
    x: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The row below the last."""
        return self.y + self.height

    @property
    def right(self) -> int:
        """The column beside the last."""
        return self.x + self.width

    def common(self, other: "Rectangle") -> "Rectangle | None":
        """What lies in both; None if nothing does.

        Example:
            >>> Rectangle(0, 0, 5, 5).common(Rectangle(3, 4, 9, 9))
            Rectangle(y=3, x=4, height=2, width=1)
        """
        y, x = max(self.y, other.y), max(self.x, other.x)
        height, width = min(self.bottom, other.bottom) - y, min(self.right, other.right) - x
        return Rectangle(y, x, height, width) if height > 0 and width > 0 else None

    def around(self, other: "Rectangle") -> "Rectangle":
        """The smallest rectangle around both."""
        y, x = min(self.y, other.y), min(self.x, other.x)
        return Rectangle(y, x, max(self.bottom, other.bottom) - y, max(self.right, other.right) - x)

    def scaled(self, factor: int, size: tuple[int, int]) -> "Rectangle":
        """The same in pixels of which each has `factor` along either axis, within an image of this size."""
        y, x = self.y * factor, self.x * factor
        bottom, right = min(self.bottom * factor, size[0]), min(self.right * factor, size[1])
        return Rectangle(y, x, bottom - y, right - x)


def on_map(corner: Pair, sides: Pair, scale: Pair, size: tuple[int, int]) -> Rectangle:
    """The pixels of a map that a box in slide pixels touches.

    Args:
        corner: Row and column of the box, slide pixels.
        sides: Its height and width, slide pixels.
        scale: Slide pixels in a pixel of the map, of rows and columns.
        size: Rows and columns of the map.

    Raises:
        ValueError: The box is empty or lies outside.

    Example:
        >>> on_map((10, 4), (5, 8), (4.0, 4.0), (100, 100))
        Rectangle(y=2, x=1, height=2, width=2)
    """
    (y, bottom), (x, right) = (
        (max(math.floor(start / step), 0), min(math.ceil((start + side) / step), length))
        for start, side, step, length in zip(corner, sides, scale, size, strict=True)
    )
    if bottom <= y or right <= x:
        found = f"a box of {sides[0]} x {sides[1]} slide pixels at row {corner[0]}, column {corner[1]}"
        msg = f"{found} is empty or outside a map of {size[0]} x {size[1]}; correct the sections"
        raise ValueError(msg)
    return Rectangle(y, x, bottom - y, right - x)


def grown(area: Rectangle, window: int, size: tuple[int, int]) -> Rectangle:
    """Grow an area to the side of a window at least, about its centre and within a map of this size.

    So windows see the slide, not its mirror image, wherever the slide goes on.

    Example:
        >>> grown(Rectangle(1, 40, 4, 20), 10, (100, 64)), grown(Rectangle(0, 60, 4, 4), 10, (8, 64))
        (Rectangle(y=0, x=40, height=10, width=20), Rectangle(y=0, x=54, height=8, width=10))
    """
    y, height = _wide(area.y, area.height, min(window, size[0]), size[0])
    x, width = _wide(area.x, area.width, min(window, size[1]), size[1])
    return Rectangle(y, x, height, width)


def _wide(start: int, length: int, least: int, limit: int) -> tuple[int, int]:
    """First pixel and length of a span of at least so many pixels."""
    if length >= least:
        return start, length
    return min(max(start - (least - length) // 2, 0), limit - least), least


def merged(areas: Iterable[Rectangle]) -> list[Rectangle]:
    """Put areas together until none has a pixel in common with another.

    Example:
        >>> merged([Rectangle(0, 0, 5, 5), Rectangle(9, 9, 2, 2), Rectangle(4, 4, 5, 2)])
        [Rectangle(y=0, x=0, height=9, width=6), Rectangle(y=9, x=9, height=2, width=2)]
    """
    waiting, done = sorted(areas), []
    while waiting:
        area = waiting.pop(0)
        meeting = [other for other in (*waiting, *done) if area.common(other)]
        if not meeting:
            done.append(area)
            continue
        for other in meeting:
            area = area.around(other)
        waiting = [area, *(other for other in waiting if other not in meeting)]
        done = [other for other in done if other not in meeting]
    return sorted(done)


@dataclass(frozen=True, eq=False)
class Part:
    """A rectangle of an image as an image.

    Example:
        >>> from microtome.io.raster import ArraySource
        >>> Part(ArraySource(np.arange(12).reshape(3, 4)), Rectangle(1, 2, 2, 2)).read(0, 0, 1, 2).tolist()
        [[[6, 7]]]
    """

    source: Raster
    area: Rectangle

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        return self.source.shape[0], self.area.height, self.area.width

    @property
    def dtype(self) -> np.dtype:
        """Pixel type."""
        return self.source.dtype

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray:
        """Return the window (C, height, width) at (y, x), which must lie inside the rectangle."""
        check_window(self.shape, y, x, height, width)
        return self.source.read(self.area.y + y, self.area.x + x, height, width, channels)


class TissueInside:
    """Whether there is tissue in sections, asked for windows of an image, row by row.

    Args:
        mask: 0 where there is no tissue, (1, h, w); its pixels are larger than those of the image.
        size: Rows and columns of the image.
        sections: Where tissue counts, pixels of the image.

    Example:
        >>> from microtome.io.raster import ArraySource
        >>> mask = ArraySource(np.array([[0, 1], [0, 0]], np.uint8))
        >>> inside = TissueInside(mask, (20, 20), [Rectangle(0, 0, 20, 20)])
        >>> inside(Rectangle(0, 0, 5, 10)), inside(Rectangle(8, 8, 4, 4)), inside(Rectangle(10, 0, 5, 20))
        (False, True, False)
    """

    def __init__(self, mask: Raster, size: tuple[int, int], sections: Sequence[Rectangle]) -> None:
        self._mask, self._sections = mask, sections
        self._steps = tuple(length / side for length, side in zip(size, mask.shape[1:], strict=True))
        self._sums = lru_cache(maxsize=STRIPS * max(len(sections), 1))(self._sums_of)

    def __call__(self, window: Rectangle) -> bool:
        """Whether a pixel of tissue in a section lies in a window, which may reach beyond the image."""
        return any(self._has(common) for each in self._sections if (common := each.common(window)))

    def _has(self, place: Rectangle) -> bool:
        down, across = self._steps
        top, bottom = int(place.y / down), min(math.ceil(place.bottom / down), self._mask.shape[1])
        left, right = int(place.x / across), min(math.ceil(place.right / across), self._mask.shape[2])
        sums = self._sums(top, bottom)
        return bool(sums[right] > sums[left])

    def _sums_of(self, top: int, bottom: int) -> NDArray[np.int64]:
        """Of some rows of the mask, how many columns left of each one hold tissue."""
        rows = self._mask.read(top, 0, bottom - top, self._mask.shape[2])[0]
        return np.concatenate([[0], np.cumsum((rows > 0).any(axis=0))])
