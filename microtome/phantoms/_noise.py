# SPDX-License-Identifier: MIT
"""Smooth random fields that the phantoms share."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def smooth_noise(shape: tuple[int, ...], wavelength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return Gaussian noise of unit variance, smooth over ``wavelength`` along the last two axes."""
    rows, columns = (spline_weights(length, wavelength) for length in shape[-2:])
    knots = rng.standard_normal((*shape[:-2], rows.shape[1], columns.shape[1]))
    noise = rows @ knots @ columns.T
    return (noise / max(float(noise.std()), np.finfo(np.float32).tiny)).astype(np.float32)


@lru_cache(maxsize=32)
def spline_weights(length: int, wavelength: float) -> NDArray[np.float64]:
    """Return the ``(length, knots)`` weights of uniform cubic B-splines with a knot every ``wavelength``."""
    place = np.arange(length) / wavelength
    knots = np.arange(int(place[-1]) + 4)
    t = np.abs(place[:, None] - knots + 1)
    return np.where(t < 1, 2 / 3 - t**2 + t**3 / 2, (2 - t).clip(0) ** 3 / 6)
