# SPDX-License-Identifier: MIT
"""Sparse matrices that blur or resample a flattened square window; see `windows`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

UNIFORM_SHARE = 0.5
"""Part of the window's half side that non-uniform sampling leaves at full resolution."""

RIM = 0.5
"""Half the width in pixels of a disk's rim, over which the weight falls from 1 to 0."""


def disk_matrix(size: int, *, strength: float, start: float) -> csr_array:
    """Disk blur whose radius grows with the distance from the centre of the window.

    Args:
        size: odd side of the window in pixels.
        strength: growth of the radius per pixel of distance.
        start: distance in pixels up to which nothing is blurred.

    Returns:
        Sparse (size², size²) float64 matrix; each row sums to 1.
    """
    half = size // 2
    y, x = np.mgrid[:size, :size].reshape(2, -1)
    radius = np.maximum(strength * np.maximum(0.0, np.hypot(y - half, x - half) - start), RIM)
    reach = int(np.ceil(radius.max() + RIM))
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1, 1)
    weight = np.clip(radius + RIM - np.hypot(dy, dx), 0.0, 1.0)
    mirrored = np.pad(np.arange(size), reach, mode="reflect")
    source = mirrored[y + dy + reach] * size + mirrored[x + dx + reach]
    row = np.broadcast_to(np.arange(size**2), weight.shape)
    return _sparse(row.ravel(), source.ravel(), weight.ravel(), (size**2, size**2))


def sampling_matrix(raw: int, size: int) -> csr_array:
    """Radial resampling: full resolution in the centre half, then ever coarser, corner to corner, bilinear.

    Args:
        raw: odd side of the raw window in pixels.
        size: odd side of the result, at most `raw`.

    Returns:
        Sparse (size², raw²) float64 matrix; each row sums to 1.
    """
    half = size // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, -1)
    stretch = _stretch(np.hypot(y, x), half, raw // 2)
    y, x = (np.clip(axis * stretch + raw // 2, 0, raw - 1) for axis in (y, x))
    top, left = (np.minimum(np.floor(axis), max(raw - 2, 0)).astype(np.int64) for axis in (y, x))
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    column = [(top + dy) * raw + left + dx for dy, dx in corners]
    weight = [np.abs(1 - dy - (y - top)) * np.abs(1 - dx - (x - left)) for dy, dx in corners]
    row = np.tile(np.arange(size**2), len(corners))
    return _sparse(row, np.concatenate(column), np.concatenate(weight), (size**2, raw**2))


def _stretch(distance: np.ndarray, half: int, raw_half: int) -> np.ndarray:
    """x(t) / t for x(t) = t + a·max(0, t - u)³, u half of `half`, where a takes corner to corner."""
    if half == 0:
        return np.ones_like(distance)
    uniform, corner, raw_corner = UNIFORM_SHARE * half, np.hypot(half, half), np.hypot(raw_half, raw_half)
    factor = (raw_corner - corner) / (corner - uniform) ** 3
    return 1.0 + factor * np.maximum(0.0, distance - uniform) ** 3 / np.maximum(distance, 1.0)


def _sparse(row: np.ndarray, column: np.ndarray, weight: np.ndarray, shape: tuple[int, int]) -> csr_array:
    """Sparse matrix without zeros, rows normalised to the sum 1; repeated entries add up."""
    from scipy.sparse import csr_array  # slow to import, and most networks see whole patches

    used = weight > 0
    row, column, weight = row[used], column[used], weight[used]
    weight = weight / np.bincount(row, weight, minlength=shape[0])[row]
    return csr_array((weight, (row, column)), shape=shape)
