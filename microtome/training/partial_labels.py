# SPDX-License-Identifier: MIT
"""Labels of which training sees a share: whole squares drawn at random, the rest left out or filled.

So is asked what labels are worth: a pathologist who has less time draws fewer regions, not thinner ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from microtome.class_maps import IGNORE
from microtome.config.training import Learn
from microtome.io.raster import EVERY, Raster
from microtome.training.labelled import Labelled


@dataclass(frozen=True, eq=False)
class PartialLabels:
    """A label map whose squares are learnt or not; a `Raster`.

    Attributes:
        source: The whole label map, class indices or `IGNORE`.
        learnt: (rows, columns) bool, of each square.
        block: Side of a square, pixels.
        fill: Class index of what is not learnt; None: `IGNORE`.
    """

    source: Raster
    learnt: NDArray[np.bool_]
    block: int
    fill: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype:
        """Pixel type of the windows."""
        return self.source.dtype

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray:
        """The window (C, height, width) at (y, x)."""
        labels = self.source.read(y, x, height, width, channels)
        rows, columns = (
            np.arange(start, start + count) // self.block for start, count in ((y, height), (x, width))
        )
        labels = np.where(self.learnt[np.ix_(rows, columns)], labels, np.uint8(IGNORE))
        return labels if self.fill is None else np.where(labels == IGNORE, np.uint8(self.fill), labels)


def learn_part(images: Mapping[str, Labelled], options: Learn, classes: Sequence[str]) -> dict[str, Labelled]:
    """The images with those of their labels that training sees.

    Args:
        images: Sample name to image and labels.
        options: Which labels; the draw depends on `seed` and the name of the sample alone.
        classes: Names of the classes, in order; `options.fill` is one of them.

    Returns:
        The same images if all is learnt.
    """
    if options.is_all:
        return dict(images)
    fill = None if options.fill is None else classes.index(options.fill)
    parts = {name: drawn(one.label, options, name) for name, one in images.items()}
    return {
        name: Labelled(one.image, PartialLabels(one.label, parts[name], options.block, fill))
        for name, one in images.items()
    }


def drawn(label: Raster, options: Learn, sample: str) -> NDArray[np.bool_]:
    """Draw the squares of a label map that are learnt.

    Squares come in a random order until the share that is learnt is nearest to the one that is asked for;
    one with a label is always among them.

    Returns:
        (ceil(H / block), ceil(W / block)) bool.

    Example:
        >>> from microtome.io.raster import ArraySource
        >>> labels = ArraySource(np.zeros((4, 8), np.uint8))
        >>> int(drawn(labels, Learn(share=0.5, block=2), "a").sum())
        4
    """
    counts = labelled_pixels(label, options.block)
    if options.share == 1:
        return np.ones(counts.shape, bool)
    order = np.random.default_rng([options.seed, crc32(sample.encode())]).permutation(counts.size)
    order = order[counts.flat[order] > 0]
    _, height, width = label.shape
    wanted = options.share * (counts.sum() if options.of == "labelled" else height * width)
    chosen = np.zeros(counts.shape, bool)
    if order.size:
        number = np.abs(np.cumsum(counts.flat[order]) - wanted).argmin() + 1
        chosen.flat[order[:number]] = True
    return chosen


def labelled_pixels(label: Raster, block: int) -> NDArray[np.int64]:
    """How many pixels of each square have a label in the first map, read by rows of squares.

    Example:
        >>> from microtome.io.raster import ArraySource
        >>> labelled_pixels(ArraySource(np.array([[0, IGNORE, 1]], np.uint8)), 2).tolist()
        [[1, 1]]
    """
    _, height, width = label.shape
    rows = []
    for y in range(0, height, block):
        strip = label.read(y, 0, min(block, height - y), width, slice(0, 1))[0]
        rows.append(np.add.reduceat((strip != IGNORE).sum(0), range(0, width, block)))
    return np.array(rows, np.int64)


def shares_learnt(images: Mapping[str, Labelled]) -> dict[str, int]:
    """How many pixels of images have a label, how many of these are learnt, and how many there are.

    Args:
        images: What `learn_part` returned.

    Returns:
        `pixels`, `labelled` and `learnt`, of all images together.
    """
    found = dict.fromkeys(("pixels", "labelled", "learnt"), 0)
    for one in images.values():
        counts = labelled_pixels(one.label.source, one.label.block)
        found["pixels"] += one.label.shape[1] * one.label.shape[2]
        found["labelled"] += int(counts.sum())
        found["learnt"] += int(counts[one.label.learnt].sum())
    return found
