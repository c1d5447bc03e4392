# SPDX-License-Identifier: MIT
"""Camera and light of the melanoma phantom: from transmittance to 12-bit values, and the two references.

To a pixel's photoelectrons come their shot noise (normal, of their variance), dark current, a fixed pattern
of offsets, read noise, and the rounding to 12 bits. Pixels differ in response; a few are dead. Thin silicon
is an etalon in the near infrared: its fringes drift a little between blank and scene, so that calibration
leaves a trace of them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from microtome.phantoms._noise import smooth_noise
from microtome.phantoms.cubes.spectra import WAVELENGTHS, clear_field

FULL_SCALE = 4095
ELECTRONS = 8.0  # per digital number
CLEAR = 3300.0  # digital numbers of a clear field in the brightest band, above the offset
OFFSET, DARK_CURRENT = 96.0, 9.0  # digital numbers
OFFSET_PATTERN, COLUMN_PATTERN = 3.0, 1.5
RESPONSE_SPREAD = 0.012
READ_NOISE = 18.0  # electrons
DEAD = 1e-4  # share of the pixels
SHADING, SHADING_WAVE = 0.18, 0.04  # light that the corners lack; unevenness
BRIGHTEST = 1.08  # of the light that `CLEAR` stands for; such a pixel is not saturated yet
AVERAGED = 16  # frames of a reference
FRINGE_FROM, FRINGE_FULL, FRINGE = 840.0, 1000.0, 0.10  # nm, nm, amplitude
FRINGE_THICKNESS = 9e3  # nm
SILICON = 3.6  # refractive index
DRIFT = 0.12  # of a fringe's phase, radians
EXPOSURE = 40.0
"""Milliseconds."""
References = Literal["frames", "lines", "averages"]
Light = Literal["instrument", "flat"]


@dataclass(frozen=True, eq=False)
class Camera:
    """What a session's camera and lamp do to each pixel."""

    illumination: NDArray[np.float32]  # ``(H, W)`` float32, light and response, about 1
    offset: NDArray[np.float32]  # ``(H, W)`` float32, digital numbers without light
    thickness: NDArray[np.float32]  # ``(H, W)`` float32, of the silicon, in nanometres less a constant
    level: NDArray[np.float64]  # ``(60,)`` digital numbers of a clear field
    noise: float  # factor on all noise
    fringe: float  # amplitude of the fringes at 1000 nm


def set_up(
    size: int,
    difficulty: float,
    kind: References,
    rng: np.random.Generator,
    *,
    light: Light = "instrument",
) -> Camera:
    """Draw a camera's fixed patterns and a session's light, for pictures of `size` pixels a side.

    With `difficulty` grow fringes and dead pixels, and noise by a third. Where the references (`kind`) are
    lines, columns are alike, as in a line scanner; where they are averages, so are all pixels. With `light`
    flat, a clear field yields as much in each band.
    """
    shape = (size, size)
    y, x = (np.linspace(-1, 1, size) ** 2 for _ in range(2))
    shade = 1 - SHADING * (y[:, None] + x[None, :]) / 2 + SHADING_WAVE * smooth_noise(shape, size / 2, rng)
    response = 1 + RESPONSE_SPREAD * rng.standard_normal(shape)
    dead = (rng.random(shape) < DEAD * min(difficulty, 1)) & (kind == "frames")
    illumination = np.where(dead, 0, (shade * response).clip(0.1, BRIGHTEST))
    offset = OFFSET + DARK_CURRENT + OFFSET_PATTERN * rng.standard_normal(shape)
    offset = (offset + COLUMN_PATTERN * rng.standard_normal(size)).clip(8)
    thickness = 60 * smooth_noise(shape, max(size / 3, 4), rng)
    level = CLEAR * (clear_field(WAVELENGTHS) if light == "instrument" else 1.0)
    level = np.broadcast_to(level * rng.uniform(0.95, 1.0), WAVELENGTHS.shape)
    planes = (_alike(plane, kind) for plane in (illumination, offset, thickness))
    return Camera(*planes, level, (3 + min(difficulty, 3)) / 4, FRINGE * min(difficulty, 2))


def _alike(plane: NDArray[np.float64], kind: References) -> NDArray[np.float32]:
    """A pattern that references of that kind can describe."""
    if kind != "frames":
        plane = np.broadcast_to(plane.mean(0 if kind == "lines" else None), plane.shape)
    return np.ascontiguousarray(plane, np.float32)


def expose(
    camera: Camera,
    band: int,
    transmittance: NDArray[np.float32] | float,
    rng: np.random.Generator,
    *,
    frames: int = 1,
    drift: float = 0.0,
) -> NDArray[np.uint16]:
    """One band (from 0) of a cube, ``(H, W)`` digital numbers up to 4095.

    The transmittance is 1 for a blank, 0 for the dark; `frames` are averaged; by `drift`, radians, the phase
    of the fringes has moved.
    """
    wanted = clear(camera, band, drift) * transmittance
    variance = (wanted + DARK_CURRENT).clip(0) / ELECTRONS + (READ_NOISE / ELECTRONS) ** 2
    spread = np.sqrt(variance * np.float32(camera.noise**2 / frames))
    seen = wanted + camera.offset + spread * rng.standard_normal(camera.offset.shape, np.float32)
    return np.rint(seen).clip(0, FULL_SCALE).astype(np.uint16)


def clear(camera: Camera, band: int, drift: float = 0.0) -> NDArray[np.float32]:
    """Digital numbers that light of a clear field adds, ``(H, W)``."""
    wavelength = WAVELENGTHS[band]
    amplitude = camera.fringe * max(0.0, (wavelength - FRINGE_FROM) / (FRINGE_FULL - FRINGE_FROM))
    lit = camera.illumination * np.float32(camera.level[band])
    if not amplitude:
        return lit
    phase = (camera.thickness + FRINGE_THICKNESS) * (4 * np.pi * SILICON / wavelength) + drift
    return (lit * (1 + amplitude * np.cos(phase))).astype(np.float32)


def noise_limit(camera: Camera, band: int, transmittance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standard deviation of a calibrated value, to first order, that noise and rounding leave, ``(H, W)``."""
    lit = clear(camera, band)
    rounding, read, factor = 1 / 12, (READ_NOISE / ELECTRONS) ** 2, camera.noise**2

    def variance(light: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
        return factor * ((light + DARK_CURRENT) / ELECTRONS + read) / frames + rounding

    dark = variance(np.zeros_like(lit), AVERAGED)
    total = variance(lit * transmittance, 1) + transmittance**2 * variance(lit, AVERAGED)
    total = total + (1 - transmittance) ** 2 * dark
    with np.errstate(divide="ignore"):
        return np.where(lit > 0, np.sqrt(total) / np.maximum(lit, 1e-6), np.inf).astype(np.float32)
