# SPDX-License-Identifier: MIT
"""The grid of windows over an image, which of them are wanted, and the groups of rows done together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from microtome.inference.grid import Axis

GROUP_HEIGHT = 2
"""Height of a group of rows of windows, in windows: bounds the memory of a band."""


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
        """Consecutive rows of windows that are predicted together, at most 2 windows high.

        Windows of one column overlap in whole rows of memory, where adding is fastest; so strongly
        overlapping rows are done together, column by column.
        """
        steps = np.diff(self.rows.starts)
        spare = (GROUP_HEIGHT - 1) * self.rows.window
        size = 1 + math.floor(spare / steps.max()) if steps.size else 1
        count = len(self.rows.starts)
        return tuple(range(first, min(first + size, count)) for first in range(0, count, size))

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
        """The wanted windows of a group, (row, column), column by column."""
        rows = self.groups[group]
        return [
            (rows[row], column) for column, row in np.argwhere(self.mask[rows.start : rows.stop].T).tolist()
        ]

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

    def surrounded(self, row: int, column: int) -> bool:
        """Whether no window that overlaps this one is left out."""
        return self.complete or bool(
            self.mask[self.rows.neighbours(row), self.columns.neighbours(column)].all()
        )

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
