# SPDX-License-Identifier: MIT
"""One band of raw counts to transmittance, as a whole. Used through :mod:`microtome.cubes.calibration`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 4095.0
"""Largest value of a 12-bit camera."""
LEAST_LIGHT = 1.0
"""Counts that blank less dark must exceed."""
LEAST_SHARE = 0.005
"""Share of the band's median of blank less dark that it must exceed too."""
HIGHEST = 1.5
"""Transmittance beyond is clipped."""
LARGEST_RADIUS = 7
"""Pixels; an invalid pixel without a valid one in 15 x 15 takes the median of the band."""
BLOCK_PIXELS = 65_536
"""Pixels that are written at a time."""
GATHERED = 2**21
"""Values gathered at a time around invalid pixels."""

Sink = Callable[[int, "NDArray[np.float32]"], None]
"""Takes the first row and (rows, W) transmittance; rows may come again, then with their final values."""


@dataclass(frozen=True)
class Limits:
    """What counts as saturated and as lit."""

    full_scale: float = FULL_SCALE  # largest value of the camera
    least_light: float = LEAST_LIGHT  # counts that blank less dark must exceed


@dataclass(frozen=True)
class BandQuality:
    """What became of the pixels of a band."""

    pixels: int  # number of pixels
    invalid: int  # pixels without enough light in the blank, or not finite; filled from their neighbours
    saturated: int  # raw pixels at the camera's largest value or above
    clipped: int  # valid pixels outside 0..1.5
    darker: int  # pixels whose raw count is below the dark one
    blank_saturated: int  # pixels of the blank at the camera's largest value or above
    is_lit: bool  # whether the median of blank less dark is above the least light
    highest: float  # largest raw count
    raw: float  # mean of the finite raw counts
    dark: float  # mean of the dark reference
    blank: float  # mean of the blank reference
    transmittance: float  # mean of the result


def fill_invalid(values: NDArray, valid: NDArray[np.bool_]) -> NDArray:
    """Give the pixels (H, W) that are not valid the median of the valid ones around them.

    Returns:
        (H, W); invalid pixels hold the median of the valid ones in 3 x 3, where there is none in 5 x 5, and
        so on to 15 x 15, then that of all valid ones; 0 where nothing is valid.

    Example:
        >>> values, valid = np.array([[1.0, 9.0, 3.0]]), np.array([[True, False, True]])
        >>> fill_invalid(values, valid).tolist()
        [[1.0, 2.0, 3.0]]
    """
    if not valid.any():
        return np.zeros_like(values)
    filled = np.where(valid, values, np.nan)
    padded = np.pad(filled, LARGEST_RADIUS, constant_values=np.nan)
    rows, columns = np.nonzero(~valid)
    for radius in range(1, LARGEST_RADIUS + 1):
        if not rows.size:
            break
        medians = _medians(padded, rows, columns, radius)
        filled[rows, columns] = medians
        left = np.isnan(medians)
        rows, columns = rows[left], columns[left]
    filled[rows, columns] = np.median(values[valid])
    return filled


def calibrate_whole(
    raw: NDArray, dark: NDArray, blank: NDArray, limits: Limits, sink: Sink
) -> tuple[BandQuality, NDArray[np.bool_]]:
    """Calibrate a band (H, W) of which some pixels have too little light, or are not finite.

    Its references are (H, W), (1, W), (H, 1) or (1, 1); the sink gets the rows.

    Returns:
        The band's quality, and where pixels were invalid.
    """
    signal = np.subtract(raw, dark, dtype=np.float32)
    light = np.broadcast_to(_light(blank, dark), raw.shape)
    finite = np.isfinite(signal) & np.isfinite(light)
    median = float(np.median(light[finite])) if finite.any() else 0.0
    with np.errstate(invalid="ignore"):
        valid = finite & (light > max(limits.least_light, LEAST_SHARE * median))
        darker = int(np.count_nonzero(signal[finite] < 0))
    ratio = np.zeros(raw.shape, np.float32)
    np.divide(signal, light, out=ratio, where=valid)
    clipped = int(np.count_nonzero((ratio < 0) | (ratio > HIGHEST)))
    result = fill_invalid(ratio, valid)
    clip(result)
    step = max(1, BLOCK_PIXELS // raw.shape[1])
    for top in range(0, raw.shape[0], step):
        sink(top, result[top : top + step])
    quality = BandQuality(
        pixels=raw.size,
        invalid=raw.size - int(np.count_nonzero(valid)),
        saturated=at_least(raw, limits.full_scale, raw.shape),
        clipped=clipped,
        darker=darker,
        blank_saturated=at_least(blank, limits.full_scale, raw.shape),
        is_lit=median > limits.least_light,
        highest=float(np.max(raw, initial=0, where=np.isfinite(raw))),
        raw=_finite_mean(raw),
        dark=_finite_mean(dark),
        blank=_finite_mean(blank),
        transmittance=float(result.mean(dtype=np.float64)),
    )
    return quality, ~valid


def _light(blank: NDArray, dark: NDArray) -> NDArray[np.float32]:
    return np.subtract(blank, dark, dtype=np.float32)


def clip(values: NDArray[np.float32]) -> int:
    """Clip values to 0..1.5 in place; how many were outside."""
    low, high = values.min() < 0, values.max() > HIGHEST
    if not low and not high:
        return 0
    outside = int(np.count_nonzero((values < 0) | (values > HIGHEST)))
    np.clip(values, 0, HIGHEST, out=values)
    return outside


def at_least(array: NDArray, limit: float, shape: tuple[int, ...]) -> int:
    """How many pixels of a band a reference or the raw counts themselves reach a value."""
    if not array.max() >= limit and array.dtype.kind != "f":
        return 0
    with np.errstate(invalid="ignore"):
        return int(np.count_nonzero(np.broadcast_to(array >= limit, shape)))


def _finite_mean(array: NDArray) -> float:
    finite = np.isfinite(array)
    return float(array.mean(dtype=np.float64, where=finite)) if finite.any() else 0.0


def _medians(padded: NDArray, rows: NDArray, columns: NDArray, radius: int) -> NDArray:
    """Median of the finite values around each pixel; NaN where there is none."""
    offsets = np.arange(-radius, radius + 1) + LARGEST_RADIUS
    found = np.empty(rows.size, padded.dtype)
    chunk = max(1, GATHERED // offsets.size**2)
    for start in range(0, rows.size, chunk):
        down, across = rows[start : start + chunk], columns[start : start + chunk]
        around = padded[down[:, None, None] + offsets[:, None], across[:, None, None] + offsets]
        ordered = np.sort(around.reshape(down.size, -1), axis=1)
        count = np.count_nonzero(~np.isnan(ordered), axis=1)
        each = np.arange(down.size)
        low, high = ordered[each, np.maximum(count - 1, 0) // 2], ordered[each, count // 2]
        found[start : start + chunk] = np.where(count > 0, (low + high) / 2, np.nan)
    return found
