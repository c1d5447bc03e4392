# SPDX-License-Identifier: MIT
"""Stain vectors by Macenko et al. 2009 (doi:10.1109/ISBI.2009.5193250): extreme angles in the main plane."""

from typing import Any

import numpy as np

from microtome.config.stain import MacenkoSettings
from microtome.stain.colours import Colours, Regions, Rgb, check_rgb, distinct
from microtome.stain.lasso import Learnt
from microtome.stain.matrix import (
    Floats,
    borrowed,
    optical_density,
    profile_of,
    tissue_regions,
    unusable,
    weighted_percentile,
)
from microtome.stain.profile import StainProfile, checked_settings


def fit_macenko(rgb: Rgb, **changes: Any) -> StainProfile:
    """Stain vectors by Macenko's method; concentrations are non-negative least squares.

    Args:
        rgb: Image (H, W, 3) uint8; not changed.
        **changes: Parameters other than the default, see `microtome.config.stain.MacenkoSettings`.

    Returns:
        Stain vectors, scales and what was noticed.

    Raises:
        StainError: As `fit`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> amounts = rng.gamma(1, 0.6, (64, 64, 2)) * rng.integers(0, 2, (64, 64, 2))
        >>> rgb = np.rint(255 * np.exp(-amounts @ np.array([[0.65, 0.70, 0.29], [0.2, 0.95, 0.24]])))
        >>> fit_macenko(rgb.astype(np.uint8)).stain_matrix.round(1).tolist()
        [[0.7, 0.7, 0.3], [0.2, 1.0, 0.2]]
    """
    check_rgb(rgb)
    return fit_colours(distinct(rgb), checked_settings(MacenkoSettings, changes))


def fit_colours(
    colours: Colours, settings: MacenkoSettings, *, fallback: StainProfile | None = None
) -> StainProfile:
    """`fit_macenko` on the distinct colours of an image; what it cannot tell is taken from the fallback."""
    about = {"method": "macenko", "preset": "default", "fallback": fallback}
    density = optical_density(colours.keys, settings.density)
    found = tissue_regions(colours, settings)
    found = Regions(found.tissue & (density.mean(axis=0) >= settings.beta), found.black, found.ink)
    if reason := unusable(colours, found):
        return borrowed(colours, found, settings, reason, **about)
    matrix = _extremes(density[:, found.tissue], colours.counts[found.tissue], settings.alpha)
    return profile_of(colours, found, Learnt(matrix, 0, converged=True), settings, **about)


def _extremes(density: Floats, counts: Floats, alpha: float) -> Floats:
    """Unit vectors (2, 3) at the extreme angles in the plane of the two main directions of the covariance."""
    _, directions = np.linalg.eigh(np.cov(density, fweights=counts))
    plane = directions[:, :0:-1].T
    plane = plane * np.where(plane.sum(axis=1, keepdims=True) < 0, -1, 1)
    angles = np.arctan2(*(plane @ density)[::-1])
    limits = np.array([weighted_percentile(angles, counts, q) for q in (alpha, 100 - alpha)])
    vectors = np.maximum(np.stack([np.cos(limits), np.sin(limits)], axis=1) @ plane, 0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
