# SPDX-License-Identifier: MIT
"""Adding up overlapping windows in a band that holds one row of windows.

Windows arrive row by row. Once a row of windows is complete, the image rows above the next one are final and
leave the band. So the memory, 2 · K · window · width · 4 bytes, does not depend on the height of the image.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from microtome.inference.grid import Axis


class BandStitcher:
    """Weighted mean of overlapping windows.

    Within a row of windows only the column shares apply, into a strip; the strip is weighted with the row
    share once, when the row is complete, and added to a ring of image rows (row y at position y mod window).

    Args:
        rows: Windows along the rows.
        columns: Windows along the columns.
        mask: (rows, columns) bool: the windows that will be added.
        example: The first batch of probabilities (N, K, h, w): gives K, device and memory layout.
        fill: Value of the pixels under no window.
    """

    def __init__(
        self, rows: Axis, columns: Axis, mask: NDArray[np.bool_], *, example: torch.Tensor, fill: float
    ) -> None:
        self.rows, self.columns, self.mask, self.fill = rows, columns, mask, fill
        self.classes, self.device = example.shape[1], example.device
        channels_last = not example.is_contiguous() and example.is_contiguous(
            memory_format=torch.channels_last
        )
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.period = min(rows.window, rows.length)
        self.ring = self._zeros(self.period)
        self.strip = self._zeros(rows.window)
        self.column_shares = [columns.share(index) for index in range(len(columns.starts))]
        self.column_weights = [self._along_columns(share.values) for share in self.column_shares]

    def add(self, row: int, columns: Sequence[int], maps: torch.Tensor) -> None:
        """Add windows of one row.

        Args:
            row: Index of the row of windows.
            columns: Index of the column of each window.
            maps: (N, K, window, window) float32.
        """
        inner = self.rows.share(row).window
        for column, values in zip(columns, maps.split(1), strict=True):
            if not self._complete(row, column):
                self._add_partial(row, column, values)
                continue
            share = self.column_shares[column]
            target = self.strip[:, :, inner, share.image]
            target.addcmul_(values[:, :, inner, share.window], self.column_weights[column])

    def finish(self, row: int) -> tuple[int, torch.Tensor]:
        """Close a row of windows.

        Returns:
            First image row and values (K, rows, width) of the image rows that are final now; the tensor is
            the caller's.
        """
        share = self.rows.share(row)
        weights = torch.from_numpy(share.values).to(self.device)[:, None]
        for ring, part in self._pieces(share.image):
            strip = slice(share.offset + part.start, share.offset + part.stop)
            self.ring[:, :, ring].addcmul_(self.strip[:, :, strip], weights[part])
        self.strip.zero_()
        first, stop = self.boundary(row), self.boundary(row + 1)
        return first, self._take(first, stop)

    def boundary(self, row: int) -> int:
        """First image row that windows above row `row` of windows do not finish."""
        return max(self.rows.starts[row], 0) if 0 < row < len(self.rows.starts) else self._ends(row)

    def blank(self, stop: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the image rows before `stop`, under no window, in pieces no larger than the band."""
        for first in range(0, stop, self.period):
            size = (self.classes, min(self.period, stop - first), self.columns.length)
            yield first, torch.full(size, self.fill, device=self.device)

    def _ends(self, row: int) -> int:
        return 0 if row == 0 else self.rows.length

    def _take(self, first: int, stop: int) -> torch.Tensor:
        """Remove finished image rows from the ring."""
        taken = torch.empty((self.classes, stop - first, self.columns.length), device=self.device)
        for ring, part in self._pieces(slice(first, stop)):
            taken[:, part] = self.ring[0, :, ring]
            self.ring[:, :, ring] = 0
        if not self.mask.all():
            bare = torch.from_numpy(~self._covered(first, stop)).to(self.device)
            taken.masked_fill_(bare, self.fill)
        return taken

    def _covered(self, first: int, stop: int) -> NDArray[np.bool_]:
        """Which pixels of some image rows lie under an added window."""
        covered = np.zeros((stop - first, self.columns.length), bool)
        for row, column in np.argwhere(self.mask).tolist():
            start = self.rows.starts[row]
            if start < stop and start + self.rows.window > first:
                inside = slice(max(start - first, 0), start + self.rows.window - first)
                covered[inside, self.columns.inside(column)] = True
        return covered

    def _complete(self, row: int, column: int) -> bool:
        """Whether no window that overlaps this one is left out."""
        return bool(self.mask[self.rows.neighbours(row), self.columns.neighbours(column)].all())

    def _add_partial(self, row: int, column: int, values: torch.Tensor) -> None:
        """Add a window beside a skipped one: its weights are normalised over the windows that remain."""
        y, x = self.rows.inside(row), self.columns.inside(column)
        above, beside = self.rows.neighbours(row), self.columns.neighbours(column)
        down = np.stack([self.rows.weights_at(index, y) for index in range(above.start, above.stop)])
        across = np.stack([self.columns.weights_at(index, x) for index in range(beside.start, beside.stop)])
        total = down.T @ self.mask[above, beside].astype(np.float64) @ across
        own = np.outer(down[row - above.start], across[column - beside.start]) / total
        weights = torch.from_numpy(own.astype(np.float32)).to(self.device)
        top, left = self.rows.starts[row], self.columns.starts[column]
        values = values[:, :, y.start - top : y.stop - top, x.start - left : x.stop - left]
        for ring, part in self._pieces(y):
            self.ring[:, :, ring, x].addcmul_(values[:, :, part], weights[part])

    def _pieces(self, image: slice) -> Iterator[tuple[slice, slice]]:
        """Split a range of image rows where the ring wraps: (rows of the ring, rows of the range)."""
        done = image.start
        while done < image.stop:
            at = done % self.period
            count = min(image.stop - done, self.period - at)
            yield slice(at, at + count), slice(done - image.start, done - image.start + count)
            done += count

    def _zeros(self, height: int) -> torch.Tensor:
        size = (1, self.classes, height, self.columns.length)
        return torch.empty(size, device=self.device, memory_format=self.layout).zero_()

    def _along_columns(self, values: NDArray[np.float32]) -> torch.Tensor:
        weights = torch.from_numpy(values).to(self.device)
        if self.layout is torch.contiguous_format:
            return weights
        return weights.expand(1, self.classes, 1, -1).contiguous(memory_format=self.layout)
