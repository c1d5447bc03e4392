# SPDX-License-Identifier: MIT
"""The grid of windows over an image, which of them are wanted, and which are done together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from microtome.inference.axis import Axis

GROUP_BATCHES = 4
"""Batches that a group of rows of windows has, at least, so that few of them are smaller than asked for."""
PILED = 6
"""Rows of windows whose windows are added up column by column."""
OVERLAPS = 5
"""How many windows lie over a row of the image where that pays."""


def group_windows(axis: Axis, *, reach: int = 1, most: int | None = None) -> tuple[range, ...]:
    """Divide the windows of an axis into groups of neighbours.

    Args:
        axis: The windows.
        reach: A group is less than `reach` + 1 windows long: with 1 all its windows overlap.
        most: Most windows of a group.

    Example:
        >>> from microtome.inference.axis import plan_axis
        >>> axis = plan_axis(32, 16, overlap=12, border=0, weights="constant", sigma=None)
        >>> axis.starts, group_windows(axis)
        ((0, 4, 8, 12, 16), (range(0, 4), range(4, 5)))
    """
    steps, count = np.diff(axis.starts), len(axis.starts)
    size = reach * axis.window // int(steps.max()) if steps.size else 1
    size = min(size, most or size)
    return tuple(range(first, min(first + size, count)) for first in range(0, count, size))


@dataclass(frozen=True, eq=False)
class Grid:
    """Windows over an image.

    Attributes:
        rows: Windows along the rows.
        columns: Windows along the columns.
        mask: (rows, columns) bool, the windows that are wanted.
        batch: Windows per forward pass.
    """

    rows: Axis
    columns: Axis
    mask: NDArray[np.bool_]
    batch: int

    @cached_property
    def groups(self) -> tuple[range, ...]:
        """Rows of windows that are predicted together: as few as fill some batches, as they cost memory."""
        least = math.ceil(GROUP_BATCHES * self.batch / len(self.columns.starts))
        return group_windows(self.rows, most=max(least, PILED) if self.piles else least)

    @cached_property
    def piles(self) -> bool:
        """Whether windows overlap so much that those of a column are added up first."""
        steps = np.diff(self.rows.starts)
        return len(steps) + 1 >= PILED and OVERLAPS * int(steps.max()) <= self.rows.window

    def span(self, group: int) -> tuple[int, int]:
        """First image row of a group of rows of windows and the row behind its last; may lie outside."""
        rows = self.groups[group]
        return self.rows.starts[rows[0]], self.rows.starts[rows[-1]] + self.rows.window

    @cached_property
    def height(self) -> int:
        """Image rows of the highest group."""
        spans = [self.span(group) for group in range(len(self.groups))]
        return max(stop - start for start, stop in spans)

    def boundary(self, group: int) -> int:
        """First image row that the groups above a group do not finish."""
        if group == 0:
            return 0
        return self.rows.length if group == len(self.groups) else max(self.span(group)[0], 0)

    def members(self, group: int) -> list[tuple[int, int]]:
        """The wanted windows of a group, (row, column): row by row, or column by column to be piled."""
        rows, columns = self.groups[group], range(len(self.columns.starts))
        if self.piles:
            return [(row, column) for column, row in product(columns, rows) if self.mask[row, column]]
        return [member for member in product(rows, columns) if self.mask[member]]

    def batches(self, group: int) -> list[list[tuple[int, int]]]:
        """The wanted windows of a group in batches of about equal size."""
        members = self.members(group)
        parts = np.array_split(np.arange(len(members)), math.ceil(len(members) / self.batch))
        return [[members[index] for index in part] for part in parts]

    def column_spans(self, rows: Sequence[int], margin: int) -> list[tuple[int, int]]:
        """Intervals of image columns under the wanted windows of some rows, with a margin, merged."""
        spans: list[tuple[int, int]] = []
        for column in np.flatnonzero(self.mask[rows].any(axis=0)).tolist():
            start = self.columns.starts[column] - margin
            stop = start + self.columns.window + 2 * margin
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], stop)
            else:
                spans.append((start, stop))
        return spans

    @cached_property
    def complete(self) -> bool:
        """Whether all windows are wanted."""
        return bool(self.mask.all())

    @cached_property
    def seen(self) -> tuple[slice, slice]:
        """Rows and columns of a window that count at any pixel; beside skipped windows all may count."""
        if self.complete:
            return self.rows.seen, self.columns.seen
        return slice(0, self.rows.window), slice(0, self.columns.window)

    def surrounded(self, row: int, column: int) -> bool:
        """Whether no window that overlaps this one is left out."""
        if self.complete:
            return True
        return bool(self.mask[self.rows.neighbours(row), self.columns.neighbours(column)].all())

    def covered(self, first: int, stop: int) -> NDArray[np.bool_]:
        """Which pixels of some image rows lie under a wanted window: (rows, W) bool."""
        covered = np.zeros((stop - first, self.columns.length), bool)
        for row, start in enumerate(self.rows.starts):
            if start < stop and start + self.rows.window > first:
                inside = slice(max(start - first, 0), start + self.rows.window - first)
                for left, right in self.column_spans([row], 0):
                    covered[inside, max(left, 0) : right] = True
        return covered

    def partial_weights(self, row: int, column: int) -> tuple[slice, slice, NDArray[np.float32]]:
        """Image rows, image columns and weights of a window beside a skipped one.

        The weights are normalised over the windows that remain, which no product of two axes can do.
        """
        y, x = self.rows.inside(row), self.columns.inside(column)
        above, beside = self.rows.neighbours(row), self.columns.neighbours(column)
        down = np.stack([self.rows.weights_at(index, y) for index in range(above.start, above.stop)])
        across = np.stack([self.columns.weights_at(index, x) for index in range(beside.start, beside.stop)])
        total = down.T @ self.mask[above, beside].astype(np.float64) @ across
        own = np.outer(down[row - above.start], across[column - beside.start]) / total
        return y, x, own.astype(np.float32)
