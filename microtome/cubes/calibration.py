# SPDX-License-Identifier: MIT
"""Raw counts to transmittance by a dark and a blank reference: H = (R - D) / (B - D) for each pixel and band.

R is the specimen, B the blank (a field of the slide without tissue: lamp, optics and detector), D the dark
frame (shutter closed: the electronics' offset), as in equation 2 of Wang et al. 2021,
doi:10.1109/TMI.2020.3024923. References may be full frames, lines, or averages. Nothing is repaired silently:
:class:`Quality` says band by band how many pixels were invalid, saturated or clipped.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.cubes.calibration_band import (
    FULL_SCALE,
    HIGHEST,
    BandQuality,
    Limits,
    at_least,
)
from microtome.cubes.calibration_blocks import calibrate_band
from microtome.cubes.quality import LOWEST_PEAK, MOSTLY, Quality, listed, summarize
from microtome.cubes.references import (
    CalibrationError,
    Exposures,
    Frames,
    References,
    open_references,
    reference_cube,
)
from microtome.io.band_rows import ArrayRows, Scratch
from microtome.io.envi import Cube, CubeWriter, cube_of, open_cube

__all__ = [
    "Calibrated",
    "CalibrationError",
    "Exposures",
    "Quality",
    "calibrate",
    "calibrate_files",
    "scale_files",
    "scale_of",
]

SCALES = (1.0, 100.0, 255.0, 1000.0, 4095.0, 10_000.0, 65_535.0)
"""What programs store for a transmittance of 1."""
NO_TRANSMITTANCE = "give transmittance, or counts with their references"
THREADS = 2
GROUP = 8
"""Bands read together where the values of a pixel lie together in the file."""
SPECTRA = ("raw", "dark", "blank", "transmittance")


@dataclass(frozen=True)
class Calibrated:
    """A calibrated cube."""

    transmittance: NDArray[np.float32]  # (bands, H, W) float32, 0..1.5
    invalid: NDArray[np.bool_]  # (bands, H, W), where the value was taken from the neighbours
    saturated: NDArray[np.int64]  # (bands,) raw pixels at the camera's largest value
    clipped: NDArray[np.int64]  # (bands,) valid pixels outside 0..1.5
    quality: Quality  # the same as shares, mean spectra and warnings


def calibrate(
    raw: NDArray,
    dark: NDArray | float | None,
    blank: NDArray,
    *,
    blank_dark: NDArray | float | None = None,
    bias: NDArray | float | None = None,
    full_scale: float = FULL_SCALE,
    scale_exposure: bool = False,
    exposures: Exposures | None = None,
    wavelengths: Sequence[float] | None = None,
) -> Calibrated:
    """Calibrate a cube in memory.

    Args:
        raw: (bands, H, W) counts.
        dark: Counts with the shutter closed: (bands, H, W); a line (bands, 1, W) or (bands, H, 1); averages
            (bands, 1, 1) or (bands,); one number; None for 0, with a warning.
        blank: Counts without a specimen, likewise; one number is refused.
        blank_dark: Counts with the shutter closed at the exposure of the blank, as `dark`, where it is not
            that of the cube.
        bias: Counts with the shutter closed at the shortest exposure, as `dark`: with it, a dark frame of
            another exposure follows from `dark` or `blank_dark`.
        full_scale: Largest value of the camera.
        scale_exposure: Scale what the blank has above its dark frame by the ratio of the exposures, instead
            of refusing a blank of another exposure; this needs a dark frame of each exposure, or a bias.
        exposures: What is known of them.
        wavelengths: Of each band, nm.

    Returns:
        Transmittance, masks and quality.

    Raises:
        CalibrationError: Shapes or exposures do not fit, more than half of a lit band is darker than the dark
            reference, or more than half of all pixels have no light in the blank.

    Example:
        >>> raw = np.array([[[60, 110]]], np.uint16)
        >>> calibrate(raw, np.array([10]), np.array([210])).transmittance.tolist()
        [[[0.25, 0.5]]]
    """
    cube = cube_of(np.asarray(raw), wavelengths=wavelengths, name="raw")
    given = {"dark": dark, "blank": blank, "blank_dark": blank_dark, "bias": bias}
    frames = Frames(
        **{
            name: None if array is None else reference_cube(np.asarray(array), cube, name)
            for name, array in given.items()
        }
    )
    found = np.empty(cube.shape, np.float32)
    invalid = np.zeros(cube.shape, np.bool_)

    def sink(band: int, row: int, values: NDArray) -> None:
        found[band, row : row + len(values)] = values

    bands, quality = _run(
        cube,
        open_references(cube, frames, exposures or Exposures(), scale_exposure=scale_exposure),
        Limits(full_scale=full_scale),
        sink,
        invalid=invalid,
        threads=1,
    )
    counts = {name: np.array([getattr(band, name) for band in bands]) for name in ("saturated", "clipped")}
    return Calibrated(found, invalid, **counts, quality=quality)


def calibrate_files(
    raw: Path | str,
    dark: Path | str | None,
    blank: Path | str,
    target: Path | str,
    *,
    blank_dark: Path | str | None = None,
    bias: Path | str | None = None,
    full_scale: float = FULL_SCALE,
    scale_exposure: bool = False,
    threads: int = THREADS,
) -> Quality:
    """Calibrate from disk to disk, band by band.

    Args:
        raw: The cube (see `microtome.io.envi.open_cube`).
        dark: Its dark reference, of the same size or a line or an average; None for 0, with a warning.
        blank: Its blank reference, likewise.
        target: ENVI header to write, ``.hdr``; the result is BSQ float32.
        blank_dark: A second dark reference, of the exposure of the blank.
        bias: A recording with the shutter closed at the shortest exposure.
        full_scale: Largest value of the camera.
        scale_exposure: As `calibrate`.
        threads: Bands worked on at the same time.

    Returns:
        The quality.

    Raises:
        CubeError: A file cannot be read.
        CalibrationError: As `calibrate`.
    """
    cube = open_cube(raw)
    paths = {"dark": dark, "blank": blank, "blank_dark": blank_dark, "bias": bias}
    frames = {name: None if path is None else _open_reference(path, cube) for name, path in paths.items()}
    found = {name: None if frame is None else frame.exposure for name, frame in frames.items()}
    exposures = Exposures(cube.exposure, **found)
    references = open_references(cube, Frames(**frames), exposures, scale_exposure=scale_exposure)
    return _to_file(cube, references, Limits(full_scale=full_scale), Path(target), threads)


def scale_files(
    raw: Path | str, target: Path | str, *, scale: float | None = None, threads: int = THREADS
) -> Quality:
    """Take over a cube that is transmittance already, from disk to disk.

    Args:
        raw: The cube; its values are transmittance times `scale`.
        target: ENVI header to write, ``.hdr``; the result is BSQ float32, clipped to 0..1.5.
        scale: Stored value of a transmittance of 1; None for what the file says, else 1.
        threads: Bands worked on at the same time.

    Returns:
        The quality; nothing is known of saturation or of references.

    Raises:
        CubeError: The file cannot be read.
        CalibrationError: `scale` is not positive or another than in the file, most values are not finite,
            or the values are no transmittance: most lie outside 0..1.5, or all below 0.01.
    """
    cube = open_cube(raw)
    scale = scale_of(cube, scale)
    dark, blank = (ArrayRows(np.full((1, 1), value, np.float32)) for value in (0, scale))
    references = References(lambda band: dark, lambda band: blank, Exposures(cube.exposure), ())
    limits = Limits(np.inf, 0.0)
    return _to_file(cube, references, limits, Path(target), threads, ("raw", "transmittance"), scale)


def scale_of(cube: Cube, scale: float | None) -> float:
    """The value of a transmittance of 1: as given, as the cube's file says, else 1.

    Raises:
        CalibrationError: It is not positive, or the file says another.
    """
    if scale is not None and not 0 < scale < np.inf:
        expected = "the stored value of a transmittance of 1"
        raise CalibrationError(cube.path, f"scale {scale}", expected, "correct `scale`")
    if scale is None:
        return cube.scale or 1.0
    if cube.scale is not None and not np.isclose(scale, cube.scale):
        found = (
            f"reflectance scale factor = {cube.scale:g} in the header, and `scale: {scale:g}` in the study"
        )
        raise CalibrationError(cube.path, found, "the same", "leave `scale` out, or correct the header")
    return scale


def _to_file(
    cube: Cube,
    references: References,
    limits: Limits,
    target: Path,
    threads: int,
    spectra: Sequence[str] = SPECTRA,
    scale: float | None = None,
) -> Quality:
    options = {"wavelengths": cube.wavelengths, "metadata": {"description": "transmittance"}}
    with CubeWriter(target, height=cube.height, width=cube.width, dtype=np.float32, **options) as writer:
        bands, quality = _run(cube, references, limits, writer.write, threads=threads, spectra=spectra)
        if scale is not None:
            _check_plausible(cube, bands, scale)
    return quality


def _check_plausible(cube: Cube, bands: Sequence[BandQuality], scale: float) -> None:
    """Refuse values that cannot be transmittance once they are divided by the scale."""
    highest = max(band.highest for band in bands)
    outside = np.mean([band.clipped / band.pixels for band in bands])
    if outside <= MOSTLY and highest >= LOWEST_PEAK * scale:
        return
    found = f"no value above {LOWEST_PEAK:g}"
    if outside > MOSTLY:
        found = f"{outside:.0%} of the values outside 0 to {HIGHEST:g}"
    likely, remedy = likely_scale(highest), NO_TRANSMITTANCE
    if likely not in (None, scale):
        remedy = f"set the true `scale`, which is likely {likely:g}"
    found = f"{found} (the largest stored one is {highest:g}, `scale` {scale:g})"
    raise CalibrationError(cube.path, found, "transmittance or reflectance", remedy)


def likely_scale(highest: float) -> float | None:
    """The usual value of a transmittance of 1 that makes the largest value of a cube a plausible one.

    Example:
        >>> likely_scale(11830), likely_scale(104.2), likely_scale(0.93)
        (10000.0, 100.0, 1.0)
    """
    if highest in SCALES:
        return highest
    return next((scale for scale in SCALES if LOWEST_PEAK < highest / scale <= HIGHEST), None)


def _open_reference(path: Path | str, cube: Cube) -> Cube:
    """A reference without the bands that the cube's header marks as bad."""
    reference = open_cube(path)
    further = sorted(set(reference.bad_bands) - set(cube.bad_bands))
    if further:
        found = f"{listed(further)} marked bad in 'bbl', which {cube.path.name} takes for good"
        raise CalibrationError(reference.path, found, "the same bands", "mark them in the cube's header too")
    return open_cube(path, bad_bands=cube.bad_bands) if cube.bad_bands else reference


