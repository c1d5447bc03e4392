# SPDX-License-Identifier: MIT
"""Where the windows lie along one axis, and how much each of them counts at each pixel.

The weight of a window is the product of a row weight and a column weight, and the windows form a grid. So
the sum of the weights over all windows is also a product of two sums along the axes: dividing each axis by
its own sum, in float64, leaves *shares* that add up to one at every pixel. No count map is needed, and no
weight underflows however narrow the Gaussian.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Weights = Literal["constant", "trapezoid", "gaussian"]

WEIGHTS: tuple[Weights, ...] = ("constant", "trapezoid", "gaussian")
GAUSSIAN_FRACTION = 0.125
"""Default standard deviation as a fraction of the window (MONAI's and nnU-Net's)."""
LOWEST_LOG_WEIGHT = -300.0
"""Weights never fall below exp(-300), so that products of two stay well inside float64."""
NEGLIGIBLE_SHARE = 2.0**-30
"""Shares below this change a sum of probabilities by less than float32 resolves; they are left out."""


@dataclass(frozen=True, eq=False)
class Share:
    """What one window contributes along one axis.

    Attributes:
        first: First image position that it contributes to.
        offset: The same position counted from the start of the window.
        values: Normalised weights, float32, of this and the following positions.
    """

    first: int
    offset: int
    values: NDArray[np.float32]

    @property
    def image(self) -> slice:
        """Positions in the image."""
        return slice(self.first, self.first + len(self.values))

    @property
    def window(self) -> slice:
        """Positions in the window."""
        return slice(self.offset, self.offset + len(self.values))


@dataclass(frozen=True, eq=False)
class Axis:
    """All windows along one axis of an image.

    Attributes:
        length: Pixels of the image.
        starts: First pixel of each window, ascending; may lie outside the image.
        weights: Weight of each pixel of a window, float64, positive.
    """

    length: int
    starts: tuple[int, ...]
    weights: NDArray[np.float64]

    @property
    def window(self) -> int:
        """Pixels of a window."""
        return len(self.weights)

    @cached_property
    def total(self) -> NDArray[np.float64]:
        """Sum of the weights of all windows at each image position."""
        total = np.zeros(self.length)
        for index in range(len(self.starts)):
            inside = self.inside(index)
            total[inside] += self.weights_at(index, inside)
        return total

    def enlarged(self, factor: int, length: int) -> "Axis":
        """The same windows on an image of `length` pixels, of which each of this axis has `factor`."""
        starts = tuple(start * factor for start in self.starts)
        return Axis(length, starts, np.repeat(self.weights, factor))

    def inside(self, index: int) -> slice:
        """The image positions that a window covers."""
        start = self.starts[index]
        return slice(max(start, 0), min(start + self.window, self.length))

    def weights_at(self, index: int, positions: slice) -> NDArray[np.float64]:
        """Weights of a window at a range of image positions, 0 where it does not reach."""
        at = np.arange(positions.start, positions.stop) - self.starts[index]
        reached = (at >= 0) & (at < self.window)
        return np.where(reached, self.weights[np.clip(at, 0, self.window - 1)], 0.0)

    def share(self, index: int) -> Share:
        """Normalised weights of a window: over all windows they add up to 1 at each image position."""
        inside = self.inside(index)
        values = self.weights_at(index, inside) / self.total[inside]
        counting = np.flatnonzero(values > NEGLIGIBLE_SHARE)
        kept = slice(counting[0], counting[-1] + 1) if counting.size else slice(0, 0)
        first = inside.start + kept.start
        return Share(first, first - self.starts[index], values[kept].astype(np.float32))

    @cached_property
    def seen(self) -> slice:
        """The positions of a window at which any window has a share; those outside count nowhere.

        Example:
            >>> plan_axis(512, 256, overlap=224, border=128, weights="gaussian", sigma=8.0).seen
            slice(75, 181, None)
        """
        shares = [self.share(index).window for index in range(len(self.starts))]
        used = [share for share in shares if share.stop > share.start]
        return slice(int(min(share.start for share in used)), int(max(share.stop for share in used)))

    def neighbours(self, index: int) -> slice:
        """The windows that share a pixel with a window, itself among them."""
        starts, start = np.asarray(self.starts), self.starts[index]
        low = int(np.searchsorted(starts, start - self.window, side="right"))
        return slice(low, int(np.searchsorted(starts, start + self.window, side="left")))


def plan_axis(
    length: int, window: int, *, overlap: int, border: int, weights: Weights, sigma: float | None
) -> Axis:
    """Lay windows along an axis.

    Args:
        length: Pixels of the image.
        window: Pixels of a window.
        overlap: Pixels that neighbours share, at least.
        border: Pixels of mirrored surroundings to cover on either side.
        weights: Shape of the weights.
        sigma: See `window_weights`.
    """
    starts = window_starts(length, window, stride=window - overlap, border=border)
    return Axis(length, starts, window_weights(weights, window, overlap=overlap, sigma=sigma))


def window_starts(length: int, window: int, *, stride: int, border: int = 0) -> tuple[int, ...]:
    """Spread windows evenly over an axis, from border to border, at most `stride` apart.

    Args:
        length: Pixels of the image, at least 1.
        window: Pixels of a window.
        stride: Largest step between neighbours, 1 to `window`.
        border: Pixels of mirrored surroundings to cover on either side, less than `window`.

    Returns:
        First pixel of each window. A window that is larger than the image is centred on it.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> window_starts(1024, 256, stride=192), window_starts(10, 4, stride=4)
        ((0, 192, 384, 576, 768), (0, 3, 6))
        >>> window_starts(3, 6, stride=6)
        (-1,)
    """
    if length < 1 or not 1 <= stride <= window or not 0 <= border < window:
        found = f"windows of {window} px with a stride of {stride} and a border of {border} px on {length} px"
        msg = f"{found}: expected an image, 1 <= stride <= window and 0 <= border < window"
        raise ValueError(msg)
    spare = length + 2 * border - window
    if spare <= 0:
        return (-((window - length) // 2),)
    steps = math.ceil(spare / stride)
    return tuple((2 * step * spare + steps) // (2 * steps) - border for step in range(steps + 1))


def window_weights(
    kind: Weights, window: int, *, overlap: int = 0, sigma: float | None = None
) -> NDArray[np.float64]:
    """Weights of the pixels of a window along one axis, at most 1 and always positive.

    Args:
        kind: `constant`; `trapezoid`, which rises linearly over the overlap; `gaussian`, centred.
        window: Pixels of the window.
        overlap: Pixels of the trapezoid's ramp (at most half the window is used).
        sigma: Standard deviation of the Gaussian, pixels; None: an eighth of the window.

    Returns:
        (window,) float64, symmetric.

    Raises:
        ValueError: Unknown kind or a sigma that is not positive.

    Example:
        >>> window_weights("trapezoid", 6, overlap=2).tolist()
        [0.25, 0.75, 1.0, 1.0, 0.75, 0.25]
    """
    if kind not in WEIGHTS or (sigma is not None and not 0 < sigma < math.inf):
        expected = f"one of {', '.join(WEIGHTS)} and a positive sigma (px)"
        msg = f"weights={kind!r}, sigma={sigma}: expected {expected}"
        raise ValueError(msg)
    centres = np.arange(window) + 0.5
    if kind == "constant":
        return np.ones(window)
    if kind == "trapezoid":
        ramp = max(min(overlap, window / 2), 1.0)
        return np.minimum(np.minimum(centres, window - centres) / ramp, 1.0)
    sigma = GAUSSIAN_FRACTION * window if sigma is None else sigma
    return np.exp(np.maximum(-((centres - window / 2) ** 2) / (2 * sigma**2), LOWEST_LOG_WEIGHT))
