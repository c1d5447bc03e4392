# SPDX-License-Identifier: MIT
"""An image with its labels, by windows and what surrounds them, in memory where there is room."""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from microtome.config.training import HELD_IMAGE
from microtome.io.raster import ArraySource, Raster, StackedSource

Window = tuple[str, int, int, int]
"""Sample, y, x of the upper left corner, and side of a window, pixels."""
PROBE = 4096
"""Values that are looked at first."""


@dataclass(frozen=True)
class Labelled:
    """An image and its label map of the same size."""

    image: Raster
    label: Raster

    def held(self, memory: "Memory", *, pixels: bool = True) -> Self:
        """With what there is room for in memory: its labels, then, if they are asked for, its pixels."""
        maps = self.label.sources if isinstance(self.label, StackedSource) else (self.label,)
        held = tuple(memory.hold(one) for one in maps)
        label = StackedSource(held) if len(held) > 1 else held[0]
        return replace(self, image=memory.hold(self.image) if pixels else self.image, label=label)


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
        array = narrowest(source.read(0, 0, height, width))
        self.left -= array.nbytes
        self.held += array.nbytes
        return ArraySource(array)


def narrowest(array: NDArray) -> NDArray:
    """An array in C order, and with half the bytes where float16 says the same (whole numbers up to 2048).

    Example:
        >>> narrowest(np.array([1.0, np.nan], np.float32)).dtype, narrowest(np.array([0.1], np.float32)).dtype
        (dtype('float16'), dtype('float32'))
    """
    array = np.ascontiguousarray(array)
    if array.dtype != np.float32 or not _is_half(array.ravel()[:PROBE]) or not _is_half(array):
        return array
    return array.astype(np.float16)


def _is_half(array: NDArray[np.float32]) -> bool:
    with np.errstate(over="ignore"):
        return np.array_equal(array, array.astype(np.float16), equal_nan=True)
