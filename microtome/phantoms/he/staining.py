# SPDX-License-Identifier: MIT
"""Hospitals of the H&E phantom: how each stains, scans and stores.

Light passes through stained tissue by Beer and Lambert, so that optical densities add (Ruifrok and Johnston
2001); lenses blur light, not density; photons are counted; files are compressed.
"""

import io
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

HAEMATOXYLIN, EOSIN = (0.59, 0.72, 0.37), (0.20, 0.83, 0.53)
"""Unit optical densities of the stains in the middle of the hospitals: means over the 30 training images of
MoNuSeg 2018 by the method of Macenko et al. 2009 (doi:10.1109/ISBI.2009.5193250). Spreads likewise."""
TURN, ACROSS = 0.12, (0.03, 0.06)
"""Radians by which stain vectors leave the middle at difficulty 1: both together in the plane that they span,
and each across it."""
STRENGTH = (0.30, 0.32)  # of the logarithm of each stain's strength, likewise
WHITE = (250.0, 240.0, 245.0)
TINT = 0.04  # of the white point
SHADING = 0.05  # of light that the borders of a field lack
BLUR, BLUR_SPREAD = 0.65, 0.25  # pixels
PHOTONS = 2500.0  # that make white, at difficulty 1
JPEG_QUALITY, JPEG_SPREAD = 84, 8
HARDEST = 2.0  # above, hospitals do not differ more
LEAST = 0.02  # of a component of a stain vector


@dataclass(frozen=True)
class Hospital:
    """A hospital's stains, scanner and files."""

    stain_matrix: tuple[tuple[float, ...], tuple[float, ...]]  # unit densities (R, G, B) of H and of E
    strength: tuple[float, float]  # factors on the concentrations of both stains
    white: tuple[float, float, float]  # what is seen without tissue (R, G, B), of 255
    shading: float  # share of light that the corners of a tile lack
    blur: float  # standard deviation of the point spread, pixels
    photons: float  # photons that make white; 0: no noise
    quality: int  # of the JPEG compression; 0: none

    def as_json(self) -> dict[str, Any]:
        """The hospital as plain values."""
        return asdict(self)


def hospitals(count: int, difficulty: float, rng: np.random.Generator) -> tuple[Hospital, ...]:
    """Draw hospitals that differ, in no order.

    They lie on a circle around the middle, so that none is a mixture of the others: what a network learnt
    from some of them does not cover the next one. At difficulty 0 all are alike, with a clean scanner; at 1
    they are as far apart as those of MoNuSeg 2018.
    """
    start, sense = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
    turns = start + sense * 2 * np.pi * np.arange(count) / count
    return tuple(_hospital(float(turn), difficulty) for turn in turns)


def _hospital(turn: float, difficulty: float) -> Hospital:
    apart = min(difficulty, HARDEST)
    first, second = (_unit(np.array(vector)) for vector in (HAEMATOXYLIN, EOSIN))
    across = _unit(np.cross(first, second))
    towards = _unit(second - (second @ first) * first), _unit((first @ second) * second - first)
    lags = (0.0, 1.0)
    matrix = [
        _unit(
            (vector + apart * (TURN * np.cos(turn) * plane + aside * np.sin(turn + lag) * across)).clip(LEAST)
        )
        for vector, plane, aside, lag in zip((first, second), towards, ACROSS, lags, strict=True)
    ]
    strength = [
        float(np.exp(apart * s * np.sin(turn + lag))) for s, lag in zip(STRENGTH, (0.6, 2.2), strict=True)
    ]
    tint = [1 - apart * TINT * (1 + np.cos(turn + lag)) / 2 for lag in (0.0, 2.0, 4.0)]
    noise = difficulty * (1 + 0.4 * np.sin(turn + 5))
    return Hospital(
        stain_matrix=tuple(tuple(row.tolist()) for row in matrix),
        strength=(strength[0], strength[1]),
        white=tuple((np.array(WHITE) * tint).tolist()),
        shading=apart * SHADING * float(1 + np.cos(turn + 3)) / 2,
        blur=BLUR + apart * BLUR_SPREAD * float(np.sin(turn + 4)) if difficulty else 0.0,
        photons=PHOTONS / noise**2 if noise else 0.0,
        quality=round(JPEG_QUALITY + JPEG_SPREAD * float(np.cos(turn + 2))) if difficulty else 0,
    )


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def scan(
    concentrations: NDArray[np.float32], hospital: Hospital, margin: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """What a hospital's scanner stores of tissue that holds haematoxylin and eosin, ``(2, H, W)``.

    Once the image is blurred, `margin` pixels are cut off on each side.

    Returns:
        ``(H - 2 margin, W - 2 margin, 3)`` RGB.

    Example:
        >>> plain = hospitals(1, 0.0, np.random.default_rng(0))[0]
        >>> scan(np.zeros((2, 4, 4), np.float32), plain, 0, np.random.default_rng(0))[0, 0].tolist()
        [250, 240, 245]
    """
    matrix = np.array(hospital.stain_matrix) * np.array(hospital.strength)[:, None]
    light = np.exp(-np.tensordot(concentrations, matrix.astype(np.float32), axes=(0, 0)))
    if hospital.blur:
        light = ndimage.gaussian_filter(light, (hospital.blur, hospital.blur, 0))
    light = light[margin : light.shape[0] - margin, margin : light.shape[1] - margin]
    light = light * _shade(light.shape[:2], hospital.shading)[..., None]
    if hospital.photons:
        light = light + np.sqrt(light / hospital.photons) * rng.standard_normal(light.shape, np.float32)
    seen = np.rint(light * np.array(hospital.white, np.float32)).clip(0, 255).astype(np.uint8)
    return _stored(seen, hospital.quality)


def _shade(shape: tuple[int, ...], shading: float) -> NDArray[np.float32]:
    """Light that falls on each pixel, of that in the middle."""
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) ** 2 for side in shape)
    return 1 - np.float32(shading) * (y[:, None] + x[None, :]) / 2


def _stored(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """The image after JPEG compression."""
    if not quality:
        return image
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream)).copy()
