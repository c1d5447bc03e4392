# SPDX-License-Identifier: MIT
"""Colour transfer by mean and spread in CIE Lab (Reinhard et al. 2001, doi:10.1109/38.946629)."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from microtome.config.stain import ReinhardSettings
from microtome.stain.colours import LEVELS, Colours, Rgb, StainError, channels, check_rgb, distinct, regions
from microtome.stain.matrix import MIN_TISSUE_PIXELS
from microtome.stain.profile import ColourProfile, checked_settings

FLAT = 1e-6  # standard deviation that counts as none
BLOCK = 1 << 18  # colours converted at once

Floats = npt.NDArray[np.float64]


def fit_reinhard(rgb: Rgb, **changes: Any) -> ColourProfile:
    """Mean and standard deviation of L*, a*, b* over the tissue of an image.

    Args:
        rgb: Image (H, W, 3) uint8; not changed.
        **changes: Parameters other than the default, see `microtome.config.stain.ReinhardSettings`.

    Returns:
        Mean and standard deviation.

    Raises:
        StainError: If the image is not RGB uint8, a parameter is unknown or out of range, or it has no
            tissue.

    Example:
        >>> rgb = np.full((10, 10, 3), 100, np.uint8)
        >>> fit_reinhard(rgb).lab_mean.round().tolist()[0]
        42.0
    """
    check_rgb(rgb)
    return fit_colours(distinct(rgb), checked_settings(ReinhardSettings, changes).luminosity)


def fit_colours(
    colours: Colours, luminosity: float, *, fallback: ColourProfile | None = None
) -> ColourProfile:
    """`fit_reinhard` on the distinct colours of an image; one without tissue takes the fallback."""
    tissue = regions(colours, brightest=luminosity, exclude_black=True, exclude_ink=True).tissue
    pixels = int(colours.counts[tissue].sum())
    if pixels < MIN_TISSUE_PIXELS:
        return _borrowed(colours, pixels, luminosity, fallback)
    weights = colours.counts[tissue] / pixels
    lab = to_lab(colours.keys[tissue])
    mean = lab @ weights
    spread = np.sqrt((lab - mean[:, None]) ** 2 @ weights)
    flat = tuple(
        f"{name}: no spread, so not scaled" for name, s in zip("Lab", spread, strict=True) if s < FLAT
    )
    return ColourProfile(
        lab_mean=mean,
        lab_sd=spread,
        tissue_fraction=colours.fraction(tissue),
        luminosity=luminosity,
        warnings=flat,
    )


def mapped(colours: Colours, source: ColourProfile, target: ColourProfile) -> Rgb:
    """New colours, (3, n) uint8, with the mean and spread of the target."""
    factors = np.where(source.lab_sd < FLAT, 1, target.lab_sd / np.maximum(source.lab_sd, FLAT))[:, None]
    lab = (to_lab(colours.keys) - source.lab_mean[:, None]) * factors + target.lab_mean[:, None]
    return to_rgb(lab)


def to_lab(keys: npt.NDArray[np.uint32]) -> Floats:
    """CIE Lab (D65) of packed sRGB colours, (3, n)."""
    from skimage.color import rgb2lab

    result = np.empty((3, keys.size))
    for start in range(0, keys.size, BLOCK):
        part = slice(start, start + BLOCK)
        result[:, part] = rgb2lab(np.stack(channels(keys[part]), axis=-1)).T
    return result


def to_rgb(lab: Floats) -> Rgb:
    """SRGB of Lab colours (3, n), rounded; what no screen can show is clipped."""
    from skimage.color import lab2rgb

    result = np.empty(lab.shape, np.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Conversion from CIE-LAB, via XYZ", UserWarning)
        for start in range(0, lab.shape[1], BLOCK):
            part = slice(start, start + BLOCK)
            result[:, part] = np.rint((LEVELS - 1) * np.clip(lab2rgb(lab[:, part].T).T, 0, 1))
    return result


def _borrowed(
    colours: Colours, pixels: int, luminosity: float, fallback: ColourProfile | None
) -> ColourProfile:
    reason = f"no tissue: found {pixels} tissue pixels, expected {MIN_TISSUE_PIXELS} or more"
    if fallback is None:
        msg = f"{reason}; choose another image or region, or give a fallback profile"
        raise StainError(msg)
    return replace(
        fallback,
        tissue_fraction=pixels / colours.pixels,
        luminosity=luminosity,
        fallback=f"{reason}; mean and spread are those of the fallback profile",
        warnings=(),
    )
