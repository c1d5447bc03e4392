# SPDX-License-Identifier: MIT
"""Where the classes of labels lie, counted in small blocks: what crops rich in objects are drawn from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from microtome.class_maps import IGNORE
from microtome.io.raster import Raster

BLOCK = 32
"""Pixels of a side of a block."""
STRIP = 16 * BLOCK
"""Rows of a label that are read at once."""


@dataclass(frozen=True, eq=False)
class BlocksOfClass:
    """The blocks that hold pixels of one class.

    Attributes:
        corners: (n, 3) int64, place of the image, row and column of the upper left corner of each block.
        ends: (n,) int64, pixels of the class in all blocks up to each of them.
    """

    corners: NDArray[np.int64]
    ends: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClassBlocks:
    """The blocks of every class but the first.

    Attributes:
        classes: Of each class that some label holds, in ascending order.

    Example:
        >>> from microtome.io.raster import ArraySource
        >>> label = np.zeros((64, 64), np.uint8)
        >>> label[40, 33:36] = 1
        >>> blocks = ClassBlocks.collect({"a": ArraySource(label)})
        >>> [(one.corners.tolist(), one.ends.tolist()) for one in blocks.classes]
        [([[0, 32, 32]], [3])]
    """

    classes: tuple[BlocksOfClass, ...]

    @classmethod
    def collect(cls, labels: Mapping[str, Raster]) -> Self:
        """Count the pixels of each class in the first map of labels, read by strips.

        Args:
            labels: Sample name to label (T, H, W) of class numbers, `IGNORE` where unlabelled.

        Raises:
            ValueError: No label holds a class but the first.
        """
        found: dict[int, list[NDArray[np.int64]]] = {}
        for place, label in enumerate(labels.values()):
            for row, strip in _strips(label):
                for value, counts in _counted(strip):
                    rows, columns = np.nonzero(counts)
                    corners = np.stack([np.full_like(rows, place), row + rows * BLOCK, columns * BLOCK], 1)
                    found.setdefault(value, []).append(np.c_[corners, counts[rows, columns]])
        if not found:
            wanted = "a pixel of another class than the first, around which crops are drawn"
            msg = f"the labels of {', '.join(labels)} hold none; expected {wanted}; set sampler.rich to 0"
            raise ValueError(msg)
        joined = (np.concatenate(found[value]).astype(np.int64) for value in sorted(found))
        return cls(tuple(BlocksOfClass(one[:, :3], np.cumsum(one[:, 3])) for one in joined))

    def draw(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Draw places near pixels of a class.

        The class of each is drawn first, all alike, then one of its pixels, and at last a place of the block
        that this pixel lies in.

        Args:
            count: Places.
            generator: Fixes the draw.

        Returns:
            (count, 3) int64, place of the image, row and column; a row or column may lie up to `BLOCK` - 1
            pixels beyond the image.
        """
        chosen = generator.integers(0, len(self.classes), count)
        places = np.empty((count, 3), np.int64)
        for number, blocks in enumerate(self.classes):
            here = np.flatnonzero(chosen == number)
            pixels = generator.integers(0, blocks.ends[-1], here.size)
            places[here] = blocks.corners[np.searchsorted(blocks.ends, pixels, side="right")]
        places[:, 1:] += generator.integers(0, BLOCK, (count, 2))
        return places


def _strips(label: Raster) -> Iterator[tuple[int, NDArray[np.integer]]]:
    """The first row and the classes (rows, W) of each strip of a label."""
    _, height, width = label.shape
    for row in range(0, height, STRIP):
        yield row, label.read(row, 0, min(STRIP, height - row), width, slice(0, 1))[0]


def _counted(strip: NDArray[np.integer]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each class of a strip but the first, and how many of its pixels each block holds."""
    rows, columns = (np.arange(0, length, BLOCK) for length in strip.shape)
    for value in np.unique(strip).tolist():
        if value not in (0, IGNORE):
            along = np.add.reduceat(strip == value, rows, axis=0, dtype=np.int64)
            yield value, np.add.reduceat(along, columns, axis=1)
