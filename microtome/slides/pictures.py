# SPDX-License-Identifier: MIT
"""A heat-map as a small picture over its slide, taken from the map while it is made."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OPACITY = 0.6
"""Of the colour of probability 1."""


class Sampled:
    """One channel of a map that comes part by part, at the places of a small picture's pixels.

    Args:
        size: Rows and columns of the map.
        picture: Rows and columns of the picture, which shows as much.
        channel: The channel.

    Attributes:
        values: (rows, columns) of the picture, float32; 0 where nothing came.

    Example:
        >>> small = Sampled((4, 4), (2, 2), 0)
        >>> small.put(2, 0, np.arange(8, dtype=np.float32).reshape(1, 2, 4))
        >>> small.values.tolist()
        [[0.0, 0.0], [5.0, 7.0]]
    """

    def __init__(self, size: tuple[int, int], picture: tuple[int, int], channel: int) -> None:
        self.values = np.zeros(picture, np.float32)
        self._channel = channel
        self._rows, self._columns = (
            ((np.arange(count) + 0.5) * length / count).astype(int)
            for count, length in zip(picture, size, strict=True)
        )

    def put(self, y: int, x: int, part: NDArray[np.float32]) -> None:
        """Take a part (K, rows, columns) whose corner is at row `y`, column `x` of the map."""
        rows, columns = self._rows - y, self._columns - x
        down = np.flatnonzero((rows >= 0) & (rows < part.shape[1]))
        across = np.flatnonzero((columns >= 0) & (columns < part.shape[2]))
        inside = part[self._channel][np.ix_(rows[down], columns[across])]
        self.values[np.ix_(down, across)] = inside


def tinted(
    rgb: NDArray[np.uint8], probability: NDArray[np.float32], color: Sequence[int]
) -> NDArray[np.uint8]:
    """Lay a colour over a picture, the denser the more probable.

    Args:
        rgb: (3, H, W).
        probability: (H, W).
        color: Three values of 0 to 255.

    Returns:
        (H, W, 3).

    Example:
        >>> grey, half = np.full((3, 1, 2), 200, np.uint8), np.array([[0, 1]], np.float32)
        >>> tinted(grey, half, (0, 0, 0))[..., 0].tolist()
        [[200, 80]]
    """
    share = (OPACITY * probability)[..., None]
    mixed = (1 - share) * np.moveaxis(rgb, 0, -1) + share * np.array(color, np.float32)
    return np.rint(mixed).astype(np.uint8)
