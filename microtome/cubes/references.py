# SPDX-License-Identifier: MIT
"""Dark and blank references: checked against the cube and read by band. Used through
:mod:`microtome.cubes.calibration`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from microtome.io.band_rows import ArrayRows, Rows
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
    """Exposures of the recordings, in one unit; None where unknown."""

    raw: float | None = None
    dark: float | None = None
    blank: float | None = None
    blank_dark: float | None = None  # of a second dark reference, recorded as the blank was
    bias: float | None = None  # of the bias, as a rule the camera's shortest; None counts as 0


@dataclass(frozen=True)
class Frames:
    """The recordings beside the cube; None where there is none."""

    dark: Cube | None
    blank: Cube | None
    blank_dark: Cube | None = None
    bias: Cube | None = None


@dataclass(frozen=True)
class References:
    """References as functions of the band, ready to subtract."""

    dark: Callable[[int], Rows]
    blank: Callable[[int], Rows]
    exposures: Exposures
    warnings: tuple[str, ...]
    recorded_blank: Cube | None = None  # the file of the blank, where `blank` is not as it was recorded


def open_references(cube: Cube, frames: Frames, exposures: Exposures, *, scale_exposure: bool) -> References:
    """Check references and make them readable by band."""
    if frames.blank is None:
        remedy = "name it in the column `blank`, or set `calibrated: true` if the values are transmittance"
        raise CalibrationError(cube.path, "no blank reference", "one", remedy)
    for item in fields(frames):
        if (frame := getattr(frames, item.name)) is not None:
            _check_shape(cube, frame, item.name)
    others = [name for name in ("dark", "blank") if not _is_same(exposures.raw, getattr(exposures, name))]
    if others and not scale_exposure:
        own, other = exposures.raw, getattr(exposures, others[0])
        found = f"exposure {own:g} of the cube and {other:g} of its {others[0]} reference"
        remedy = "name the reference of this recording, or set `scale_exposure: true`"
        raise CalibrationError(cube.path, found, "the same", remedy)
    if others:
        return _scaled(cube, frames, exposures)
    unknown = [name for name in ("raw", "blank") if getattr(exposures, name) is None]
    warnings = []
    if frames.dark is None:
        warnings.append("no dark reference: 0 is taken, so that dark pixels come out too bright")
    if scale_exposure and unknown:
        warnings.append(f"no exposure in the header of the {' and the '.join(unknown)}: nothing is scaled")
    zero = ArrayRows(np.zeros((1, 1), np.float32))
    dark = _rows(frames.dark) if frames.dark else lambda band: zero
    recorded = None if frames.blank.line is None else frames.blank
    return References(dark, _rows(frames.blank), exposures, tuple(warnings), recorded)


def _scaled(cube: Cube, frames: Frames, exposures: Exposures) -> References:
    """References of other exposures: what lies above the offset of each is proportional to the exposure.

    A blank B of exposure b serves a cube of exposure r as D(r) + (B - D(b)) r / b.
    """
    own, other = exposures.raw, exposures.blank if exposures.blank is not None else exposures.raw
    dark = _dark_of(own, cube, frames, exposures)
    blank_dark = dark if _is_same(own, other) else _dark_of(other, cube, frames, exposures)
    recorded, ratio = _reader(frames.blank), np.float32(own / other)

    def blank(band: int) -> NDArray:
        return dark(band) + (recorded(band).astype(np.float32) - blank_dark(band)) * ratio

    note = f"the cube was exposed {own:g}, the blank reference {other:g}: its light above the dark is scaled"
    warnings = [note] if ratio != 1 else []
    for name, taken in (("dark", own), ("blank_dark", other)):
        exposure = getattr(exposures, name)
        if getattr(frames, name) is not None and exposure is None:
            warnings.append(f"no exposure in the header of the {name} reference: {taken:g} is taken")
        elif exposure is not None and not _is_same(exposure, taken):
            warnings.append(
                f"the {name} reference was exposed {exposure:g}: its rise above the bias is scaled"
            )
    found = (lambda band: ArrayRows(dark(band))), (lambda band: ArrayRows(blank(band)))
    return References(*found, exposures, tuple(warnings), frames.blank)


def _dark_of(exposure: float, cube: Cube, frames: Frames, exposures: Exposures) -> Callable[[int], NDArray]:
    """The dark frame of an exposure: recorded so, or on the line through a bias and another dark frame."""
    stated = (
        (exposures.dark, exposures.raw, frames.dark),
        (exposures.blank_dark, exposures.blank, frames.blank_dark),
    )
    darks = {known if known is not None else own: frame for known, own, frame in stated if frame is not None}
    for known, frame in darks.items():
        if _is_same(known, exposure):
            return _reader(frame)
    least = exposures.bias or 0.0
    longer = {known: frame for known, frame in darks.items() if known > least}
    if frames.bias is None or not longer:
        has = ", ".join(f"{known:g}" for known in darks) or "none"
        found = (
            f"exposures {exposures.raw:g} of the cube and {exposures.blank or exposures.raw:g} of its blank"
        )
        expected = f"a dark frame exposed {exposure:g}, or a bias with a longer dark frame"
        remedy = (
            "name it in the column `dark` or, recorded as the blank was, `blank_dark`; or name the `bias`"
        )
        raise CalibrationError(cube.path, f"{found}, dark frames exposed {has}", expected, remedy)
    nearest = min(longer, key=lambda known: abs(known - exposure))
    bias, dark = _reader(frames.bias), _reader(longer[nearest])
    share = np.float32((exposure - least) / (nearest - least))
    return lambda band: bias(band) + (dark(band).astype(np.float32) - bias(band)) * share


def _is_same(one: float | None, two: float | None) -> bool:
    """Whether two exposures are equal; unknown ones count as such."""
    return one is None or two is None or abs(one - two) <= SAME_EXPOSURE * max(one, two)


def _rows(reference: Cube) -> Callable[[int], Rows]:
    """The rows of a band of a reference; one without a full frame is read once."""
    if 1 not in reference.shape[1:]:
        return reference.rows
    whole = reference.read()
    return lambda band: ArrayRows(whole[band])


def _reader(reference: Cube) -> Callable[[int], NDArray]:
    """Reads a band of a reference; one without a full frame is read once."""
    return reference.read().__getitem__ if 1 in reference.shape[1:] else reference.read_band


def _check_shape(cube: Cube, reference: Cube, name: str) -> None:
    bands, height, width = reference.shape
    if bands != cube.bands or height not in (1, cube.height) or width not in (1, cube.width):
        size = f"{cube.bands} bands of {cube.height}x{cube.width}, 1x{cube.width}, {cube.height}x1 or 1x1"
        found = f"a {name} reference of {bands} bands of {height}x{width}"
        remedy = "name the reference of this recording, or average its lines"
        raise CalibrationError(reference.path, found, f"{size} as {cube.path}", remedy)
    if (cube.line is None) != (reference.line is None):
        found = (
            f"'data gain values' or 'data offset values' in one of {cube.path.name} and {reference.path.name}"
        )
        remedy = "give both as counts, or both with their gains"
        raise CalibrationError(reference.path, found, "them in the cube and in its references", remedy)
    waves = (cube.wavelengths, reference.wavelengths)
    if None not in waves and not np.allclose(*waves, rtol=0, atol=SAME_WAVELENGTH):
        found = f"other wavelengths than in {cube.path}"
        remedy = f"name the {name} reference of this recording"
        raise CalibrationError(reference.path, found, "the same to 1 nm", remedy)


def reference_cube(array: NDArray, cube: Cube, name: str) -> Cube:
    """A reference in memory as a cube: averages get two axes of length 1."""
    if array.ndim == 0 and name != "blank":
        array = np.full(cube.bands, array)
    if array.ndim == 1:
        array = array[:, None, None]
    if array.ndim != 3:
        found, expected = f"shape {array.shape}", "(bands, H, W), (bands, 1, W), (bands, H, 1) or (bands,)"
        raise CalibrationError(name, found, expected, "give one value a band at least")
    return cube_of(array, name=name)
