# SPDX-License-Identifier: MIT
"""Adding up overlapping windows in a band that holds one group of rows of windows.

Groups arrive from top to bottom. Once a group is complete, the image rows above the next one are final and
leave the band. So the memory does not depend on the image's height: K · window · width · 4 bytes where the
image is wide, less than twice that where it is narrow, and a tile of K · window · 5 window · 4 bytes at most.
"""

from collections.abc import Iterator, Sequence

import torch
from numpy.typing import NDArray

from microtome.inference.grid import Grid


class BandStitcher:
    """Weighted mean of overlapping windows.

    Memory traffic is what stitching costs. So the windows of one row and a few columns (a *block*) are added
    up in a compact *tile* first, with their column weights. Each tile then goes once, with its row weights,
    to a *ring* of image rows (row y at position y mod height). No map of weights is made.

    Args:
        grid: The windows.
        example: The first batch of probabilities (N, K, h, w): gives K and device.
        fill: Value of the pixels under no window.
    """

    def __init__(self, grid: Grid, *, example: torch.Tensor, fill: float) -> None:
        rows, columns = grid.rows, grid.columns
        self.grid, self.fill = grid, fill
        self.classes, self.device = example.shape[1], example.device
        self.period = min(grid.height, rows.length)
        self.top, self.left = grid.seen[0].start, grid.seen[1].start
        self.tile = self._zeros(grid.seen[0].stop - self.top, grid.width)
        self.ring = self._zeros(self.period, columns.length)
        self.open: tuple[int, int] | None = None
        self.block_of = [number for number, block in enumerate(grid.blocks) for _ in block]
        self.row_shares = [rows.share(index) for index in range(len(rows.starts))]
        self.row_weights = [self._on_device(share.values)[:, None] for share in self.row_shares]
        self.across = [self._across(index) for index in range(len(columns.starts))]

    def add(self, members: Sequence[tuple[int, int]], maps: torch.Tensor) -> None:
        """Add windows of one group; groups must come in order, and windows in the order of the group.

        Args:
            members: Row and column of each window.
            maps: (N, K, rows, columns) float32, the part of each window that `Grid.seen` names.
        """
        for (row, column), values in zip(members, maps.contiguous(), strict=True):
            if not self.grid.surrounded(row, column):
                self._add_partial(row, column, values)
                continue
            if (row, self.block_of[column]) != self.open:
                self._close_tile()
                self.open = (row, self.block_of[column])
            inside, window, weights = self.across[column]
            self.tile[:, :, inside].addcmul_(values[:, :, window], weights)

    def finish(self, group: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Close a group.

        Yields:
            First image row and values (K, rows, width) of image rows that are final now, in order. They are
            parts of the ring and change when the iteration goes on.
        """
        self._close_tile()
        first, stop = self.grid.boundary(group), self.grid.boundary(group + 1)
        for ring, part in self._pieces(slice(first, stop)):
            band, start = self.ring[:, ring], first + part.start
            if not self.grid.complete:
                covered = self.grid.covered(start, first + part.stop)
                band.masked_fill_(self._on_device(~covered), self.fill)
            yield start, band
            band.zero_()

    def blank(self, stop: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the image rows before `stop`, under no window, in pieces no larger than the band."""
        for first in range(0, stop, self.period):
            size = (self.classes, min(self.period, stop - first), self.grid.columns.length)
            yield first, torch.full(size, self.fill, device=self.device)

    def _across(self, column: int) -> tuple[slice, slice, torch.Tensor]:
        """Columns of the tile and of the map that a window is added to and from, and their weights."""
        share = self.grid.columns.share(column)
        left = share.first - self.grid.block_span(self.block_of[column])[0]
        inside = slice(left, left + len(share.values))
        return inside, moved(share.window, -self.left), self._on_device(share.values)

    def _add_partial(self, row: int, column: int, values: torch.Tensor) -> None:
        """Add a window beside a skipped one to the ring."""
        y, x, own = self.grid.partial_weights(row, column)
        weights = self._on_device(own)
        top, left = self.grid.rows.starts[row], self.grid.columns.starts[column]
        values = values[:, y.start - top : y.stop - top, x.start - left : x.stop - left]
        for ring, part in self._pieces(y):
            self.ring[:, ring, x].addcmul_(values[:, part], weights[part])

    def _close_tile(self) -> None:
        """Add the tile to the ring and empty it."""
        if self.open is None:
            return
        row, block = self.open
        share, weights = self.row_shares[row], self.row_weights[row]
        left, right = self.grid.block_span(block)
        x = slice(max(left, 0), min(right, self.grid.columns.length))
        tile = self.tile[:, moved(share.window, -self.top), x.start - left : x.stop - left]
        for ring, part in self._pieces(share.image):
            self.ring[:, ring, x].addcmul_(tile[:, part], weights[part])
        self.tile.zero_()
        self.open = None

    def _pieces(self, image: slice) -> Iterator[tuple[slice, slice]]:
        """Split a range of image rows where the ring wraps: (rows of the ring, rows of the range)."""
        done = image.start
        while done < image.stop:
            at = done % self.period
            count = min(image.stop - done, self.period - at)
            yield slice(at, at + count), slice(done - image.start, done - image.start + count)
            done += count

    def _zeros(self, height: int, width: int) -> torch.Tensor:
        return torch.zeros((self.classes, height, width), device=self.device)

    def _on_device(self, values: NDArray) -> torch.Tensor:
        return torch.from_numpy(values).to(self.device)


def moved(positions: slice, by: int) -> slice:
    """A range of positions, counted from another one.

    Example:
        >>> moved(slice(5, 9), -3)
        slice(2, 6, None)
    """
    return slice(positions.start + by, positions.stop + by)
