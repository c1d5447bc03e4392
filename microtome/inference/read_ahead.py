# SPDX-License-Identifier: MIT
"""Reading the image ahead of the network, one group of rows of windows at a time, each pixel once.

Slides are decoded by several threads (`readers`), each some columns; what is read does not depend on it. To a
GPU pixels go as they are stored, from memory that the system does not move, and become numbers there.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from microtome.inference.grid import Grid
from microtome.inference.scaling import Scaling
from microtome.io.raster import Raster, read_mirrored

Normalize = Callable[[NDArray], NDArray]
CARRIED = tuple(np.dtype(name) for name in ("uint8", "int8", "uint16", "int16", "float16", "float32"))
"""Types of pixels that go to a GPU as they are."""
NOT_ON_METAL = np.dtype("uint16")
"""Of these the type that its back end (`mps`) does not take."""
PART = 512
"""Pixels; columns that a thread reads begin at multiples of it, so that few tiles are decoded by two."""


@dataclass(frozen=True)
class Stretch:
    """Image rows to read for a group of rows of windows.

    Attributes:
        group: Index of the group.
        start: First image row that is not in the band yet.
        stop: Row behind the last.
        kept: Rows at the end of the previous band that stay.
    """

    group: int
    start: int
    stop: int
    kept: int


@dataclass(frozen=True, eq=False)
class BandReader:
    """Yields the input of one group of rows of windows after another.

    Rows that two groups share are read, normalised and moved to the device once. A thread reads the
    next rows while the network works on the present ones. Where windows are skipped, only the columns under
    the wanted ones are read; the rest of the band is 0 and never looked at.

    Attributes:
        source: The image.
        grid: The windows.
        margin: Pixels of context around each window.
        normalize: Maps (C, h, w) pixels to the values the network takes, pixel by pixel; a `Scaling` does so
            on the device, if that is no CPU.
        device: Where the bands go.
        readers: Threads that read.
    """

    source: Raster
    grid: Grid
    margin: int
    normalize: Normalize | None
    device: torch.device
    readers: int = 1

    @property
    def left(self) -> int:
        """Image column of the first column of a band."""
        return self.grid.columns.starts[0] - self.margin

    def stretches(self) -> list[Stretch]:
        """What to read, in order, for the groups that have a wanted window."""
        stretches, end = [], None
        for group, rows in enumerate(self.grid.groups):
            if not self.grid.mask[rows.start : rows.stop].any():
                continue
            top, bottom = self.grid.span(group)
            start = top - self.margin if end is None else max(top - self.margin, end)
            stretches.append(Stretch(group, start, bottom + self.margin, start - top + self.margin))
            end = bottom + self.margin
        return stretches

    def bands(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield (group, band (C, height + 2 margin, width)), float32 on the device."""
        stretches = self.stretches()
        band = torch.empty(0)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool, self._pool() as each:
            ahead = pool.submit(self._fetched, stretches[0], each) if stretches else None
            for position, stretch in enumerate(stretches):
                fresh = ahead.result()
                if position + 1 < len(stretches):
                    ahead = pool.submit(self._fetched, stretches[position + 1], each)
                fresh = self._on_device(fresh)
                band = torch.cat([band[:, -stretch.kept :], fresh], dim=1) if stretch.kept else fresh
                yield stretch.group, band

    def _pool(self) -> AbstractContextManager[Executor | None]:
        """Threads for the parts of a band; none where one thread reads all."""
        if self.readers <= 1:
            return nullcontext()
        return ThreadPoolExecutor(max_workers=self.readers, thread_name_prefix="read")

    @property
    def carries_stored(self) -> bool:
        """Whether pixels go to the device as they are stored."""
        dtype, where = self.source.dtype, self.device.type
        is_taken = dtype in CARRIED and not (where == "mps" and dtype == NOT_ON_METAL)
        return where != "cpu" and is_taken and isinstance(self.normalize, Scaling)

    def read(self, stretch: Stretch, pool: Executor | None = None) -> NDArray:
        """Read the rows of a stretch: (C, rows, width), float32 and normalised, or as stored."""
        height = stretch.stop - stretch.start
        spans = self._spans(stretch)
        if pool is not None:
            spans = [part for span in spans for part in _parts(*span, self.readers)]

        def pixels(span: tuple[int, int]) -> NDArray:
            place = stretch.start, span[0], height, span[1] - span[0]
            return read_mirrored(self.source, *place) if self.carries_stored else self.pixels(*place)

        parts = list((map if pool is None else pool.map)(pixels, spans))
        columns = self.grid.columns
        width = columns.starts[-1] + columns.window + self.margin - self.left
        if len(parts) == 1 and parts[0].shape[2] == width:
            return parts[0]
        band = np.zeros((parts[0].shape[0], height, width), parts[0].dtype)
        for (start, stop), part in zip(spans, parts, strict=True):
            band[:, :, start - self.left : stop - self.left] = part
        return band

    def pixels(self, y: int, x: int, height: int, width: int) -> NDArray[np.float32]:
        """Read and normalise a window: (C, height, width) float32."""
        pixels = read_mirrored(self.source, y, x, height, width)
        values = pixels if self.normalize is None else np.asarray(self.normalize(pixels))
        if values.ndim != 3 or values.shape[1:] != (height, width):
            msg = (
                f"normalize turned pixels of shape {pixels.shape} into {values.shape}; expected "
                f"(C, {height}, {width}): it must work pixel by pixel (prepare may use whole windows)"
            )
            raise ValueError(msg)
        return np.ascontiguousarray(values, np.float32)

    def _spans(self, stretch: Stretch) -> list[tuple[int, int]]:
        """Column intervals under the wanted windows that use any row of a stretch."""
        starts, first = np.asarray(self.grid.rows.starts), self.grid.groups[stretch.group].start
        using = np.flatnonzero(starts - self.margin < stretch.stop)
        return self.grid.column_spans(using[using >= first], self.margin)

    def _fetched(self, stretch: Stretch, pool: Executor | None) -> torch.Tensor:
        """Read a stretch, into memory from which a GPU copies while other things go on."""
        values = torch.from_numpy(np.require(self.read(stretch, pool), requirements=("C", "W")))
        return values.pin_memory() if self.device.type == "cuda" else values

    def _on_device(self, values: torch.Tensor) -> torch.Tensor:
        """The values that the network takes, on the device."""
        moved = values.to(self.device, non_blocking=True)
        return self.normalize.of_tensor(moved) if self.carries_stored else moved


def _parts(start: int, stop: int, count: int) -> list[tuple[int, int]]:
    """Cut an interval of columns into about so many parts of about one size.

    Example:
        >>> _parts(-10, 2000, 2)
        [(-10, 1024), (1024, 2000)]
    """
    step = max(-(-(stop - start) // count // PART) * PART, PART)
    cuts = [cut for cut in range((max(start, 0) // PART + 1) * PART, stop) if cut % step == 0]
    edges = [start, *cuts, stop]
    return list(pairwise(edges))
