# SPDX-License-Identifier: MIT
"""Dark and blank references: checked against the cube and read by band. Used through
:mod:`microtome.cubes.calibration`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microtome.io.envi import Cube, cube_of
from microtome.io.errors import FileContentError

SAME_EXPOSURE = 1e-3
"""Relative difference of exposures that counts as none."""
SAME_WAVELENGTH = 1.0
"""Difference of wavelengths that counts as none, nm."""


class CalibrationError(FileContentError):
    """The references do not fit the cube; the message says how, and the remedy."""


@dataclass(frozen=True)
class Exposures:
    """Exposures of the three recordings, in one unit; None where unknown."""

    raw: float | None = None
    dark: float | None = None
    blank: float | None = None


@dataclass(frozen=True)
class References:
    """References as functions of the band, ready to subtract."""

    dark: Callable[[int], NDArray]
    blank: Callable[[int], NDArray]
    exposures: Exposures
    warnings: tuple[str, ...]


def open_references(
    cube: Cube, dark: Cube | None, blank: Cube | None, exposures: Exposures, *, scale_exposure: bool
) -> References:
    """Check references and make them readable by band."""
    if blank is None:
        remedy = "name it in the column `blank`, or set `calibrated: true` if the values are transmittance"
        raise CalibrationError(cube.path, "no blank reference", "one", remedy)
    warnings = []
    if dark is None:
        warnings.append("no dark reference: 0 is taken, so that dark pixels come out too bright")
        zero = np.zeros((1, 1), np.float32)
    readers = {}
    for name, reference in (("dark", dark), ("blank", blank)):
        if reference is None:
            readers[name] = lambda band: zero
            continue
        _check_shape(cube, reference, name)
        factor, note = _factor(cube, name, exposures, scale_exposure=scale_exposure)
        readers[name] = _reader(reference, factor)
        warnings += note
    return References(readers["dark"], readers["blank"], exposures, tuple(warnings))


def _reader(reference: Cube, factor: float) -> Callable[[int], NDArray]:
    """Reads a band of a reference; one without a full frame is read once."""
    if 1 in reference.shape[1:]:
        values = reference.read().astype(np.float32) * np.float32(factor)
        return values.__getitem__
    if factor == 1:
        return reference.read_band
    return lambda band: reference.read_band(band).astype(np.float32) * np.float32(factor)


def _check_shape(cube: Cube, reference: Cube, name: str) -> None:
    bands, height, width = reference.shape
    if bands != cube.bands or height not in (1, cube.height) or width not in (1, cube.width):
        size = f"{cube.bands} bands of {cube.height}x{cube.width}, 1x{cube.width}, {cube.height}x1 or 1x1"
        found = f"a {name} reference of {bands} bands of {height}x{width}"
        remedy = "name the reference of this recording, or average its lines"
        raise CalibrationError(reference.path, found, f"{size} as {cube.path}", remedy)
    waves = (cube.wavelengths, reference.wavelengths)
    if None not in waves and not np.allclose(*waves, rtol=0, atol=SAME_WAVELENGTH):
        found = f"other wavelengths than in {cube.path}"
        remedy = f"name the {name} reference of this recording"
        raise CalibrationError(reference.path, found, "the same to 1 nm", remedy)


def _factor(cube: Cube, name: str, exposures: Exposures, *, scale_exposure: bool) -> tuple[float, list[str]]:
    """By what a reference is multiplied, and a note on it."""
    own, other = exposures.raw, getattr(exposures, name)
    if own is None or other is None or abs(own - other) <= SAME_EXPOSURE * max(own, other):
        return 1.0, []
    if scale_exposure:
        return own / other, [
            f"the {name} reference was exposed {other:g}, the cube {own:g}: scaled by the ratio"
        ]
    found = f"exposure {own:g} of the cube and {other:g} of its {name} reference"
    remedy = "name the reference of this recording, or set `scale_exposure: true`"
    raise CalibrationError(cube.path, found, "the same", remedy)


def reference_cube(array: NDArray, cube: Cube, name: str) -> Cube:
    """A reference in memory as a cube: averages get two axes of length 1."""
    if array.ndim == 0 and name == "dark":
        array = np.full(cube.bands, array)
    if array.ndim == 1:
        array = array[:, None, None]
    if array.ndim != 3:
        found, expected = f"shape {array.shape}", "(bands, H, W), (bands, 1, W), (bands, H, 1) or (bands,)"
        raise CalibrationError(name, found, expected, "give one value a band at least")
    return cube_of(array, name=name)
