# SPDX-License-Identifier: MIT
"""Erosion of many objects at once, each on its own. Used through :mod:`microtome.instances`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Element = Literal["octagon", "disk"]
ELEMENTS = ("octagon", "disk")
SMALLEST_OCTAGON = 3
"""MATLAB's strel('disk', r) is a true disk below this radius."""
UNBOUNDED = np.iinfo(np.int32).max


def half_widths(radius: int, element: Element) -> list[int]:
    """The structuring element as the half width of each row, from the top.

    Args:
        radius: Pixels, 0 or more.
        element: `octagon`: MATLAB's `strel('disk', radius)`, decomposed into short lines (R. Jones and
            P. Soille, 1996, doi:10.1016/0167-8655(96)00066-8), hence 2 radius - 1 wide from radius 3 on;
            `disk`: all pixels within the radius.

    Raises:
        ValueError: The element is unknown or the radius negative.

    Example:
        >>> [2 * half + 1 for half in half_widths(4, "octagon")]
        [3, 5, 7, 7, 7, 5, 3]
        >>> [2 * half + 1 for half in half_widths(1, "disk")]
        [1, 3, 1]
    """
    if element not in ELEMENTS or radius < 0:
        msg = f"found element={element!r}, radius={radius}; expected {' or '.join(ELEMENTS)}, radius >= 0"
        raise ValueError(msg)
    if element == "disk" or radius < SMALLEST_OCTAGON:
        return [math.isqrt(radius**2 - y**2) for y in range(-radius, radius + 1)]
    straight, diagonal = _octagon(radius)
    extent = straight + 2 * diagonal
    return [min(extent, extent + straight - abs(y)) for y in range(-extent, extent + 1)]


def _octagon(radius: int) -> tuple[int, int]:
    """Half length of the straight lines and number of diagonal steps that make MATLAB's octagon."""
    angle = math.pi / 8
    length = 2 * radius / (1 / math.tan(angle) + 1 / math.sin(angle))
    straight, diagonal = math.floor(length), math.floor(length / math.sqrt(2))
    missing = radius - straight - 2 * diagonal
    return straight + max(missing - 1, 0), diagonal


def reach(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """How far the label of each pixel goes on in its row, to the nearer side; no end at the image's edge.

    Args:
        labels: (H, W) integers.

    Returns:
        (H, W) int32 pixels.

    Example:
        >>> reach(np.array([[1, 1, 1, 2, 2, 3]])).tolist()
        [[2, 1, 0, 0, 0, 0]]
    """
    change = labels[:, 1:] != labels[:, :-1]
    return np.minimum(_since(change), _since(change[:, ::-1])[:, ::-1])


def _since(change: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Pixels since the last change on the left."""
    height, width = change.shape[0], change.shape[1] + 1
    columns = np.arange(width, dtype=np.int32)
    start = np.full((height, width), -1, np.int32)
    start[:, 1:][change] = np.broadcast_to(columns[1:], change.shape)[change]
    start = np.maximum.accumulate(start, axis=1)
    return np.where(start < 0, UNBOUNDED, columns - start)


def survivors(
    labels: NDArray[np.integer], row_reach: NDArray[np.int32], rows: list[int]
) -> NDArray[np.bool_]:
    """Pixels under whose element all pixels carry the same label; those outside the image count as equal.

    Args:
        labels: (H, W) integers.
        row_reach: `reach(labels)`.
        rows: Half width of each row of the element (`half_widths`).

    Returns:
        (H, W) bool.

    Example:
        >>> square = np.pad(np.ones((3, 3), int), 1)
        >>> survivors(square, reach(square), half_widths(1, "disk")).astype(int)[1:4, 1:4].tolist()
        [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    """
    height = len(labels)
    kept = np.ones(labels.shape, bool)
    middle = len(rows) // 2
    for offset, half in enumerate(rows, start=-middle):
        here = slice(max(0, -offset), max(0, height - max(0, offset)))
        there = slice(max(0, offset), max(0, height + min(0, offset)))
        kept[here] &= (labels[there] == labels[here]) & (row_reach[there] >= half)
    return kept
