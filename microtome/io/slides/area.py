# SPDX-License-Identifier: MIT
"""Exact area averages along the axes of a pyramid's level, the same for a place whichever window asks."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEAR = 1e-6
"""Pixels; edges nearer than this to a border of pixels lie on it."""
RGB = 3


@dataclass(frozen=True)
class Axis:
    """Where the pixels of an image lie along one axis of a level.

    Attributes:
        start: Edge of the first image pixel, level pixels.
        step: Level pixels in an image pixel.
        length: Image pixels.
        limit: Level pixels.

    Example:
        >>> axis = Axis(start=0.0, step=1.5, length=4, limit=6)
        >>> places, shares = axis.weights(0, 2)
        >>> axis.span(1, 2), places.tolist(), (3 * shares).round().tolist()
        ((1, 5), [[0, 1, 2], [1, 2, 2]], [[2.0, 1.0, 0.0], [1.0, 2.0, 0.0]])
    """

    start: float
    step: float
    length: int
    limit: int

    @property
    def factor(self) -> int:
        """Level pixels in an image pixel where all edges lie between level pixels; else 0."""
        whole = float(self.step).is_integer() and float(self.start).is_integer()
        return int(self.step) if whole else 0

    def edges(self, first: int, count: int) -> NDArray[np.float64]:
        """The `count` + 1 edges of image pixels from `first` on, level pixels."""
        found = self.start + np.arange(first, first + count + 1) * self.step
        nearest = np.rint(found)
        return np.clip(np.where(np.abs(found - nearest) < NEAR, nearest, found), 0, self.limit)

    def span(self, first: int, count: int) -> tuple[int, int]:
        """The level pixels, from and to, that image pixels cover."""
        edges = self.edges(first, count)
        low = min(math.floor(edges[0]), self.limit - 1)
        return low, max(math.ceil(edges[-1]), low + 1)

    def weights(self, first: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Which level pixels lie under each image pixel, and what part of it each of them covers.

        They depend on the image pixel alone, not on the window.

        Returns:
            Places in the span, and shares of 1; (count, taps) both, taps without a part with share 0.
        """
        low, high = self.span(first, count)
        edges = self.edges(first, count)
        left, right = edges[:-1, None], edges[1:, None]
        taps = math.ceil(self.step) + 1
        places = np.minimum(np.floor(left).astype(np.int64), self.limit - 1) + np.arange(taps)
        covered = np.clip(np.minimum(right, places + 1) - np.maximum(left, places), 0, None)
        covered[:, 0] += covered.sum(1) == 0  # beyond the level: its last pixel
        shares = (covered / covered.sum(1, keepdims=True)).astype(np.float32)
        return np.minimum(places, high - 1) - low, shares


def average(
    block: NDArray[np.uint8], rows: Axis, columns: Axis, window: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Average the level pixels under each image pixel, halves rounded up.

    Args:
        block: Level pixels (h, w, 3) of the spans of both axes.
        rows: Axis of the rows.
        columns: Axis of the columns.
        window: Row, column, height and width of the image pixels.

    Returns:
        Image pixels (3, height, width).
    """
    y, x, height, width = window
    if rows.factor and columns.factor and block.shape[:2] == (height * rows.factor, width * columns.factor):
        return _by_counting(block, rows.factor, columns.factor)
    across = _weighted(block.reshape(len(block), -1), *rows.weights(y, height))
    turned = across.reshape(height, -1, RGB).transpose(1, 2, 0).reshape(block.shape[1], -1)
    means = _weighted(turned, *columns.weights(x, width)).reshape(width, RGB, height)
    return np.ascontiguousarray(np.floor(means + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0))


def _weighted(values: NDArray, places: NDArray[np.int64], shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weighted sums of rows (n, m), tap after tap: (count, m)."""
    result = values[places[:, 0]] * shares[:, :1]
    for tap in range(1, places.shape[1]):
        result += values[places[:, tap]] * shares[:, tap, None]
    return result


def _by_counting(block: NDArray[np.uint8], down: int, across: int) -> NDArray[np.uint8]:
    """Averages of `down` x `across` pixels in whole numbers, (3, h / down, w / across)."""
    height, width = block.shape[0] // down, block.shape[1] // across
    if down == across == 1:
        return np.ascontiguousarray(np.moveaxis(block, -1, 0))
    flat, count = block.reshape(len(block), -1), down * across
    kind = np.uint16 if count <= np.iinfo(np.uint16).max // 256 else np.uint32
    sums = flat[::down].astype(kind)
    for row in range(1, down):
        sums += flat[row::down]
    result = np.empty((RGB, height, width), np.uint8)
    for channel in range(RGB):
        total = sums[:, channel :: across * RGB].copy()
        for column in range(1, across):
            total += sums[:, column * RGB + channel :: across * RGB]
        total += kind(count // 2)
        total //= kind(count)
        result[channel] = total
    return result
