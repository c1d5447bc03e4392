# SPDX-License-Identifier: MIT
"""Nests of basal-cell carcinoma of three growth types, as a field of distances from their border, in µm.

Nodular tumours are large round nests in the dermis, superficial ones buds that hang on the epidermis, and
sclerodermiform (morpheaform) ones thin strands between the bundles of the dermis. Sizes are by eye.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from microtome.phantoms.slides.lattice import Field, Frame, outside, raise_to
from microtome.phantoms.slides.skin import Skin

NODULES, NODULE_RADIUS = 5.0, (60.0, 150.0)  # on a square millimetre
BUDS, BUD_WIDTH, BUD_DEPTH = 7.0, (35.0, 75.0), (45.0, 85.0)  # on a millimetre of the surface
STRANDS, STRAND_LENGTH, STRAND_HALF = 46.0, (80.0, 240.0), (7.0, 15.0)  # on a square millimetre
INVADED = (0.55, 0.85)  # share of the length of a section that the tumour takes
BELOW = 12.0  # the epidermis, where tumours in the dermis end
AROUND = 150.0  # how far from a nest distances are known
LOBES = 60.0  # wavelength of the lobes of a border
LOBED = {"nodular": 16.0, "superficial": 5.0, "sclerodermiform": 2.5}


def grow_nests(skin: Skin, growth: str, rng: np.random.Generator) -> Field:
    """Distance of each node from the border of the nests, positive inside; far below 0 without any."""
    frame, nests = skin.frame, outside(skin.frame)
    extent = frame.length * rng.uniform(*INVADED)
    middle = rng.uniform(-1, 1) * (frame.length - extent) / 2 * 0.8
    sides = (middle - extent / 2, middle + extent / 2)
    {"nodular": _nodules, "superficial": _buds, "sclerodermiform": _strands}[growth](skin, nests, sides, rng)
    nests += LOBED[growth] * frame.noise(LOBES if growth == "nodular" else LOBES / 2, rng)
    if growth != "superficial":
        nests = np.minimum(nests, frame.depth - skin.floor - BELOW)
    return np.minimum(nests, skin.inside - 6)


def _nodules(skin: Skin, nests: Field, sides: tuple[float, float], rng: np.random.Generator) -> None:
    frame = skin.frame
    for _ in range(max(2, round(NODULES * frame.area))):
        radius = min(rng.uniform(*NODULE_RADIUS), 0.26 * frame.thickness)
        deep = max(frame.thickness - radius - 50, 120.0)
        place = (rng.uniform(*sides), rng.uniform(min(100 + radius, deep), deep))
        stretch = rng.uniform(0.8, 1.25)
        raise_to(frame, nests, place, 1.3 * radius + AROUND, _ellipse(radius * stretch, radius / stretch))


def _buds(skin: Skin, nests: Field, sides: tuple[float, float], rng: np.random.Generator) -> None:
    """Half ellipses that hang on the epidermis, at its border or a little into it."""
    frame = skin.frame
    for _ in range(max(3, round(BUDS * (sides[1] - sides[0]) / 1e3))):
        across, deep = rng.uniform(*BUD_WIDTH), rng.uniform(*BUD_DEPTH)
        place = (rng.uniform(*sides), float(np.median(skin.floor)) + rng.uniform(0, 18))
        raise_to(frame, nests, place, 1.5 * max(across, deep) + AROUND, _ellipse(across, deep))
    above = frame.depth - (skin.floor - 14)
    np.minimum(nests, above, out=nests)


def _strands(skin: Skin, nests: Field, sides: tuple[float, float], rng: np.random.Generator) -> None:
    """Bent strands that run down and aside, each with a direction of its own."""
    frame, leaning = skin.frame, rng.uniform(0.2, 0.9) * rng.choice([-1, 1])
    area = (sides[1] - sides[0]) * frame.thickness / 1e6
    deepest = 0.8 * frame.thickness
    for _ in range(max(12, round(STRANDS * area))):
        length, half = rng.uniform(*STRAND_LENGTH), rng.uniform(*STRAND_HALF)
        start = np.array([rng.uniform(*sides), rng.uniform(100, max(deepest, 140))])
        turn = leaning + 0.55 * rng.standard_normal()
        steps = 6
        turns = turn + np.cumsum(0.25 * rng.standard_normal(steps))
        path = start + np.cumsum(length / steps * np.stack([np.cos(turns), np.sin(turns)], 1), axis=0)
        _draw_strand(frame, nests, np.vstack([start, path]), half)


def _draw_strand(frame: Frame, nests: Field, path: NDArray[np.float64], half: float) -> None:
    for first, last in pairwise(path):
        middle, along = (first + last) / 2, (last - first) / 2
        reach = float(np.hypot(*along)) + half + AROUND
        place = (float(middle[0]), float(middle[1]))
        raise_to(frame, nests, place, reach, lambda u, v, along=along: half - _from_segment(u, v, along))


def _from_segment(u: Field, v: Field, along: NDArray[np.float64]) -> Field:
    """Distance from the segment that reaches from ``-along`` to ``along``."""
    a, b = (np.float32(value) for value in along)
    share = ((u * a + v * b) / max(a * a + b * b, np.float32(1e-6))).clip(-1, 1)
    return np.hypot(u - share * a, v - share * b)


def _ellipse(across: float, deep: float) -> Callable[[Field, Field], Field]:
    """The distance (nearly) from the border of an ellipse, positive inside."""
    mean = np.float32(np.sqrt(across * deep))
    return lambda u, v: mean * (1 - np.hypot(u / np.float32(across), v / np.float32(deep)))
