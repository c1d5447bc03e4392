# SPDX-License-Identifier: MIT
"""An image with its labels, by windows and what surrounds them, in memory where there is room."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microtome.class_maps import IGNORE
from microtome.config.training import HELD_IMAGE
from microtome.io.raster import ArraySource, Raster, read_mirrored

Window = tuple[str, int, int, int]
"""Sample, y, x of the upper left corner, and side of a window, pixels."""


@dataclass(frozen=True)
class Labelled:
    """An image and its label map of the same size."""

    image: Raster
    label: Raster

    def window(
        self, y: int, x: int, height: int, width: int, *, mirrors_labels: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a window of both; what lies outside the image is mirrored, or has no label."""
        image = read_mirrored(self.image, y, x, height, width)
        label = read_mirrored(self.label, y, x, height, width)
        if mirrors_labels:
            return image, label
        _, rows, columns = self.label.shape
        inside = _inside(y, height, rows)[:, None] & _inside(x, width, columns)
        return image, np.where(inside, label, IGNORE)


@dataclass(frozen=True)
class Surroundings:
    """What is read around each window.

    Attributes:
        margin: Pixels at each side.
        mirrors_labels: Whether labels are mirrored beyond the image as its pixels are; otherwise there are
            none.
    """

    margin: int = 0
    mirrors_labels: bool = True

    def read(self, labelled: Labelled, window: Window) -> tuple[np.ndarray, np.ndarray, str]:
        """Pixels, labels and sample of a window and its margin."""
        sample, y, x, size = window
        side = size + 2 * self.margin
        corner = y - self.margin, x - self.margin
        return *labelled.window(*corner, side, side, mirrors_labels=self.mirrors_labels), sample


ALONE = Surroundings()
"""The window as it is."""


@dataclass
class Memory:
    """Room for images, so that drawing windows does not decode tiles every time.

    Attributes:
        left: Bytes that may still be taken.
        held: Bytes that are taken.
        by_window: Images that are read by window, as they are too large or came when no room was left.
    """

    left: float = math.inf
    held: int = 0
    by_window: int = 0

    def hold(self, source: Raster) -> Raster:
        """Read a source into memory if there is room for it; otherwise it comes back as it is.

        Example:
            >>> from microtome.io.raster import StackedSource
            >>> memory = Memory(left=20)
            >>> one = StackedSource((ArraySource(np.zeros((4, 4), np.uint8)),))
            >>> [isinstance(memory.hold(one), ArraySource) for _ in range(2)], memory.held, memory.by_window
            ([True, False], 16, 1)
        """
        channels, height, width = source.shape
        size = channels * height * width * np.dtype(source.dtype).itemsize
        if size > min(HELD_IMAGE, self.left):
            self.by_window += 1
            return source
        self.left -= size
        self.held += size
        return ArraySource(source.read(0, 0, height, width))


def _inside(start: int, count: int, length: int) -> NDArray[np.bool_]:
    """Which of so many places from `start` on are among the first `length`."""
    places = np.arange(start, start + count)
    return (places >= 0) & (places < length)
