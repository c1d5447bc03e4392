# SPDX-License-Identifier: MIT
"""Cubes of transmittance as RGB pictures.

Where the bands cover the visible range, the picture is what the CIE 1931 standard observer sees of the slide
in daylight (D65), in sRGB. Elsewhere three bands, from the longest to the shortest wavelengths, are stretched
between percentiles: a picture to find one's way, not a colour.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microtome.cubes.cie1931 import D65, OBSERVER, START, STEP, STOP, XYZ_TO_RGB
from microtome.io.envi import Cube

COVERED = (450.0, 650.0)
"""nm; bands that begin above or end below give no colour."""
WIDEST_GAP = 40.0
"""nm between neighbouring bands of the visible range."""
STRETCH = (1.0, 99.0)
"""Percentiles that become black and white in the stretched picture."""
PLACES = (5 / 6, 3 / 6, 1 / 6)
"""Where in the range of bands red, green and blue of the stretched picture are taken."""
SAMPLED = 2**20
"""Pixels looked at for the percentiles."""
GAMMA_LIMIT, GAMMA_SLOPE, GAMMA_SCALE, GAMMA_SHIFT, GAMMA = 0.0031308, 12.92, 1.055, 0.055, 2.4
"""Transfer curve of sRGB (IEC 61966-2-1:1999)."""


def covers_visible(wavelengths: Sequence[float] | None) -> bool:
    """Whether bands of these wavelengths (nm; None if unknown) suffice for a picture in true colours.

    Example:
        >>> covers_visible([400, 430, 460, 490, 520, 550, 580, 610, 640, 670]), covers_visible([550, 1000])
        (True, False)
    """
    if wavelengths is None or len(wavelengths) < 3:
        return False
    waves = np.sort(np.asarray(wavelengths, float))
    if waves[0] > COVERED[0] or waves[-1] < COVERED[1]:
        return False
    near = waves[max(np.searchsorted(waves, COVERED[0], "right") - 1, 0) :]
    near = near[: np.searchsorted(near, COVERED[1]) + 1]
    return bool(np.diff(near).max() <= WIDEST_GAP)


def colour_weights(wavelengths: Sequence[float]) -> NDArray[np.float64]:
    """Weight of each band (nm, in any order) in the linear sRGB channels, for daylight through the slide.

    The transmittance is interpolated between bands and constant beyond the ends; a slide that lets all light
    through is white.

    Returns:
        (bands, 3), columns that sum to 1.

    Raises:
        ValueError: The bands do not cover the visible range.

    Example:
        >>> colour_weights(range(400, 701, 10)).sum(0).round(9).tolist()
        [1.0, 1.0, 1.0]
    """
    if not covers_visible(wavelengths):
        msg = (
            f"found bands from {min(wavelengths)} to {max(wavelengths)} nm, expected at least {COVERED[0]:g} "
            f"to {COVERED[1]:g} nm without gaps above {WIDEST_GAP:g} nm; render three bands instead"
        )
        raise ValueError(msg)
    waves = np.asarray(wavelengths, float)
    order = np.argsort(waves)
    fine = np.arange(START, STOP + 1, dtype=float)
    coarse = np.arange(START, STOP + 1, STEP, dtype=float)
    observer = np.array([np.interp(fine, coarse, row) for row in np.array(OBSERVER).T])
    seen = np.array(XYZ_TO_RGB) @ (observer * np.interp(fine, coarse, D65))
    shares = np.empty((waves.size, fine.size))
    for rank, band in enumerate(order):
        shares[band] = np.interp(fine, waves[order], np.eye(waves.size)[rank])
    weights = shares @ seen.T
    return weights / weights.sum(0)


def encode(linear: NDArray) -> NDArray[np.uint8]:
    """Linear sRGB, 1 for white, to bytes.

    Example:
        >>> encode(np.array([-1.0, 0.0, 0.18, 1.0, 1.5])).tolist()
        [0, 0, 118, 255, 255]
    """
    light = np.clip(linear, 0, 1)
    curved = GAMMA_SCALE * np.power(light, 1 / GAMMA) - GAMMA_SHIFT
    return np.rint(255 * np.where(light <= GAMMA_LIMIT, GAMMA_SLOPE * light, curved)).astype(np.uint8)


def render(cube: Cube, *, scale: float = 1.0, step: int = 1) -> NDArray[np.uint8]:
    """Render a cube, reading one band at a time.

    Args:
        cube: Transmittance times `scale`; raw counts too where the bands do not cover the visible range.
        scale: Stored value of a transmittance of 1.
        step: Average `step` x `step` pixels to one, for thumbnails; what is left over at the edges is cut.

    Returns:
        (H, W, 3) uint8, or (H // step, W // step, 3).

    Raises:
        ValueError: `scale` or `step` is not positive.
        CubeError: The file cannot be read.
    """
    if not scale > 0 or not 1 <= step <= min(cube.height, cube.width):
        expected = f"a positive scale and a step of 1 to {min(cube.height, cube.width)}"
        msg = f"{cube.path}: found scale {scale} and step {step}, expected {expected}; correct them"
        raise ValueError(msg)
    if not covers_visible(cube.wavelengths):
        picked = [_averaged(cube.read_band(band), step) for band in three_bands(cube)]
        return np.stack([_stretched(band) for band in picked], axis=-1)
    weights = colour_weights(cube.wavelengths) / scale
    picture = np.zeros((cube.height // step, cube.width // step, 3), np.float32)
    for band, weight in enumerate(weights):
        if np.abs(weight).max() * scale > 1e-6:
            values = _averaged(cube.read_band(band), step)
            picture += np.nan_to_num(values)[..., None] * weight.astype(np.float32)
    return encode(picture)


def three_bands(cube: Cube) -> tuple[int, int, int]:
    """A long, a middle and a short wavelength's band, for red, green and blue without true colours.

    Example:
        >>> from microtome.io.envi import cube_of
        >>> three_bands(cube_of(np.zeros((60, 1, 1)), wavelengths=[550 + 7.5 * k for k in range(60)]))
        (50, 30, 10)
    """
    order = range(cube.bands)
    if cube.wavelengths is not None and cube.wavelengths[0] > cube.wavelengths[-1]:
        order = order[::-1]
    return tuple(order[min(int(place * cube.bands), cube.bands - 1)] for place in PLACES)


def _averaged(band: NDArray, step: int) -> NDArray[np.float32]:
    values = band.astype(np.float32, copy=False)
    if step == 1:
        return values
    height, width = (side // step for side in values.shape)
    return values[: height * step, : width * step].reshape(height, step, width, step).mean((1, 3))


def _stretched(band: NDArray[np.float32]) -> NDArray[np.uint8]:
    sample = band.ravel()[:: max(1, band.size // SAMPLED)]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return np.zeros(band.shape, np.uint8)
    low, high = np.percentile(sample, STRETCH)
    scaled = (np.nan_to_num(band, posinf=high, neginf=low) - low) / (high - low if high > low else 1)
    return np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
