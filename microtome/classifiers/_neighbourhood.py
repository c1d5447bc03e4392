# SPDX-License-Identifier: MIT
"""What lies around a pixel, as classifiers of spectra take it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def mean_spectra(pixels: NDArray, side: int) -> NDArray[np.float32]:
    """The mean of each band over the square of `side` pixels around each pixel: (C, H, W).

    The image is mirrored at its border.

    Example:
        >>> mean_spectra(np.array([[[0.0, 3.0, 6.0]]]), 3).ravel().tolist()
        [1.0, 3.0, 5.0]
    """
    return _mean(pixels.astype(np.float64), side).astype(np.float32)


def spectra_and_spread(pixels: NDArray, side: int) -> NDArray[np.float32]:
    """The spectrum of each pixel, then mean and population sd of each band around it: (3 C, H, W).

    Mean and spread do not change as a section is turned or mirrored, and cost the same for every side, which
    the spectra of all pixels of the square would not. With a side of 1, the spectrum alone: (C, H, W).

    Example:
        >>> spectra_and_spread(np.array([[[0.0, 3.0, 6.0]]]), 3)[2].round().ravel().tolist()
        [1.0, 2.0, 1.0]
    """
    if side == 1:
        return pixels.astype(np.float32)
    exact = pixels.astype(np.float64)
    mean = _mean(exact, side)
    variance = (_mean(exact**2, side) - mean**2).clip(0)
    return np.concatenate([exact, mean, np.sqrt(variance)]).astype(np.float32)


def _mean(pixels: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    return ndimage.uniform_filter(pixels, (0, side, side), mode="reflect")
