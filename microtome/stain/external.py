# SPDX-License-Identifier: MIT
"""The StainTools package itself (Vahadane method, SPAMS), where it is installed.

It learns for one second of wall time, so its results depend on the machine and its load; it is here for
comparison. The preset ``staintools`` of `fit` has its parameters and an exact solver.
"""

import importlib
import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from microtome.stain.colours import LEVELS, Rgb, StainError, check_rgb, distinct
from microtome.stain.matrix import (
    borrowed,
    encode,
    gains,
    kept_in,
    one_stain,
    scales,
    tissue_regions,
    unusable,
)
from microtome.stain.profile import StainProfile
from microtome.stain.spcn import PRESETS

PACKAGE, SOLVER = "staintools", "spams"
SETTINGS = PRESETS["staintools"]
INSTALL = (
    "run with --sdm conda, or pip install -r requirements-stain.txt, "
    "or choose method spcn with preset staintools"
)


def fit_staintools(rgb: Rgb) -> StainProfile:
    """Stain vectors and scales of an image (H, W, 3) uint8 by StainTools, with its own parameters.

    Raises:
        StainError: If StainTools is not installed or finds no tissue, or the image is not RGB uint8.
    """
    return _fitted(rgb)[0]


def normalize_staintools(rgb: Rgb, target: StainProfile) -> tuple[Rgb, StainProfile]:
    """Normalize an image as `staintools.StainNormalizer.transform` does; the image and its profile.

    A stain that the image lacks is left as it is (StainTools divides by zero there), and an image that cannot
    tell its stains gets those of the target, with factors of 1.

    Raises:
        StainError: As `fit_staintools`.
    """
    source, amounts = _fitted(rgb, target)
    factors = gains(source, target).values
    density = (amounts * factors) @ target.stain_matrix
    return ((LEVELS - 1) * np.exp(-density)).astype(np.uint8).reshape(rgb.shape), source


def _module(name: str) -> Any:
    if not all(importlib.util.find_spec(package) for package in (PACKAGE, SOLVER)):
        msg = f"method staintools: found no package {PACKAGE} or no {SOLVER}, expected both; {INSTALL}"
        raise StainError(msg)
    return importlib.import_module(f"{PACKAGE}.{name}")


def _fitted(rgb: Rgb, fallback: StainProfile | None = None) -> tuple[StainProfile, npt.NDArray]:
    """The profile, and the concentrations of all pixels (H·W, 2); StainTools writes into what it gets."""
    check_rgb(rgb)
    colours = distinct(rgb)
    found = tissue_regions(colours, SETTINGS)
    matrix, reason = _vectors(rgb)
    reason = reason or unusable(colours, found) or one_stain(colours, found, matrix)
    if reason and fallback is None:
        msg = f"{reason}; choose another image or region, or give a fallback profile"
        raise StainError(msg)
    matrix = fallback.stain_matrix if reason else matrix
    encoder = _module("miscellaneous.get_concentrations")
    amounts = encoder.get_concentrations(rgb.copy(), matrix, regularizer=SETTINGS.encode_lambda)
    if reason:
        about = {"method": "staintools", "preset": "staintools", "fallback": fallback}
        return borrowed(colours, found, SETTINGS, reason, **about), amounts
    profile = StainProfile(
        stain_matrix=matrix,
        concentration_p99=np.percentile(amounts, SETTINGS.percentile, axis=0),
        concentration_p99_tissue=np.zeros(2),
        tissue_fraction=colours.fraction(found.tissue),
        settings=SETTINGS,
        method="staintools",
        preset="staintools",
        warnings=kept_in(colours, SETTINGS),
    )
    over_tissue = scales(
        encode(colours, profile), np.where(found.tissue, colours.counts, 0), SETTINGS.percentile
    )
    return replace(profile, concentration_p99_tissue=over_tissue), amounts


def _vectors(rgb: Rgb) -> tuple[npt.NDArray, str | None]:
    """Stain vectors, or why there are none."""
    extractor = _module("stain_extraction.vahadane_stain_extractor").VahadaneStainExtractor
    empty = _module("miscellaneous.exceptions").TissueMaskException
    try:
        matrix = extractor.get_stain_matrix(
            rgb.copy(), luminosity_threshold=SETTINGS.luminosity, regularizer=SETTINGS.train_lambda
        )
    except empty as error:
        return np.zeros((2, 3)), f"no tissue: StainTools says {error}"
    good = np.isfinite(matrix).all()
    return matrix, None if good else f"no stains: StainTools found the vectors {matrix.tolist()}"
