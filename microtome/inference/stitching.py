# SPDX-License-Identifier: MIT
"""Adding up overlapping windows in a band that holds one group of rows of windows.

Groups arrive from top to bottom, windows within a group column by column. Once a group is complete, the image
rows above the next one are final and leave the band. So the memory, at most K · 2 window · (width + window) · 4
bytes, does not depend on the height of the image.
"""

from collections.abc import Iterator, Sequence

import torch
from numpy.typing import NDArray

from microtome.inference.grid import Share
from microtome.inference.layout import Grid


class BandStitcher:
    """Weighted mean of overlapping windows.

    Two buffers, because memory traffic is what stitching costs: a *pile*, as wide as a window and therefore
    compact, adds up the windows of one column of the group with the row shares; then a *ring* of image rows
    (row y at position y mod height) adds up the piles with the column shares.

    Args:
        grid: The windows.
        example: The first batch of probabilities (N, K, h, w): gives K, device and memory layout.
        fill: Value of the pixels under no window.
    """

    def __init__(self, grid: Grid, *, example: torch.Tensor, fill: float) -> None:
        rows, columns = grid.rows, grid.columns
        self.grid, self.fill = grid, fill
        self.classes, self.device = example.shape[1], example.device
        channels_last = not example.is_contiguous() and example.is_contiguous(
            memory_format=torch.channels_last
        )
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.period = min(grid.height, rows.length)
        self.pile = self._zeros(grid.height, columns.window)
        self.ring = self._zeros(self.period, columns.length)
        self.group, self.column = 0, -1
        self.row_shares = [rows.share(index) for index in range(len(rows.starts))]
        self.column_shares = [columns.share(index) for index in range(len(columns.starts))]
        self.row_weights = [self._on_device(share.values)[:, None] for share in self.row_shares]
        self.column_weights = [self._along_columns(share) for share in self.column_shares]

    def add(self, group: int, members: Sequence[tuple[int, int]], maps: torch.Tensor) -> None:
        """Add windows of one group; groups must come in order, and windows in the order of the group.

        Args:
            group: Index of the group.
            members: Row and column of each window.
            maps: (N, K, window, window) float32.
        """
        self.group, top = group, self.grid.span(group)[0]
        for (row, column), values in zip(members, maps.split(1), strict=True):
            if not self.grid.surrounded(row, column):
                self._add_partial(row, column, values)
                continue
            if column != self.column:
                self._close_column()
                self.column = column
            share = self.row_shares[row]
            first = share.first - top
            target = self.pile[:, :, first : first + len(share.values)]
            target.addcmul_(values[:, :, share.window], self.row_weights[row])

    def finish(self, group: int) -> tuple[int, torch.Tensor]:
        """Close a group.

        Returns:
            First image row and values (K, rows, width) of the image rows that are final now; the tensor is
            the caller's.
        """
        self._close_column()
        self.column = -1
        first, stop = self.grid.boundary(group), self.grid.boundary(group + 1)
        taken = torch.empty((self.classes, stop - first, self.grid.columns.length), device=self.device)
        for ring, part in self._pieces(slice(first, stop)):
            taken[:, part] = self.ring[0, :, ring]
            self.ring[:, :, ring] = 0
        if not self.grid.complete:
            taken.masked_fill_(self._on_device(~self.grid.covered(first, stop)), self.fill)
        return first, taken

    def blank(self, stop: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the image rows before `stop`, under no window, in pieces no larger than the band."""
        for first in range(0, stop, self.period):
            size = (self.classes, min(self.period, stop - first), self.grid.columns.length)
            yield first, torch.full(size, self.fill, device=self.device)

    def _close_column(self) -> None:
        """Add the pile to the ring."""
        if self.column < 0:
            return
        share, weights = self.column_shares[self.column], self.column_weights[self.column]
        top, bottom = self.grid.span(self.group)
        inside = slice(max(top, 0), min(bottom, self.grid.rows.length))
        for ring, part in self._pieces(inside):
            rows = slice(part.start + inside.start - top, part.stop + inside.start - top)
            target = self.ring[:, :, ring, share.image]
            target.addcmul_(self.pile[:, :, rows, share.window], weights)
        self.pile.zero_()

    def _add_partial(self, row: int, column: int, values: torch.Tensor) -> None:
        """Add a window beside a skipped one to the ring."""
        y, x, own = self.grid.partial_weights(row, column)
        weights = self._on_device(own)
        top, left = self.grid.rows.starts[row], self.grid.columns.starts[column]
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

    def _zeros(self, height: int, width: int) -> torch.Tensor:
        size = (1, self.classes, height, width)
        return torch.empty(size, device=self.device, memory_format=self.layout).zero_()

    def _on_device(self, values: NDArray) -> torch.Tensor:
        return torch.from_numpy(values).to(self.device)

    def _along_columns(self, share: Share) -> torch.Tensor:
        weights = self._on_device(share.values)
        if self.layout is torch.contiguous_format:
            return weights
        return weights.expand(1, self.classes, 1, -1).contiguous(memory_format=self.layout)
