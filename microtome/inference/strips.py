# SPDX-License-Identifier: MIT
"""The loop of a prediction: windows in, finished bands of image rows out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from microtome.inference.forward import Forward
from microtome.inference.grid import Grid
from microtome.inference.read_ahead import BandReader
from microtome.inference.stitching import BandStitcher


@dataclass(frozen=True, eq=False)
class BandPrediction:
    """A prediction with all its options resolved.

    Attributes:
        reader: Yields the input.
        grid: Where the windows lie in the output; that of the reader, unless the network reduces them.
        forward: Turns windows into probabilities.
        fill: Value of pixels under no window.
        classes: K, if known.
        progress: Called with the number of windows done and in all.
    """

    reader: BandReader
    grid: Grid
    forward: Forward
    fill: float
    classes: int | None
    progress: Callable[[int, int], None] | None

    def bands(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Predict group by group of rows of windows; yield the image rows that become final.

        The tensors change when the iteration goes on.
        """
        grid, total = self.grid, int(self.grid.mask.sum())
        stitcher, following, done = None, 0, 0
        for group, band in self.reader.bands():
            for members in grid.batches(group):
                maps = self.forward(self._windows(group, band, members))
                if stitcher is None:
                    stitcher = BandStitcher(grid, example=maps, fill=self.fill)
                    yield from stitcher.blank(grid.boundary(group))
                    following = group
                while following < group:
                    yield from stitcher.finish(following)
                    following += 1
                stitcher.add(members, maps)
                del maps  # before the next forward pass, so that its memory is used again
                done += len(members)
                if self.progress is not None:
                    self.progress(done, total)
        stitcher = stitcher or self._nothing()
        for group in range(following, len(grid.groups)):
            yield from stitcher.finish(group)

    def _windows(self, group: int, band: torch.Tensor, members: Sequence[tuple[int, int]]) -> torch.Tensor:
        """Cut windows with their margin out of a band."""
        grid, extra = self.reader.grid, 2 * self.reader.margin
        height, width, top = grid.rows.window + extra, grid.columns.window + extra, grid.span(group)[0]
        corners = [
            (grid.rows.starts[row] - top, grid.columns.starts[column] - grid.columns.starts[0])
            for row, column in members
        ]
        return torch.stack([band[:, y : y + height, x : x + width] for y, x in corners])

    def _nothing(self) -> BandStitcher:
        """A stitcher for an image without any wanted window."""
        if self.classes is None:
            msg = "all windows were skipped, so K is unknown; check what `wanted` returns, or give classes=K"
            raise ValueError(msg)
        example = torch.empty((1, self.classes, 1, 1), device=self.reader.device)
        return BandStitcher(self.grid, example=example, fill=self.fill)


class Collected:
    """A sink that puts the bands together."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.result = size, np.empty((0, 0, 0), np.float32)

    def __call__(self, first: int, band: NDArray[np.float32]) -> None:
        """Put a band (K, rows, W) at its first image row."""
        if first == 0:
            self.result = np.empty((len(band), *self.size), np.float32)
        self.result[:, first : first + band.shape[1]] = band


def delivered(
    bands: Iterator[tuple[int, torch.Tensor]], *, keep: bool
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Bring bands to the host and check them; from CUDA, each while the device computes the next one.

    Args:
        bands: First image row and values, which change when the iteration goes on.
        keep: Whether the arrays must stay valid afterwards.

    Yields:
        First image row and values.

    Raises:
        ValueError: A value is not finite.
    """
    waiting = None
    for first, band in bands:
        if band.device.type != "cuda":
            host = band.cpu()
            yield _checked(first, host.clone() if keep else host)
            continue
        host = torch.empty(band.shape, dtype=band.dtype, pin_memory=True)
        host.copy_(band, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        if waiting is not None:
            yield _arrived(*waiting)
        waiting = (first, host, event)
    if waiting is not None:
        yield _arrived(*waiting)


def _arrived(first: int, band: torch.Tensor, event: torch.cuda.Event) -> tuple[int, NDArray[np.float32]]:
    event.synchronize()
    return _checked(first, band)


def _checked(first: int, band: torch.Tensor) -> tuple[int, NDArray[np.float32]]:
    if not torch.isfinite(band.sum()):
        found = f"NaN or infinite somewhere in image rows {first} to {first + band.shape[1] - 1}"
        msg = f"the prediction is {found}; check the weights and the input's normalisation, or use fp32"
        raise ValueError(msg)
    return first, band.numpy()
