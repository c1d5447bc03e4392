# SPDX-License-Identifier: MIT
"""Which pixels a polygon covers, by the even-odd rule. Used through :mod:`microtome.objects.labels`.

An outline is turned into crossings: the columns of pixels whose centre line an edge crosses, and the first
row below the crossing. A pixel is inside if the number of crossings above it in its column is odd. Because
an edge gives the same crossings in both directions, polygons that share an edge neither share a pixel nor
leave a gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SUBPIXELS = 5
"""poly2mask moves vertices to a grid of 5 x 5 cells a pixel (documentation of MATLAB's poly2mask)."""
CENTRAL = 3
"""Place of the centre column on that grid: column j is crossed between 5 j + 3 and 5 j + 4, from 1 on."""
NEAREST = (2, 1, 0, -1)

Floats = "NDArray[np.float64]"
Integers = "NDArray[np.int64]"


class Patch(NamedTuple):
    """The pixels of a polygon within the image.

    Attributes:
        top: First row.
        left: First column.
        mask: (h, w) bool.
    """

    top: int
    left: int
    mask: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns in the image."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def fill(rings: Sequence[Floats], shape: tuple[int, int], *, centre: float | None) -> Patch:
    """Find the pixels of a polygon.

    Args:
        rings: Each (V, 2) float64, x and y, closed implicitly.
        shape: Rows and columns of the image; what lies outside is cut off.
        centre: Coordinate of the centre of the first pixel on both axes, exact geometry; None for MATLAB's
            poly2mask with its subpixel grid.

    Returns:
        The pixels in their bounding box; an empty mask if there are none.

    Example:
        >>> ring = np.array([[1.0, 0], [3, 0], [3, 2], [1, 2]])
        >>> fill([ring], (2, 4), centre=0.5)
        Patch(top=0, left=1, mask=array([[ True,  True],
               [ True,  True]]))
    """
    height, width = shape
    found = [
        _snapped_crossings(ring, width) if centre is None else _crossings(ring - centre, width)
        for ring in rings
    ]
    columns, rows = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    if columns.size == 0:
        return Patch(0, 0, np.zeros((0, 0), bool))
    rows = np.clip(rows, 0, height)
    top, left = int(rows.min()), int(columns.min())
    box = int(rows.max()) - top + 1, int(columns.max()) - left + 1
    flat = (rows - top) * box[1] + columns - left
    crossed = np.bincount(flat, minlength=box[0] * box[1]).reshape(box) & 1
    return Patch(top, left, np.logical_xor.accumulate(crossed.astype(bool), axis=0)[:-1])


def _crossings(ring: Floats, width: int) -> tuple[Integers, Integers]:
    """Columns and first rows of exact geometry, pixel centres on whole numbers."""
    x1, y1, x2, y2 = _edges(ring, by=0)
    first = np.clip(np.ceil(x1), 0, width)
    last = np.clip(np.ceil(x2) - 1, -1, width - 1)
    edge, column = _spans(first, last)
    x1, y1, x2, y2 = x1[edge], y1[edge], x2[edge], y2[edge]
    y = y1 + (column - x1) * ((y2 - y1) / (x2 - x1))
    y = np.clip(y, np.minimum(y1, y2), np.maximum(y1, y2))
    return column, np.ceil(y).astype(np.int64)


def _snapped_crossings(ring: Floats, width: int) -> tuple[Integers, Integers]:
    """Columns and first rows as poly2mask finds them: vertices and lines on the grid of subpixels."""
    snapped = _round(SUBPIXELS * (ring - 0.5) + 1)
    run, rise = np.abs(np.roll(snapped, -1, axis=0) - snapped).T
    steep = rise > run
    found = []
    for choice, by, crossing in ((~steep, 0, _flat_crossing), (steep, 1, _steep_crossing)):
        x1, y1, x2, y2 = (values[choice] for values in _edges(snapped, by=by))
        low, high = np.minimum(x1, x2), np.maximum(x1, x2)
        first = np.clip(np.ceil((low - CENTRAL) / SUBPIXELS), 0, width)
        last = np.clip(np.floor((high - 1 - CENTRAL) / SUBPIXELS), -1, width - 1)
        edge, column = _spans(first, last)
        place = SUBPIXELS * column + CENTRAL
        y = crossing(x1[edge], y1[edge], x2[edge], y2[edge], place)
        found.append((column, (np.ceil((y + 2) / SUBPIXELS) - 1).astype(np.int64)))
    (flat_columns, flat_rows), (steep_columns, steep_rows) = found
    return np.concatenate([flat_columns, steep_columns]), np.concatenate([flat_rows, steep_rows])


def _flat_crossing(x1: Floats, y1: Floats, x2: Floats, y2: Floats, place: Integers) -> Floats:
    """The smaller y on either side of the step from `place` to the next x; lines of x1 < x2."""
    slope = (y2 - y1) / (x2 - x1)
    return np.minimum(_round(y1 + slope * (place - x1)), _round(y1 + slope * (place + 1 - x1)))


def _steep_crossing(x1: Floats, y1: Floats, x2: Floats, y2: Floats, place: Integers) -> Floats:
    """The last y before the rounded x steps across `place`; lines of y1 < y2, steeper than 45 degrees."""
    slope = (x2 - x1) / (y2 - y1)
    rising = slope > 0
    guess = np.floor(y1 + (place + 0.5 - x1) / slope)
    found = y1
    for step in reversed(NEAREST):
        y = np.clip(guess + step, y1, y2)
        x = _round(x1 + slope * (y - y1))
        found = np.where(np.where(rising, x <= place, x > place), np.maximum(found, y), found)
    return found


def _edges(ring: Floats, *, by: int) -> tuple[Floats, Floats, Floats, Floats]:
    """x1, y1, x2, y2 of each edge, the end with the smaller x (by 0) or y (by 1) first."""
    following = np.roll(ring, -1, axis=0)
    swap = (ring[:, by] > following[:, by])[:, None]
    start, end = np.where(swap, following, ring), np.where(swap, ring, following)
    return start[:, 0], start[:, 1], end[:, 0], end[:, 1]


def _spans(first: Floats, last: Floats) -> tuple[Integers, Integers]:
    """Index of the edge and column for all columns from `first` to `last` of each edge."""
    counts = np.maximum(last - first + 1, 0).astype(np.int64)
    edge = np.repeat(np.arange(counts.size), counts)
    offset = np.arange(edge.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return edge, first.astype(np.int64)[edge] + offset


def _round(values: Floats) -> Floats:
    """Round halves away from zero, as MATLAB does."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values)
