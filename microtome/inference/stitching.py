# SPDX-License-Identifier: MIT
"""Adding up overlapping windows in a band that holds one group of rows of windows.

Groups arrive from top to bottom. Once a group is complete, the image rows above the next one are final and
leave the band. So the memory does not depend on the image's height: K · window · width · 4 bytes where the
image is wide, less than twice that where it is narrow or the overlap large, and then a pile of K · window ·
2 window · 4 bytes.
"""

from collections.abc import Iterator, Sequence

import torch
from numpy.typing import NDArray

from microtome.inference.axis import Axis
from microtome.inference.grid import Grid


class Reach:
    """Where the windows along one axis count, and how much.

    Attributes:
        image: Of each window, the image positions that it has a share in.
        window: The same positions, counted in the part of the window that is seen.
        weights: Their weights, on the device.
    """

    def __init__(self, axis: Axis, seen: slice, device: torch.device) -> None:
        shares = [axis.share(index) for index in range(len(axis.starts))]
        self.image = [share.image for share in shares]
        self.window = [moved(share.window, -seen.start) for share in shares]
        self.weights = [torch.from_numpy(share.values).to(device) for share in shares]


class BandStitcher:
    """Weighted mean of overlapping windows.

    Memory traffic is what stitching costs, and worst where what is added is in many short pieces, as a window
    is in the *ring* of image rows (row y at position y mod height) that becomes the result. So where windows
    overlap much, those of one column of a group are added up in a *pile* first, with their row weights: it is
    as wide as they are, and hence in one piece. Each pile then goes to the ring once, with column weights.
    Other windows go there one by one. No map of the sum of weights is made.

    Args:
        grid: The windows.
        example: The first batch of probabilities (N, K, h, w): gives K and device.
        fill: Value of the pixels under no window.
    """

    def __init__(self, grid: Grid, *, example: torch.Tensor, fill: float) -> None:
        self.grid, self.fill = grid, fill
        self.classes, self.device = example.shape[1], example.device
        self.period = min(grid.height, grid.rows.length)
        self.ring = self._zeros(self.period, grid.columns.length)
        self.down = Reach(grid.rows, grid.seen[0], self.device)
        self.across = Reach(grid.columns, grid.seen[1], self.device)
        self.pile = self._zeros(self.period if grid.piles else 0, grid.seen[1].stop - grid.seen[1].start)
        self.column: int | None = None
        self.piled = slice(0, 0)

    def add(self, members: Sequence[tuple[int, int]], maps: torch.Tensor) -> None:
        """Add windows of one group; groups must come in order, and windows in the order of the group.

        Args:
            members: Row and column of each window.
            maps: (N, K, rows, columns) float32, the part of each window that `Grid.seen` names.
        """
        maps = maps if maps.stride(-1) == 1 else maps.contiguous()
        for (row, column), values in zip(members, maps.unbind(), strict=True):
            if not self.grid.surrounded(row, column):
                self._add_partial(row, column, values)
            elif self.grid.piles:
                self._pile(row, column, values[:, self.down.window[row]])
            else:
                self._add_whole(row, column, values)

    def finish(self, group: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Close a group.

        Yields:
            First image row and values (K, rows, width) of image rows that are final now, in order. They are
            parts of the ring and change when the iteration goes on.
        """
        self._add_pile()
        for start, ring in self._final(group):
            band = self.ring[:, ring]
            if not self.grid.complete:
                covered = self.grid.covered(start, start + band.shape[1])
                band.masked_fill_(self._on_device(~covered), self.fill)
            yield start, band
            band.zero_()

    def _final(self, group: int) -> Iterator[tuple[int, slice]]:
        """What a group finishes, in parts as high as windows are apart: first image row, rows of the ring."""
        first, stop = self.grid.boundary(group), self.grid.boundary(group + 1)
        parts = len(self.grid.groups[group]) if self.grid.piles else 1
        height = -(-(stop - first) // parts)
        for start in range(first, stop, max(height, 1)):
            for ring, part in self._pieces(slice(start, min(start + height, stop))):
                yield start + part.start, ring

    def blank(self, stop: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the image rows before `stop`, under no window, in pieces no larger than the band."""
        for first in range(0, stop, self.period):
            size = (self.classes, min(self.period, stop - first), self.grid.columns.length)
            yield first, torch.full(size, self.fill, device=self.device)

    def _pile(self, row: int, column: int, values: torch.Tensor) -> None:
        """Add a window, in the rows where it has a share, to those of its column."""
        image, weights = self.down.image[row], self.down.weights[row][:, None]
        if column != self.column:
            self._add_pile()
            self.column, self.piled = column, image
            torch.mul(values, weights, out=self.pile[:, : values.shape[1]])
            return
        first, stop = self.piled.start, self.piled.stop
        self.pile[:, stop - first : image.stop - first].zero_()
        self.pile[:, moved(image, -first)].addcmul_(values, weights)
        self.piled = slice(first, max(stop, image.stop))

    def _add_pile(self) -> None:
        """Add the pile to the ring."""
        if self.column is None:
            return
        rows, weights = self.piled.stop - self.piled.start, self.across.weights[self.column]
        values = self.pile[:, :rows, self.across.window[self.column]]
        self._add(self.piled, self.across.image[self.column], values, weights.expand(rows, -1))
        self.column = None

    def _add_whole(self, row: int, column: int, values: torch.Tensor) -> None:
        """Add a window to the ring."""
        weights = self.down.weights[row][:, None] * self.across.weights[column]
        values = values[:, self.down.window[row], self.across.window[column]]
        self._add(self.down.image[row], self.across.image[column], values, weights)

    def _add_partial(self, row: int, column: int, values: torch.Tensor) -> None:
        """Add a window beside a skipped one to the ring."""
        y, x, own = self.grid.partial_weights(row, column)
        top, left = self.grid.rows.starts[row], self.grid.columns.starts[column]
        self._add(y, x, values[:, moved(y, -top), moved(x, -left)], self._on_device(own))

    def _add(self, y: slice, x: slice, values: torch.Tensor, weights: torch.Tensor) -> None:
        """Add values (K, rows, columns), times weights (rows, columns), to the ring."""
        for ring, part in self._pieces(y):
            self.ring[:, ring, x].addcmul_(values[:, part], weights[part])

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
