# SPDX-License-Identifier: MIT
"""What the calibration of a cube met, band by band, and what a reader should know of it."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from microtome.cubes.calibration_band import HIGHEST, BandQuality, Limits
from microtome.cubes.references import CalibrationError, Exposures, References
from microtome.io.envi import Cube

MOSTLY = 0.5
"""Share of a band, or of a cube, from which on a fault is an error instead of a count."""
NOTABLE = 0.01
"""Share of a band from which on a warning is given."""
LOWEST_PEAK = 0.01
"""A cube whose largest value is below is no transmittance."""
DARKER = "pixels below 0 (darker than the dark reference)"
"""What noise does, too, where little light comes through: no warning of the job, but told with the others."""
COUNTS = ("invalid", "saturated", "clipped", "darker", "blank_saturated")
EXPOSED = ("raw", "dark", "blank")
"""Recordings whose exposure the report always names."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quality:
    """What the calibration of a cube met.

    Attributes:
        shape: Bands, rows, columns.
        wavelengths: Of each band, nm; None if unknown.
        invalid: Share of pixels by band with too little light in the blank (or not finite), which took the
            median of their valid neighbours.
        saturated: Share of raw pixels by band at the camera's largest value.
        clipped: Share of valid pixels by band outside 0..1.5.
        darker: Share of pixels by band whose raw count is below the dark one.
        blank_saturated: Share of pixels of the blank by band at the camera's largest value.
        spectra: Mean by band of ``raw``, ``dark``, ``blank`` and ``transmittance``; those that do not exist
            are missing.
        exposures: As found in the headers.
        warnings: What a reader should know, one sentence each.
    """

    shape: tuple[int, int, int]
    wavelengths: tuple[float, ...] | None
    invalid: tuple[float, ...]
    saturated: tuple[float, ...]
    clipped: tuple[float, ...]
    darker: tuple[float, ...]
    blank_saturated: tuple[float, ...]
    spectra: dict[str, tuple[float, ...]]
    exposures: Exposures
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain lists and numbers."""
        return {
            "shape": list(self.shape),
            "wavelengths": None if self.wavelengths is None else list(self.wavelengths),
            **{name: list(getattr(self, name)) for name in COUNTS},
            "spectra": {name: list(values) for name, values in self.spectra.items()},
            "exposures": {
                name: value
                for name, value in asdict(self.exposures).items()
                if name in EXPOSED or value is not None
            },
            "warnings": list(self.warnings),
        }


def summarize(
    cube: Cube, bands: Sequence[BandQuality], references: References, limits: Limits, spectra: Sequence[str]
) -> Quality:
    """The quality of a calibration, from what each band met; all warnings stand in the log, too.

    Raises:
        CalibrationError: More than half of all pixels have no light in the blank.
    """
    shares = {name: tuple(getattr(band, name) / band.pixels for band in bands) for name in COUNTS}
    invalid = np.mean(shares["invalid"])
    if invalid > MOSTLY:
        found = f"{invalid:.0%} of all pixels without light in the blank (blank less dark is 0 or no number)"
        raise CalibrationError(cube.path, found, "few", "has the blank been swapped with the dark?")
    quality = Quality(
        shape=cube.shape,
        wavelengths=cube.wavelengths,
        **shares,
        spectra={name: tuple(getattr(band, name) for band in bands) for name in spectra},
        exposures=references.exposures,
        warnings=(*references.warnings, *_warnings(cube, bands, shares, limits)),
    )
    for text in quality.warnings:
        logger.log(logging.INFO if text.startswith(DARKER) else logging.WARNING, "%s: %s", cube.path, text)
    return quality


def _warnings(
    cube: Cube, bands: Sequence[BandQuality], shares: dict[str, tuple[float, ...]], limits: Limits
) -> list[str]:
    texts = {
        "invalid": f"pixels without light in the blank{_ignoring(cube)}, filled from their neighbours",
        "darker": DARKER,
        "blank_saturated": "pixels of the blank saturated, so that ratios are biased high",
    }
    least = {"invalid": NOTABLE, "darker": NOTABLE, "blank_saturated": 0.0}
    found = []
    for name, text in texts.items():
        touched = [band for band, share in enumerate(shares[name]) if share > least[name]]
        if touched:
            found.append(f"{text}: {listed(touched)}, up to {max(shares[name]):.1%}")
    above = [
        band.highest for i, band in enumerate(bands) if band.highest > cube.value_of(i, limits.full_scale)
    ]
    if above:
        text = f"counts up to {max(above):g} exceed full_scale {limits.full_scale:g}: correct `full_scale`"
        found.append(text)
    if cube.bad_bands:
        found.append(f"marked bad in the header (bbl) and left out: {listed(cube.bad_bands)} of the file")
    if limits.full_scale < np.inf:
        found += _doubts(cube, bands, shares)
    if cube.wavelengths is None:
        found.append("the header names no wavelengths: bands are numbered; add 'wavelength = {…}' to it")
    return found


def _doubts(cube: Cube, bands: Sequence[BandQuality], shares: dict[str, tuple[float, ...]]) -> list[str]:
    """What speaks against counts with their own references."""
    found = []
    if cube.scale is not None:
        text = f"the header has a reflectance scale factor ({cube.scale:g}), as calibrated cubes do"
        found.append(f"{text}: if it is one, set `calibrated: true`")
    if np.mean(shares["clipped"]) > MOSTLY:
        found.append(f"most values lie outside 0 to {HIGHEST:g}: is the blank that of this recording?")
    if max(band.transmittance for band in bands) < LOWEST_PEAK:
        text = f"the mean of every band is below {LOWEST_PEAK:g}"
        found.append(f"{text}: have cube and blank been recorded or saved with one depth (8, 12, 16 bits)?")
    return found


def _ignoring(cube: Cube) -> str:
    return "" if cube.ignored is None else f", not finite or of the data ignore value {cube.ignored:g}"


def listed(bands: Sequence[int], most: int = 6) -> str:
    """Bands in words.

    Example:
        >>> listed([3]), listed(range(8))
        ('band 3', 'bands 0, 1, 2, 3, 4, 5 and 2 more')
    """
    more = f" and {len(bands) - most} more" if len(bands) > most else ""
    return f"band{'s' if len(bands) > 1 else ''} {', '.join(map(str, bands[:most]))}{more}"
