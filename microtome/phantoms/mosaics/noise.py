# SPDX-License-Identifier: MIT
"""Smooth random fields of large mosaics: those of `microtome.phantoms._noise`, by sparse matrices.

A field of fine waves has as many knots as a tenth of its pixels, of which only four along each side matter to
a pixel; full matrices would take time with the third power of a mosaic's side.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from microtome.phantoms._noise import spline_weights


def smooth_noise(shape: tuple[int, int], wavelength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Gaussian noise of unit variance ``(H, W)``, smooth over `wavelength` pixels.

    Example:
        >>> field = smooth_noise((60, 40), 5.0, np.random.default_rng(0))
        >>> field.shape, round(float(field.std()), 4)
        ((60, 40), 1.0)
    """
    rows, columns = (_weights(length, wavelength) for length in shape)
    knots = rng.standard_normal((rows.shape[1], columns.shape[1]), np.float32)
    field = np.ascontiguousarray((columns @ np.ascontiguousarray((rows @ knots).T)).T)
    field /= max(float(field.std()), np.finfo(np.float32).tiny)
    return field


@lru_cache(maxsize=64)
def _weights(length: int, wavelength: float) -> csr_array:
    """Weights of the knots (columns) at each pixel (rows) of a side."""
    return csr_array(spline_weights(length, wavelength).astype(np.float32))
