# SPDX-License-Identifier: MIT
"""Reading the image ahead of the network, one row of windows at a time, each pixel once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from microtome.images import WindowSource, read_mirrored
from microtome.inference.grid import Axis

Normalize = Callable[[NDArray], NDArray]


@dataclass(frozen=True)
class Stretch:
    """Image rows to read for a row of windows.

    Attributes:
        row: Index of the row of windows.
        start: First image row that is not in the band yet.
        stop: Row behind the last.
        kept: Rows at the end of the previous band that stay.
    """

    row: int
    start: int
    stop: int
    kept: int


@dataclass(frozen=True, eq=False)
class BandReader:
    """Yields the input of one row of windows after another.

    Rows that two rows of windows share are read, normalised and moved to the device once. A thread reads the
    next rows while the network works on the present ones. Where windows are skipped, only the columns under
    the wanted ones are read; the rest of the band is 0 and never looked at.

    Attributes:
        source: The image.
        rows: Windows along the rows.
        columns: Windows along the columns.
        mask: (rows, columns) bool, the windows wanted.
        margin: Pixels of context around each window.
        normalize: Maps (C, h, w) pixels to the values the network takes, pixel by pixel.
        device: Where the bands go.
    """

    source: WindowSource
    rows: Axis
    columns: Axis
    mask: NDArray[np.bool_]
    margin: int
    normalize: Normalize | None
    device: torch.device

    @property
    def left(self) -> int:
        """Image column of the first column of a band."""
        return self.columns.starts[0] - self.margin

    def stretches(self) -> list[Stretch]:
        """What to read, in order, for the rows that have a wanted window."""
        stretches, end = [], None
        for row in np.flatnonzero(self.mask.any(axis=1)).tolist():
            first = self.rows.starts[row] - self.margin
            last = self.rows.starts[row] + self.rows.window + self.margin
            start = first if end is None else max(first, end)
            stretches.append(Stretch(row, start, last, start - first))
            end = last
        return stretches

    def bands(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield (row of windows, band (C, window + 2 margin, width)), float32 on the device."""
        stretches = self.stretches()
        band = torch.empty(0)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
            ahead = pool.submit(self.read, stretches[0]) if stretches else None
            for position, stretch in enumerate(stretches):
                fresh = ahead.result()
                if position + 1 < len(stretches):
                    ahead = pool.submit(self.read, stretches[position + 1])
                fresh = self._on_device(fresh)
                band = torch.cat([band[:, -stretch.kept :], fresh], dim=1) if stretch.kept else fresh
                yield stretch.row, band

    def read(self, stretch: Stretch) -> NDArray[np.float32]:
        """Read and normalise the rows of a stretch: (C, rows, width) float32."""
        height = stretch.stop - stretch.start
        spans = self._spans(stretch)
        parts = [self._part(stretch.start, start, height, stop - start) for start, stop in spans]
        width = self.columns.starts[-1] + self.columns.window + self.margin - self.left
        if len(parts) == 1 and parts[0].shape[2] == width:
            return parts[0]
        band = np.zeros((parts[0].shape[0], height, width), np.float32)
        for (start, stop), part in zip(spans, parts, strict=True):
            band[:, :, start - self.left : stop - self.left] = part
        return band

    def _part(self, y: int, x: int, height: int, width: int) -> NDArray[np.float32]:
        pixels = read_mirrored(self.source, y, x, height, width)
        values = pixels if self.normalize is None else np.asarray(self.normalize(pixels))
        if values.ndim != 3 or values.shape[1:] != (height, width):
            msg = (
                f"normalize turned pixels of shape {pixels.shape} into {values.shape}; expected (C, {height}, {width}):"
                " it must work pixel by pixel (what needs whole windows belongs into prepare)"
            )
            raise ValueError(msg)
        return np.ascontiguousarray(values, np.float32)

    def _spans(self, stretch: Stretch) -> list[tuple[int, int]]:
        """Column intervals under the wanted windows that use any row of a stretch, merged."""
        rows = np.asarray(self.rows.starts)
        using = (rows - self.margin < stretch.stop) & (np.arange(len(rows)) >= stretch.row)
        spans: list[tuple[int, int]] = []
        for column in np.flatnonzero(self.mask[using].any(axis=0)).tolist():
            start = self.columns.starts[column] - self.margin
            stop = start + self.columns.window + 2 * self.margin
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], stop)
            else:
                spans.append((start, stop))
        return spans

    def _on_device(self, values: NDArray[np.float32]) -> torch.Tensor:
        tensor = torch.from_numpy(values)
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)
