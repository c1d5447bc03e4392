# SPDX-License-Identifier: MIT
"""H&E-like images with known stain vectors."""

import numpy as np
from scipy.ndimage import gaussian_filter

VECTORS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
VECTORS = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
BLUER = np.array([[0.75, 0.60, 0.28], [0.20, 0.90, 0.38]])
BLUER = BLUER / np.linalg.norm(BLUER, axis=1, keepdims=True)


def amounts(side=160, seed=0):
    """Concentrations (2, side, side): dense spots of H, smooth E around and a trace in them, some white."""
    rng = np.random.default_rng(seed)
    spots = gaussian_filter(rng.normal(size=(side, side)), 3) > 0.08
    bright = gaussian_filter(rng.normal(size=(side, side)), 8) < -0.02
    haematoxylin = np.where(spots, rng.gamma(9, 0.12, (side, side)), 0.02 * rng.random((side, side)))
    eosin = gaussian_filter(rng.gamma(4, 0.2, (side, side)), 1) * np.where(spots, 0.05, 1)
    return np.stack([haematoxylin, eosin]) * ~(bright & ~spots)


def image(vectors=VECTORS, *, haematoxylin=1.0, eosin=1.0, noise=1.0, side=160, seed=0):
    """RGB (side, side, 3) uint8 by Beer–Lambert with Gaussian noise of so many grey levels."""
    scale = np.array([haematoxylin, eosin])[:, None, None]
    density = np.moveaxis(amounts(side, seed) * scale, 0, -1) @ vectors
    noisy = 255 * np.exp(-density) + np.random.default_rng(seed + 1).normal(0, noise, (side, side, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def angles(found, true=VECTORS):
    """Degrees between rows."""
    unit = [matrix / np.linalg.norm(matrix, axis=1, keepdims=True) for matrix in (found, true)]
    return np.degrees(np.arccos(np.clip((unit[0] * unit[1]).sum(axis=1), -1, 1)))
