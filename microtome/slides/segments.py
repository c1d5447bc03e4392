# SPDX-License-Identifier: MIT
"""Maps of levels as segments: what of a row reaches a level without a gap, and which segments touch.

A map has few segments where it is smooth, so what is asked of its regions at many levels is asked of one
small graph: SciPy's labelling looks at each pixel again for each level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
EDGE = 1
"""Columns of nothing on either side of a map, which part its rows where they follow one another."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Segments of a map, level after level, each in reading order.

    Attributes:
        level: From 1, (N,).
        start: Place of the first pixel, counted along the rows, each of `stride` places, (N,).
        stop: Place behind the last pixel, (N,).
        rows: Of the map.
        stride: Places of a row, which are more than its pixels.
    """

    level: Ids
    start: Ids
    stop: Ids
    rows: int
    stride: int

    def __len__(self) -> int:
        return self.level.size

    @property
    def length(self) -> Ids:
        """Pixels of each segment."""
        return self.stop - self.start

    def of_row(self, row: int) -> Ids:
        """Which segments lie in a row."""
        return np.flatnonzero((self.start >= row * self.stride) & (self.start < (row + 1) * self.stride))


def segments_of(levels: NDArray[np.uint8]) -> Segments:
    """The segments of a map of levels (H, W), 0 being none.

    Example:
        >>> found = segments_of(np.array([[0, 2, 2, 1], [1, 0, 0, 0]], np.uint8))
        >>> found.level.tolist(), found.length.tolist()
        ([1, 1, 2], [3, 1, 2])
    """
    wide = np.pad(levels, ((0, 0), (EDGE, EDGE))).ravel()
    place = np.flatnonzero(wide[1:] != wide[:-1]) + 1
    before, after = wide[place - 1], wide[place]
    level, start = _crossed(place, before, after)
    _, stop = _crossed(place, after, before)
    return Segments(level, start, stop, len(levels), levels.shape[1] + 2 * EDGE)


def touching(segments: Segments, *, diagonal: bool) -> tuple[Ids, Ids]:
    """Pairs of segments of one level that touch, in neighbouring rows: the upper, and the lower of each.

    Args:
        segments: As `segments_of` orders them.
        diagonal: Whether a common corner is enough (8-connected).

    Example:
        >>> found = segments_of(np.array([[1, 0, 2], [0, 2, 0]], np.uint8))
        >>> [pair.tolist() for pair in touching(found, diagonal=True)]
        [[0, 1, 3], [2, 2, 4]]
        >>> touching(found, diagonal=False)[0].size
        0
    """
    offset = segments.level * ((segments.rows + 2) * segments.stride)
    start, stop = offset + segments.start, offset + segments.stop
    reach, stride = int(diagonal), segments.stride
    low = np.searchsorted(stop, start + (stride - reach), side="right")
    high = np.searchsorted(start, stop + (stride + reach), side="left")
    counts = np.maximum(high - low, 0)
    return np.repeat(np.arange(len(segments)), counts), _ramps(low, counts)


def _crossed(place: Ids, lower: NDArray[np.uint8], upper: NDArray[np.uint8]) -> tuple[Ids, Ids]:
    """The levels that are crossed upwards, and the places where; ordered by level, then place."""
    counts = np.maximum(upper.astype(np.int64) - lower, 0)
    level = _ramps(lower.astype(np.int64) + 1, counts)
    order = np.argsort(level.astype(np.uint8), kind="stable")
    return level[order], np.repeat(place, counts)[order]


def _ramps(first: Ids, counts: Ids) -> Ids:
    """As many whole numbers in a row as each count says, from each first one on."""
    return np.arange(counts.sum()) + np.repeat(first - (counts.cumsum() - counts), counts)
