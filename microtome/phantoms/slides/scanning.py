# SPDX-License-Identifier: MIT
"""What a scanner sees of the sections, pen strokes and dust of a slide, by bands of rows."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from microtome.phantoms.he.staining import Hospital, scan
from microtome.phantoms.slides.lattice import STEP, Field
from microtome.phantoms.slides.marks import Mark, transmitted
from microtome.phantoms.slides.rendering import Nuclei, Stained
from microtome.phantoms.slides.slide_files import block_means

EDGE = 0.7
"""Micrometres over which the border of a nucleus is blurred, at least a pixel."""
SHARED = 0.55
"""Share of what lies around a nucleus that it takes the place of."""


@dataclass(frozen=True, eq=False)
class Glass:
    """A slide before it is scanned.

    Attributes:
        shape: Rows and columns of the scan, pixels.
        mpp: Micrometres per pixel.
        sections: Its stained sections.
        marks: Pen strokes and dust.
        hospital: Who stained and scans it.
        seed: Of the noise of the scan.
    """

    shape: tuple[int, int]
    mpp: float
    sections: tuple[Stained, ...]
    marks: tuple[Mark, ...]
    hospital: Hospital
    seed: tuple[int, ...]

    @property
    def white(self) -> NDArray[np.uint8]:
        """The colour of clean glass, ``(3,)``."""
        return np.rint(self.hospital.white).astype(np.uint8)


def scan_tile(glass: Glass, row: int, column: int, side: int) -> NDArray[np.uint8] | None:
    """The tile of `side` pixels in a row and column of tiles, ``(side, side, 3)``; None where it is glass.

    Neighbours fit, whatever is scanned first. Where pixels are wider than the tissue's nodes, they are means
    of finer ones.
    """
    finer = int(np.ceil(glass.mpp / STEP))
    if finer > 1:
        seen = scan_tile(replace(glass, mpp=glass.mpp / finer), row, column, side * finer)
        return None if seen is None else block_means(seen, finer)
    window = (row * side, column * side, side)
    density = np.zeros((2, side, side), np.float32)
    touched = [_add_section(density, section, glass.mpp, window) for section in glass.sections]
    light = transmitted(glass.marks, glass.mpp, window)
    if light is None and not any(touched):
        return None
    rng = np.random.default_rng([*glass.seed, row, column])
    seen = scan(density, glass.hospital, 0, rng)
    if light is None:
        return seen
    return np.rint(seen * light).clip(0, 255).astype(np.uint8)


def _add_section(density: Field, section: Stained, mpp: float, window: tuple[int, int, int]) -> bool:
    """Add what a section binds in a window (first row, first column, side) of the scan, if it reaches it."""
    first, side = window[:2], window[2]
    places = [
        ((start + np.arange(side) + 0.5) * mpp - origin) / STEP
        for start, origin in zip(first, (section.top, section.left), strict=True)
    ]
    rows, columns = (
        _within(place, length) for place, length in zip(places, section.ground.shape[1:], strict=True)
    )
    if rows is None or columns is None:
        return False
    ground = _interpolated(section.ground, places[0][rows], places[1][columns])
    if not ground.any():
        return False
    density[:, rows, columns] += ground
    cover, stain = _nuclei(section.nuclei, mpp, window)
    density[0] += stain - SHARED * cover * density[0]
    density[1] -= SHARED * cover * density[1]
    return True


def _within(place: NDArray[np.float64], length: int) -> slice | None:
    """The pixels that lie between the first and the last node."""
    inside = np.flatnonzero((place >= 0) & (place < length - 1))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else None


def _interpolated(field: Field, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Field:
    """The field ``(C, H, W)`` at fractional nodes, linearly."""
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top).astype(np.float32)[:, None], (columns - left).astype(np.float32)
    lines = field[:, top] + (field[:, top + 1] - field[:, top]) * down
    return lines[:, :, left] + (lines[:, :, left + 1] - lines[:, :, left]) * right


def _nuclei(nuclei: Nuclei, mpp: float, window: tuple[int, int, int]) -> tuple[Field, Field]:
    """How much of each pixel of a window nuclei cover, and their haematoxylin there; the most counts."""
    side = window[2]
    y, x = nuclei.y / np.float32(mpp) - window[0], nuclei.x / np.float32(mpp) - window[1]
    half = np.ceil((nuclei.long + max(EDGE, mpp)) / np.float32(mpp)).astype(int)
    near = (y > -half) & (y < side + half) & (x > -half) & (x < side + half)
    planes = np.zeros((2, side * side), np.float32)
    for reach in np.unique(half[near]):
        chosen = np.flatnonzero(near & (half == reach))
        _draw(planes, nuclei, (y, x), chosen, int(reach), mpp)
    cover, stain = planes.reshape(2, side, side)
    return cover, stain


def _draw(
    planes: Field, nuclei: Nuclei, place: tuple[Field, Field], chosen: NDArray[np.int_], half: int, mpp: float
) -> None:
    """Draw the chosen nuclei, whose places are in pixels, each on a square of 2 `half` + 1."""
    side, size = round(planes.shape[1] ** 0.5), np.float32(mpp)
    y, x, long, short, turn, stain = (
        values[chosen, None, None]
        for values in (*place, nuclei.long, nuclei.short, nuclei.turn, nuclei.stain)
    )
    around = np.arange(-half, half + 1)
    rows, columns = np.floor(y).astype(int) + around[:, None], np.floor(x).astype(int) + around
    v, u = (rows - y + np.float32(0.5)) * size, (columns - x + np.float32(0.5)) * size
    cosine, sine = np.cos(turn), np.sin(turn)
    far = np.hypot((u * cosine + v * sine) / long, (v * cosine - u * sine) / short)
    mean, peak = np.sqrt(long * short), np.minimum(1, np.float32(np.pi) * long * short / size**2)
    cover = (mean * (1 - far) / np.float32(max(EDGE, mpp)) + 0.5).clip(0, 1) * peak
    held = (cover > 0) & (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
    flat = (rows * side + columns)[held]
    np.maximum.at(planes[0], flat, cover[held])
    np.maximum.at(planes[1], flat, (cover * stain)[held])
