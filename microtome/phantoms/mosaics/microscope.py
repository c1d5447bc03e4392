# SPDX-License-Identifier: MIT
"""Clinics of the mosaic phantom: how the microscope of each records tissue, and puts fields into a mosaic.

A mosaic is made of fields of 500 µm, each darker towards its border and a little brighter or darker than its
neighbours; coherent light interferes, so that each pixel is multiplied by speckle, the mean of several
exponentially distributed intensities (Goodman 1976, doi:10.1364/JOSA.66.001145).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]
FIELD = 500.0  # side of a field, µm
HARDEST = 2.0  # above, clinics do not differ more
SPECKLE = 0.24  # spread of the intensity of a pixel of 2 µm, at difficulty 1
GRAIN = 2.0  # of speckle, µm
READOUT = 0.012  # of white
SEAM = 0.05  # spread of the logarithm of the brightness of fields
ABROAD = 1.25  # how much more clinics of the US differ than those of Europe
MIDDLE = {"exposure": 0.34, "gamma": 0.9, "shading": 0.28, "blur": 1.1}
SPREAD = {"exposure": 0.18, "gamma": 0.16, "shading": 0.5, "blur": 0.25}
"""Of the logarithm of each between the clinics of Europe, at difficulty 1."""


@dataclass(frozen=True)
class Clinic:
    """A clinic's microscope and its settings."""

    name: str  # as in the sheet
    exposure: float  # grey value of tissue of mean reflectance, of white
    gamma: float  # exponent of the grey values; below 1 dark tissue is brighter
    shading: float  # share of the light that the corners of a field lack
    blur: float  # standard deviation of the point spread, µm

    def as_json(self) -> dict[str, Any]:
        """The clinic as plain values."""
        return asdict(self)


def draw_clinic(name: str, region: str, difficulty: float, rng: np.random.Generator) -> Clinic:
    """Draw a clinic of `europe` or `us`; at difficulty 0 all are alike."""
    apart = min(difficulty, HARDEST) * (ABROAD if region == "us" else 1.0)
    drawn = {key: MIDDLE[key] * float(np.exp(apart * SPREAD[key] * rng.uniform(-1.7, 1.7))) for key in MIDDLE}
    return Clinic(name, **{**drawn, "shading": min(drawn["shading"], 0.8)})


def record(
    light: Field, clinic: Clinic, mpp: float, difficulty: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """What a clinic stores of tissue that reflects light ``(H, W)``, of mean 1.

    Example:
        >>> plain = draw_clinic("a", "us", 0.0, np.random.default_rng(0))
        >>> record(np.ones((8, 8), np.float32), plain, 2.0, 0.0, np.random.default_rng(0)).shape
        (8, 8)
    """
    seen = ndimage.gaussian_filter(light, clinic.blur / mpp)
    seen *= fields(light.shape, clinic.shading, mpp, rng) * speckle(
        light.shape, SPECKLE * difficulty, mpp, rng
    )
    seen = np.float32(clinic.exposure) * np.maximum(seen, 0) ** np.float32(clinic.gamma)
    seen += np.float32(READOUT * min(difficulty, 1)) * rng.standard_normal(seen.shape, np.float32)
    return np.rint(255 * seen).clip(0, 255).astype(np.uint8)


def fields(shape: tuple[int, int], shading: float, mpp: float, rng: np.random.Generator) -> Field:
    """Brightness of each pixel by its place in its field, and by its field."""
    start = rng.uniform(0, FIELD, 2)
    axes = [(np.arange(side) * mpp + first) / FIELD for side, first in zip(shape, start, strict=True)]
    (down, right), (y, x) = (axis.astype(int) for axis in axes), (2 * (axis % 1) - 1 for axis in axes)
    gains = np.exp(SEAM * rng.standard_normal((down[-1] + 1, right[-1] + 1)))
    radius = (y**2)[:, None] + (x**2)[None, :]
    return (gains[down[:, None], right] * (1 - shading * radius / 2 + shading / 3)).astype(np.float32)


def speckle(shape: tuple[int, int], spread: float, mpp: float, rng: np.random.Generator) -> Field:
    """Factors of mean 1 whose spread over pixels of `GRAIN` is given."""
    if spread == 0:
        return np.ones(shape, np.float32)
    fine = max(1, round(GRAIN / mpp))
    size = tuple(-(-side // fine) for side in shape)
    looks = np.float32(spread**-2)
    found = rng.standard_gamma(looks, size, np.float32) / looks
    found = np.repeat(np.repeat(found, fine, 0), fine, 1)[: shape[0], : shape[1]]
    return ndimage.uniform_filter(found, fine) if fine > 1 else found
