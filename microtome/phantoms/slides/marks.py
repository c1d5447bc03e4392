# SPDX-License-Identifier: MIT
"""Pen strokes and dust on the slides of the phantom: what lies on the glass and is no tissue."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

INKS = {
    "blue": (0.22, 0.32, 0.80),
    "green": (0.18, 0.60, 0.34),
    "red": (0.86, 0.20, 0.24),
    "black": (0.10, 0.10, 0.11),
}
"""Share of red, green and blue light that ink lets through."""
DUST = (0.35, 0.33, 0.30)
STROKE_WIDTH, STROKES = (35.0, 75.0), (0, 2)  # half width, µm; of a slide
SPECKS, SPECK = 5.0, (4.0, 22.0)  # on ten square millimetres; half width, µm
SOFT = 3.0  # micrometres over which a border fades


@dataclass(frozen=True)
class Mark:
    """A line of ink, or a grain of dust."""

    path: tuple[tuple[float, float], ...]  # (y, x) on the slide, µm
    half: float  # half its width, µm
    light: tuple[float, float, float]  # share of red, green and blue that passes
    name: str  # of the ink, or `dust`


def draw_marks(
    height: float, width: float, cells: Sequence[tuple[float, ...]], rng: np.random.Generator
) -> tuple[Mark, ...]:
    """Pen strokes beside the sections of a slide (their cells: top, left, height, width, µm), and dust.

    A stroke runs along a side of a section, and may touch its border.
    """
    strokes = [_stroke(cells, rng) for _ in range(rng.integers(STROKES[0], STROKES[1] + 1))]
    grains = [_grain(height, width, rng) for _ in range(1 + rng.poisson(SPECKS * height * width / 1e7))]
    return (*strokes, *grains)


def _stroke(cells: Sequence[tuple[float, ...]], rng: np.random.Generator) -> Mark:
    top, left, height, width = cells[rng.integers(len(cells))]
    half, name = rng.uniform(*STROKE_WIDTH), str(rng.choice(list(INKS)))
    offset = rng.uniform(-0.2, 0.6) * half
    ends = np.sort(rng.uniform(0.05, 0.95, 2))
    if rng.random() < 0.5:
        x = left - offset if rng.random() < 0.5 else left + width + offset
        path = np.stack([top + ends * height, np.full(2, x)], 1)
    else:
        y = top - offset if rng.random() < 0.5 else top + height + offset
        path = np.stack([np.full(2, y), left + ends * width], 1)
    bent = np.linspace(path[0], path[1], 6) + rng.normal(0, 12, (6, 2))
    return Mark(tuple((float(y), float(x)) for y, x in bent), half, INKS[name], name)


def _grain(height: float, width: float, rng: np.random.Generator) -> Mark:
    start = rng.uniform((0, 0), (height, width))
    steps = np.cumsum(rng.normal(0, 14, (rng.integers(1, 6), 2)), axis=0)
    path = np.vstack([start, start + steps])
    return Mark(tuple((float(y), float(x)) for y, x in path), rng.uniform(*SPECK) / 2, DUST, "dust")


def transmitted(
    marks: Sequence[Mark], mpp: float, window: tuple[int, int, int]
) -> NDArray[np.float32] | None:
    """Light that passes the marks in a window (first row, first column, side in pixels), ``(side, side, 3)``.

    None where there is no mark.
    """
    top, left, side = window
    light = None
    for mark in marks:
        path = np.array(mark.path)
        low, high = path.min(0) - mark.half - SOFT, path.max(0) + mark.half + SOFT
        if (low >= (np.array([top, left]) + side) * mpp).any() or (high <= np.array([top, left]) * mpp).any():
            continue
        y = ((top + np.arange(side, dtype=np.float32) + 0.5) * mpp)[:, None]
        x = ((left + np.arange(side, dtype=np.float32) + 0.5) * mpp)[None, :]
        cover = ((mark.half - _distance(y, x, path)) / np.float32(max(SOFT, mpp)) + 0.5).clip(0, 1)
        if cover.any():
            passed = 1 - cover[..., None] * (1 - np.array(mark.light, np.float32))
            light = passed if light is None else light * passed
    return light


def _distance(
    y: NDArray[np.float32], x: NDArray[np.float32], path: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Distance of pixels from a line through several points."""
    nearest = np.full(np.broadcast_shapes(y.shape, x.shape), np.inf, np.float32)
    for first, last in pairwise(path):
        along = (last - first).astype(np.float32)
        v, u = y - np.float32(first[0]), x - np.float32(first[1])
        share = ((v * along[0] + u * along[1]) / max(float(along @ along), 1e-6)).clip(0, 1)
        nearest = np.minimum(nearest, np.hypot(v - share * along[0], u - share * along[1]))
    return nearest.astype(np.float32)
