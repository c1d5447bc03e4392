# SPDX-License-Identifier: MIT
"""The loop of a prediction: windows in, finished bands of image rows out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from microtome.inference.forward import Forward
from microtome.inference.reading import BandReader
from microtome.inference.stitching import BandStitcher


@dataclass(frozen=True, eq=False)
class BandPrediction:
    """A prediction with all its options resolved.

    Attributes:
        reader: Yields the input.
        forward: Turns windows into probabilities.
        fill: Value of pixels under no window.
        classes: K, if known.
        progress: Called with the number of windows done and in all.
    """

    reader: BandReader
    forward: Forward
    fill: float
    classes: int | None
    progress: Callable[[int, int], None] | None

    def bands(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Predict group by group of rows of windows; yield the image rows that become final.

        The tensors change when the iteration goes on.
        """
        grid, total = self.reader.grid, int(self.reader.grid.mask.sum())
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
        return BandStitcher(self.reader.grid, example=example, fill=self.fill)