def _run(
    cube: Cube,
    references: References,
    limits: Limits,
    sink: Callable[[int, int, NDArray], None],
    *,
    invalid: NDArray[np.bool_] | None = None,
    threads: int,
    spectra: Sequence[str] = SPECTRA,
) -> tuple[list[BandQuality], Quality]:
    """Calibrate all bands into a sink, several at a time."""
    group, local = GROUP if cube.is_interleaved else 1, threading.local()

    def work(start: int) -> list[BandQuality]:
        found, stop = [], min(start + group, cube.bands)
        together = map(ArrayRows, cube.read_bands(start, stop)) if group > 1 else [cube.rows(start)]
        scratch = local.__dict__.setdefault("scratch", Scratch())
        for band, of_band in zip(range(start, stop), together, strict=True):
            own = replace(limits, full_scale=cube.value_of(band, limits.full_scale))
            with of_band as raw, references.dark(band) as dark, references.blank(band) as blank:
                quality, mask = calibrate_band(raw, dark, blank, own, partial(sink, band), scratch)
            if references.recorded_blank is not None:
                quality = replace(
                    quality, blank_saturated=_saturated(references.recorded_blank, band, limits)
                )
            _check_dark(cube, band, quality, limits)
            if invalid is not None and mask is not None:
                invalid[band] = mask
            found.append(quality)
        return found

    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        bands = [quality for part in pool.map(work, range(0, cube.bands, group)) for quality in part]
    finally:
        pool.shutdown(cancel_futures=True)
    return bands, summarize(cube, bands, references, limits, spectra)


def _saturated(blank: Cube, band: int, limits: Limits) -> int:
    """Pixels of a blank at the camera's largest value, as it was recorded."""
    return at_least(blank.read_band(band), blank.value_of(band, limits.full_scale), blank.shape[1:])


def _check_dark(cube: Cube, band: int, quality: BandQuality, limits: Limits) -> None:
    if not quality.is_lit or quality.darker <= MOSTLY * quality.pixels:
        return
    if limits.full_scale == np.inf:
        found, remedy = f"{quality.darker / quality.pixels:.0%} of band {band} below 0", NO_TRANSMITTANCE
    else:
        found = f"{quality.darker / quality.pixels:.0%} of band {band} darker than the dark reference"
        remedy = "name the dark reference of this recording (shutter closed)"
    raise CalibrationError(cube.path, found, "few pixels", remedy)
