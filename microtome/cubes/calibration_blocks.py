# SPDX-License-Identifier: MIT
"""One band of raw counts to transmittance, block by block. Used through :mod:`microtome.cubes.calibration`.

A block stays in the processor's cache from being read to being written, in memory that is used again for the
next one; counts of cameras of up to 15 bits are subtracted as 16-bit integers, exactly. So a band costs about
as much as reading and writing it. A band with pixels that cannot be calibrated is done again as a whole.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from microtome.cubes.calibration_band import (
    HIGHEST,
    LEAST_SHARE,
    BandQuality,
    Limits,
    Sink,
    calibrate_whole,
    clip,
)
from microtome.io.band_rows import Rows, Scratch

BLOCK_PIXELS = 2**17
"""Pixels of a block: its arrays take less than two megabytes together."""
LARGEST_SIGNED, LARGEST_SHORT = 2**15 - 1, 2**16 - 1
COUNTS = np.dtype(np.uint16)
"""What cameras count in."""


def calibrate_band(
    raw: Rows, dark: Rows, blank: Rows, limits: Limits, sink: Sink, scratch: Scratch
) -> tuple[BandQuality, NDArray[np.bool_] | None]:
    """Calibrate a band (H, W); its references are (H, W), (1, W), (H, 1) or (1, 1). The sink gets the rows.

    Args:
        raw: The counts.
        dark: Of the dark reference.
        blank: Of the blank reference.
        limits: What counts as saturated and as lit.
        sink: Takes the rows, some of them twice where pixels are invalid; they lie in the scratch memory.
        scratch: Memory of this thread.

    Returns:
        The band's quality, and where pixels were invalid; None where none was.
    """
    quality = _all_valid(raw, dark, blank, limits, sink, scratch)
    if quality is not None:
        return quality, None
    return calibrate_whole(raw.whole(), dark.whole(), blank.whole(), limits, sink)


@dataclass
class _Recorded:
    """What is known of a recording after some blocks of it."""

    saturated: int = 0
    highest: float = -np.inf
    total: float = 0.0
    count: int = 0

    def add(self, values: NDArray, pixels: int, limit: float = np.inf) -> None:
        """Count a block of it, which stands for so many pixels of the band."""
        high = values.max()
        self.highest = max(self.highest, float(high))
        self.total += total(values, int(high) if values.dtype == COUNTS else 0)
        self.count += values.size
        if high >= limit:
            self.saturated += int(np.count_nonzero(values >= limit)) * pixels // values.size

    @property
    def mean(self) -> float:
        """Of all values so far."""
        return self.total / self.count


@dataclass
class _Band:
    """What is known of a band after some blocks, and where the next is worked on."""

    limits: Limits
    scratch: Scratch
    raw: _Recorded = field(default_factory=_Recorded)
    dark: _Recorded = field(default_factory=_Recorded)
    blank: _Recorded = field(default_factory=_Recorded)
    darkest: float = np.inf
    least_light: float = np.inf
    clipped: int = 0
    darker: int = 0
    transmittance: float = 0.0

    def light(self, dark: NDArray, blank: NDArray, pixels: int) -> NDArray | None:
        """What the blank has above the dark reference; None if that is too little somewhere.

        Args:
            dark: Some of the dark reference.
            blank: Some of the blank.
            pixels: Of the band, for which these stand.
        """
        if not (_is_finite(dark) and _is_finite(blank)):
            return None
        self.dark.add(dark, pixels)
        self.darkest = min(self.darkest, float(dark.min()))
        self.blank.add(blank, pixels, self.limits.full_scale)
        found = self._less(blank, dark, max(self.blank.highest, self.dark.highest), "light")
        self.least_light = min(self.least_light, float(found.min()))
        return found if self.least_light > self.limits.least_light else None

    def transmitted(self, raw: NDArray, dark: NDArray, light: NDArray) -> NDArray[np.float32] | None:
        """The transmittance of some rows, clipped; None if a count is no number."""
        if not _is_finite(raw):
            return None
        self.raw.add(raw, raw.size, self.limits.full_scale)
        signal = self._less(raw, dark, max(self.raw.highest, self.dark.highest), "signal")
        low = signal.min()
        if low < 0:
            self.darker += int(np.count_nonzero(signal < 0))
        out = self.scratch.array("found", raw.shape, np.float32)
        found = np.divide(signal, light, out=out, dtype=np.float32)
        largest = (self.raw.highest - self.darkest) / self.least_light
        if signal.dtype != np.int16 or low < 0 or largest > HIGHEST:
            self.clipped += clip(found)
        self.transmittance += total(found)
        return found

    def _less(self, more: NDArray, less: NDArray, highest: float, name: str) -> NDArray:
        """One block less another, in a type that holds the differences."""
        shape = np.broadcast_shapes(more.shape, less.shape)
        if more.dtype == less.dtype == COUNTS and highest <= LARGEST_SIGNED:
            out = self.scratch.array(name, shape, np.int16)
            return np.subtract(more.view(np.int16), less.view(np.int16), out=out)
        return np.subtract(more, less, out=self.scratch.array(name, shape, np.float32), dtype=np.float32)

    def quality(self, pixels: int) -> BandQuality | None:
        """Of the whole band; None where the light may be too little somewhere.

        It is compared with `LEAST_SHARE` of the largest light, which no median exceeds.
        """
        bound = max(self.limits.least_light, LEAST_SHARE * (self.blank.highest - self.darkest))
        if not self.least_light > bound:
            return None
        return BandQuality(
            pixels=pixels,
            invalid=0,
            saturated=self.raw.saturated,
            clipped=self.clipped,
            darker=self.darker,
            blank_saturated=self.blank.saturated,
            is_lit=True,
            highest=self.raw.highest,
            raw=self.raw.mean,
            dark=self.dark.mean,
            blank=self.blank.mean,
            transmittance=self.transmittance / pixels,
        )


def _all_valid(
    raw: Rows, dark: Rows, blank: Rows, limits: Limits, sink: Sink, scratch: Scratch
) -> BandQuality | None:
    """The common case, in which there is enough light everywhere; None where there may be not."""
    (height, width), band = raw.shape, _Band(limits, scratch)
    step, are_lines = max(1, BLOCK_PIXELS // width), dark.shape[0] == blank.shape[0] == 1
    still = [_read(rows, 0, 1, scratch, name) for rows, name in ((dark, "dark"), (blank, "blank"))]
    light = band.light(*still, raw.shape[0] * width) if are_lines else None
    for top in range(0, height, step):
        count = min(step, height - top)
        some_dark = _read(dark, top, count, scratch, "dark")
        if not are_lines:
            light = band.light(some_dark, _read(blank, top, count, scratch, "blank"), count * width)
        if light is None:
            return None
        found = band.transmitted(raw.read(top, count, scratch, "raw"), some_dark, light)
        if found is None:
            return None
        sink(top, found)
    return band.quality(height * width)


def _read(reference: Rows, top: int, count: int, scratch: Scratch, name: str) -> NDArray:
    """Some rows of a reference; a reference of one row as it is."""
    one = reference.shape[0] == 1
    return reference.read(0 if one else top, 1 if one else count, scratch, name)


def _is_finite(values: NDArray) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def total(values: NDArray, highest: int = 0) -> float:
    """The sum of a block (rows, W).

    Counts of 16 bits are summed exactly: as many rows at a time as 16 bits can hold.

    Args:
        values: The block.
        highest: Its largest value, if it is of such counts.

    Example:
        >>> total(np.full((5, 3), 30_000, np.uint16), 30_000), total(np.full((2, 2), 0.5, np.float32))
        (450000.0, 2.0)
    """
    if values.dtype == np.float32:
        return float(np.einsum("ij->i", values).sum(dtype=np.float64))
    if values.dtype != COUNTS:
        return float(values.sum(dtype=np.float64))
    fold = min(max(1, LARGEST_SHORT // max(highest, 1)), len(values))
    whole = len(values) // fold * fold
    folded = np.add.reduce(values[:whole].reshape(fold, -1, values.shape[1]), axis=0, dtype=COUNTS)
    found = int(folded.sum(dtype=np.uint64))
    return float(found if whole == len(values) else found + int(values[whole:].sum(dtype=np.uint64)))
