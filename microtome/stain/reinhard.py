# SPDX-License-Identifier: MIT
"""Colour transfer by mean and spread in CIE Lab (Reinhard et al. 2001, doi:10.1109/38.946629)."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from microtome.config.stain import ReinhardSettings
from microtome.stain.colours import (
    LEVELS,
    Colours,
    Regions,
    Rgb,
    StainError,
    channels,
    check_rgb,
    distinct,
    regions,
)
from microtome.stain.matrix import MUCH, WIDE_GAIN, Gains, unusable
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
            tissue or no colour.

    Example:
        >>> rgb = np.full((10, 10, 3), (180, 90, 150), np.uint8)
        >>> fit_reinhard(rgb).lab_mean.round().tolist()
        [51.0, 44.0, -16.0]
    """
    check_rgb(rgb)
    return fit_colours(distinct(rgb), checked_settings(ReinhardSettings, changes))


def fit_colours(
    colours: Colours, settings: ReinhardSettings, *, fallback: ColourProfile | None = None
) -> ColourProfile:
    """`fit_reinhard` on the distinct colours of an image; one without tissue or colour takes the fallback."""
    found = regions(colours, brightest=settings.luminosity, exclude_black=True, exclude_ink=True)
    if reason := unusable(colours, found):
        return _borrowed(colours, found, settings, reason, fallback)
    tissue = found.tissue
    weights = colours.counts[tissue] / colours.counts[tissue].sum()
    lab = to_lab(colours.keys[tissue])
    mean = lab @ weights
    spread = np.sqrt((lab - mean[:, None]) ** 2 @ weights)
    return ColourProfile(
        lab_mean=mean,
        lab_sd=spread,
        tissue_fraction=colours.fraction(tissue),
        luminosity=settings.luminosity,
        max_gain=settings.max_gain,
        warnings=_left_out(colours, found),
    )


def gains(source: ColourProfile, target: ColourProfile) -> Gains:
    """Ratio of the spreads of target and source in L*, a*, b* within the limit of the source, (3,)."""
    limit = source.max_gain or np.inf
    ratios = target.lab_sd / np.maximum(source.lab_sd, FLAT)
    values = np.where(source.lab_sd < FLAT, 1, np.clip(ratios, 1 / limit, limit))
    remarks = []
    for name, spread, ratio, value in zip("Lab", source.lab_sd, ratios, values, strict=True):
        if spread < FLAT:
            remarks.append(f"{name}: no spread, so not scaled")
        elif value != ratio:
            remarks.append(f"{name}: factor {ratio:.3g} limited to {value:.3g} (max_gain)")
        elif ratio > WIDE_GAIN:
            remarks.append(f"{name}: factor {ratio:.3g} without a limit (max_gain), on the noise too")
    return Gains(values, tuple(remarks))


def mapped(colours: Colours, source: ColourProfile, target: ColourProfile, factors: Floats) -> Rgb:
    """New colours, (3, n) uint8: deviations from the source's mean times the factors, about the target's."""
    deviations = to_lab(colours.keys) - source.lab_mean[:, None]
    return to_rgb(deviations * factors[:, None] + target.lab_mean[:, None])


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


def _left_out(colours: Colours, found: Regions) -> tuple[str, ...]:
    parts = {"black": colours.fraction(found.black), "green or blue ink": colours.fraction(found.ink)}
    return tuple(
        f"{part:.1%} of the pixels are {name} and left out of mean and spread"
        for name, part in parts.items()
        if part > MUCH
    )


def _borrowed(
    colours: Colours,
    found: Regions,
    settings: ReinhardSettings,
    reason: str,
    fallback: ColourProfile | None,
) -> ColourProfile:
    if fallback is None:
        msg = f"{reason}; choose another image or region, or give a fallback profile"
        raise StainError(msg)
    return replace(
        fallback,
        tissue_fraction=colours.fraction(found.tissue),
        luminosity=settings.luminosity,
        max_gain=settings.max_gain,
        fallback=f"{reason}; mean and spread are those of the fallback profile, so the image stays as it is",
        warnings=(),
    )
