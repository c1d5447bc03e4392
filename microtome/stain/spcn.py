# SPDX-License-Identifier: MIT
"""Structure-preserving colour normalization (SPCN, Vahadane et al. 2016, doi:10.1109/TMI.2016.2529665).

Optical density is a sparse non-negative mixture of two stain vectors. They are learnt on the tissue of each
image; an image takes on the vectors and the concentration scales of a target and keeps its own
concentrations, so structure stays. Learning and codes are exact (see `lasso`), deterministic and
independent of machine load.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from microtome.config.stain import NULLABLE, SpcnSettings
from microtome.config.stain import PRESETS as CHANGES
from microtome.stain.colours import Colours, Rgb, StainError, check_rgb, distinct
from microtome.stain.lasso import Learnt, learn
from microtome.stain.matrix import (
    REFERENCE,
    borrowed,
    optical_density,
    profile_of,
    tissue_regions,
    unusable,
)
from microtome.stain.profile import StainProfile, checked_settings

PRESETS: Mapping[str, SpcnSettings] = MappingProxyType(
    {name: SpcnSettings(**changes) for name, changes in CHANGES.items()}
)


def fit(rgb: Rgb, *, preset: str = "recommended", **changes: Any) -> StainProfile:
    """Learn the stain vectors of an image by SPCN.

    Args:
        rgb: Image (H, W, 3) uint8; not changed.
        preset: Parameters to start from: ``recommended``, ``authors`` or ``staintools``.
        **changes: Parameters other than the preset's, see `microtome.config.stain.SpcnSettings`.

    Returns:
        Stain vectors, scales and what was noticed. Equal images give equal profiles, whatever the order of
        their pixels.

    Raises:
        StainError: If the image is not RGB uint8, a parameter is unknown or out of range, or the image cannot
            tell its stains (no tissue, no colour, one stain).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> amounts = rng.gamma(1, 0.6, (64, 64, 2)) * rng.integers(0, 2, (64, 64, 2))
        >>> rgb = np.rint(255 * np.exp(-amounts @ np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])))
        >>> fit(rgb.astype(np.uint8)).stain_matrix.round(1).tolist()
        [[0.6, 0.7, 0.3], [0.1, 1.0, 0.1]]
    """
    check_rgb(rgb)
    return fit_colours(distinct(rgb), spcn_settings(preset, changes), preset=preset)


def spcn_settings(preset: str, changes: Mapping[str, Any]) -> SpcnSettings:
    """Settings of a preset with changes.

    Raises:
        StainError: If the preset or a parameter is unknown, or a value out of range.
    """
    if preset not in PRESETS:
        msg = f"preset: found {preset!r}, expected one of {', '.join(PRESETS)}"
        raise StainError(msg)
    given = {name: value for name, value in changes.items() if value is not None or name in NULLABLE}
    return checked_settings(SpcnSettings, CHANGES[preset] | given)


def fit_colours(
    colours: Colours, settings: SpcnSettings, *, preset: str, fallback: StainProfile | None = None
) -> StainProfile:
    """`fit` on the distinct colours of an image; what it cannot tell is taken from the fallback."""
    found = tissue_regions(colours, settings)
    about = {"method": "spcn", "preset": preset, "fallback": fallback}
    if reason := unusable(colours, found):
        return borrowed(colours, found, settings, reason, **about)
    sample, weights = _sample(colours, found.tissue, settings)
    start = np.array(REFERENCE)
    learnt = learn(
        optical_density(sample, settings.density),
        weights,
        start / np.linalg.norm(start, axis=1, keepdims=True),
        lam=settings.train_lambda,
        max_iterations=settings.max_iterations,
        tolerance=settings.tolerance,
    )
    return profile_of(colours, found, _scaled_rows(learnt, settings), settings, **about)


def _scaled_rows(learnt: Learnt, settings: SpcnSettings) -> Learnt:
    if not settings.unit_rows:
        return learnt
    return replace(learnt, matrix=learnt.matrix / np.linalg.norm(learnt.matrix, axis=1, keepdims=True))


def _sample(
    colours: Colours, tissue: npt.NDArray[np.bool_], settings: SpcnSettings
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float64]]:
    """Tissue colours and pixels of each, whole or every k-th pixel of the pixels sorted by colour."""
    keys, counts = colours.keys[tissue], colours.counts[tissue]
    size = settings.subsample
    if size is None or keys.size <= size:
        return keys, counts.astype(np.float64)
    offset = np.random.default_rng(settings.seed).random()
    taken = np.diff(np.floor(np.cumsum(counts) * (size / counts.sum()) + offset), prepend=np.floor(offset))
    return keys[taken > 0], taken[taken > 0]
