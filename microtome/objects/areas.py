# SPDX-License-Identifier: MIT
"""Outlines drawn as class indices and regions, band after band, in memory that the height does not change.

Classes lie over each other, so that each pixel has one; regions do not: each has its own bit in a second map.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microtome.io.annotations import Polygon
from microtome.objects.labels import crossings

NO_CLASS = -1
"""In the place of a class index: the outline is of regions alone."""
BAND = 1024
"""Rows that are drawn at once."""


class Band(NamedTuple):
    """Rows of an image from `y` on, both (rows, W) uint8: class indices, and a bit for each region."""

    y: int
    classes: NDArray[np.uint8]
    regions: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Areas:
    """Outlines on the pixel grid of an image.

    Attributes:
        polygons: In pixels of the image. A negative one is cut out of those of its name.
        classes: Class index of each, or `NO_CLASS`.
        regions: Bits of the regions of each.
        drawn: Places of the polygons in the order in which they are drawn, later over earlier.
        outside: Class index where none covers.
        centre: Coordinate of the centre of the first pixel; None for MATLAB's grid (`labels.covered`).

    Example:
        >>> square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
        >>> found = [Polygon(parts=((square + x,),), region="") for x in (0, 1)]
        >>> areas = Areas(found, classes=(1, NO_CLASS), regions=(0b1, 0b10), drawn=(0, 1), outside=0)
        >>> [(band.y, band.classes.tolist(), band.regions.tolist()) for band in areas.bands((3, 3), 2)]
        [(0, [[1, 1, 0], [1, 1, 0]], [[1, 1, 0], [1, 3, 2]]), (2, [[0, 0, 0]], [[0, 2, 2]])]
    """

    polygons: Sequence[Polygon]
    classes: Sequence[int]
    regions: Sequence[int]
    drawn: Sequence[int]
    outside: int
    centre: float | None = 0.5

    def bands(self, shape: tuple[int, int], rows: int = BAND) -> Iterator[Band]:
        """Draw an image of `shape`, `rows` at a time, from top to bottom."""
        height, width = shape
        spans = _spans(self.polygons)
        begun: dict[int, _Fill] = {}
        for y in range(0, height, rows):
            band = Band(y, *_blank((min(rows, height - y), width), self.outside))
            near = (spans[:, 0] < y + rows) & (spans[:, 1] >= y)
            self._draw(band, [number for number in self.drawn if near[number]], begun, shape)
            for number in [one for one in begun if spans[one, 1] < y + rows]:
                del begun[number]
            yield band

    def _draw(
        self, band: Band, numbers: Sequence[int], begun: dict[int, "_Fill"], shape: tuple[int, int]
    ) -> None:
        """Draw the polygons that may reach into a band."""
        for number in numbers:
            if number not in begun:
                begun[number] = _Fill(self.polygons[number], shape, self.centre)
        stop = band.y + len(band.classes)
        cut = self._cut(band, [n for n in numbers if self.polygons[n].negative], begun)
        for number in numbers:
            polygon = self.polygons[number]
            if polygon.negative:
                continue
            window, mask = begun[number].until(stop)
            if polygon.classification in cut:
                mask = mask & ~cut[polygon.classification][band_window(window, band.y)]
            self._paint(band, number, band_window(window, band.y), mask)

    def _cut(self, band: Band, negative: Sequence[int], begun: Mapping[int, "_Fill"]) -> dict[str, NDArray]:
        """What is cut out of the polygons of each name."""
        cut: dict[str, NDArray] = {}
        for number in negative:
            window, mask = begun[number].until(band.y + len(band.classes))
            name = self.polygons[number].classification
            removed = cut.setdefault(name, np.zeros(band.classes.shape, bool))
            removed[band_window(window, band.y)] |= mask
        return cut

    def _paint(self, band: Band, number: int, window: tuple[slice, slice], mask: NDArray[np.bool_]) -> None:
        if self.classes[number] != NO_CLASS:
            band.classes[window][mask] = self.classes[number]
        if self.regions[number]:
            band.regions[window] |= mask * np.uint8(self.regions[number])


def on_lattice(
    polygon: Polygon, scale: tuple[float, float], origin: tuple[float, float], centre: float
) -> Polygon:
    """A polygon of a file in pixels of a coarser grid, whose first pixel has its centre at (0.5, 0.5).

    Args:
        polygon: As in the file.
        scale: Pixels of the file in a pixel of the grid (y, x).
        origin: Where the grid begins (y, x), in pixels of the file.
        centre: Coordinate of the centre of the first pixel in the file.

    Example:
        >>> square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
        >>> on_lattice(Polygon(parts=((square,),), region=""), (2, 4), (0, 0), 0.5).rings[0].tolist()
        [[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [0.0, 2.0]]
    """
    step, start = np.array(scale[::-1], float), np.array(origin[::-1], float)
    parts = tuple(tuple((ring - start + (0.5 - centre)) / step for ring in part) for part in polygon.parts)
    return replace(polygon, parts=parts)


def band_window(window: tuple[slice, slice], y: int) -> tuple[slice, slice]:
    """A window of an image as one of a band that starts at row `y`.

    Example:
        >>> band_window((slice(5, 7), slice(0, 2)), 4)
        (slice(1, 3, None), slice(0, 2, None))
    """
    rows, columns = window
    return slice(rows.start - y, rows.stop - y), columns


class _Fill:
    """The pixels of a polygon by the even-odd rule, given out from top to bottom.

    A row differs from the one above where an edge crosses, so what is kept is where edges cross, and the last
    row that was given out.
    """

    def __init__(self, polygon: Polygon, shape: tuple[int, int], centre: float | None) -> None:
        columns, rows = crossings(polygon.rings, shape[1], centre)
        rows = np.clip(rows, 0, shape[0])
        order = np.argsort(rows, kind="stable")
        self.rows, self.columns = rows[order], columns[order]
        self.left = int(columns.min()) if columns.size else 0
        width = int(columns.max()) + 1 - self.left if columns.size else 0
        self.y, self.end = (int(self.rows[0]), int(self.rows[-1])) if columns.size else (0, 0)
        self.last = np.zeros(width, np.uint8)

    def until(self, stop: int) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
        """The window of the rows before `stop` that were not given out yet, and which pixels are covered."""
        stop, first = max(min(stop, self.end), self.y), self.y
        width = self.last.size
        here = slice(*np.searchsorted(self.rows, (first, stop)))
        toggled = np.zeros((stop - first) * width, np.uint8)
        np.add.at(toggled, (self.rows[here] - first) * width + self.columns[here] - self.left, np.uint8(1))
        mask = toggled.reshape(-1, width) & 1 if width else toggled.reshape(stop - first, 0)
        above = self.last
        for row in mask:
            above = np.bitwise_xor(row, above, out=row)
        self.y, self.last = stop, above.copy()
        return (slice(first, stop), slice(self.left, self.left + width)), mask.view(bool)


def _blank(shape: tuple[int, int], outside: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return np.full(shape, outside, np.uint8), np.zeros(shape, np.uint8)


def _spans(polygons: Sequence[Polygon]) -> NDArray[np.float64]:
    """First and last row that each polygon may reach, a row more on either side: (n, 2)."""
    rows = [np.concatenate(polygon.rings)[:, 1] for polygon in polygons]
    return np.array([[found.min() - 2, found.max() + 2] for found in rows], float).reshape(-1, 2)
