# SPDX-License-Identifier: MIT
"""Maps of levels as runs (pixels of one level side by side in a row), and which runs touch.

A smooth map has few runs, so what is asked of its regions is asked of a small graph: SciPy's labelling looks
at each pixel again for each threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs in reading order, those of level 0 left out.

    Attributes:
        row: Of each run, (N,).
        start: First column.
        stop: Column beside the last.
        level: From 1.
    """

    row: Ids
    start: Ids
    stop: Ids
    level: Ids

    def __len__(self) -> int:
        return self.row.size

    @property
    def length(self) -> Ids:
        """Pixels of each run."""
        return self.stop - self.start

    def of_row(self, row: int) -> Ids:
        """Which runs lie in a row."""
        return np.arange(*np.searchsorted(self.row, (row, row + 1)))


def runs_of(levels: NDArray[np.integer]) -> Runs:
    """The runs of a map of levels (H, W).

    Example:
        >>> found = runs_of(np.array([[0, 2, 2, 1], [1, 0, 0, 0]], np.uint8))
        >>> found.start.tolist(), found.stop.tolist(), found.level.tolist()
        ([1, 3, 0], [3, 4, 1], [2, 1, 1])
    """
    changes = np.ones(levels.shape, bool)
    np.not_equal(levels[:, 1:], levels[:, :-1], out=changes[:, 1:])
    begin = np.flatnonzero(changes)
    level = levels.ravel()[begin]
    end = np.append(begin[1:], levels.size)
    begin, end, level = (part[level > 0] for part in (begin, end, level))
    row = begin // levels.shape[1]
    base = row * levels.shape[1]
    return Runs(row, begin - base, end - base, level.astype(np.int64))


def below(above: Runs, others: Runs) -> Runs:
    """The runs of one row, and those of a map that goes on beneath it."""
    rows = np.zeros(len(above), np.int64)
    parts = (
        (rows, others.row + 1),
        *((getattr(above, n), getattr(others, n)) for n in ("start", "stop", "level")),
    )
    return Runs(*(np.concatenate(part) for part in parts))


def touching(runs: Runs, *, diagonal: bool) -> tuple[Ids, Ids]:
    """Pairs of runs that touch, each once: side by side, and in neighbouring rows.

    Args:
        runs: In reading order.
        diagonal: Whether a common corner is enough (8-connected).

    Example:
        >>> runs = runs_of(np.array([[1, 0, 2], [0, 3, 0]]))
        >>> [pair.tolist() for pair in touching(runs, diagonal=True)]
        [[0, 1], [2, 2]]
        >>> touching(runs, diagonal=False)[0].size
        0
    """
    if not len(runs):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    reach, stride = int(diagonal), int(runs.stop.max()) + 2
    starts, stops = runs.row * stride + runs.start, runs.row * stride + runs.stop
    beside = np.flatnonzero(stops[:-1] == starts[1:])
    low = np.searchsorted(stops, starts + (stride - reach), side="right")
    high = np.searchsorted(starts, stops + (stride + reach), side="left")
    counts = np.maximum(high - low, 0)
    upper = np.repeat(np.arange(len(runs)), counts)
    lower = np.arange(upper.size) + np.repeat(low - (counts.cumsum() - counts), counts)
    return np.concatenate([beside, upper]), np.concatenate([beside + 1, lower])


class Forest:
    """Disjoint sets with sizes; joined many at a time."""

    def __init__(self, count: int) -> None:
        self.size = np.zeros(count, np.int64)
        self._parent = np.arange(count)

    def find(self, members: Ids) -> Ids:
        """The root of the set of each member."""
        roots = self._parent[members]
        while not np.array_equal(above := self._parent[roots], roots):
            roots = above
        self._parent[members] = roots
        return roots

    def grow(self, members: Ids, sizes: Ids) -> None:
        """Add to the sizes of the members' sets."""
        np.add.at(self.size, self.find(members), sizes)

    def join(self, one: Ids, other: Ids) -> Ids:
        """Join the sets of pairs of members; returns the roots of what was joined."""
        roots = np.stack([self.find(one), self.find(other)])
        roots = roots[:, roots[0] != roots[1]]
        if not roots.size:
            return np.zeros(0, np.int64)
        sets, index = np.unique(roots, return_inverse=True)
        index = index.reshape(roots.shape)
        links = coo_array((np.ones(index.shape[1], bool), tuple(index)), (sets.size, sets.size))
        count, joined = connected_components(links, directed=False)
        heads = np.zeros(count, np.int64)
        heads[joined] = sets
        sums = np.bincount(joined, weights=self.size[sets], minlength=count).astype(np.int64)
        self._parent[sets] = heads[joined]
        self.size[heads] = sums
        return heads
