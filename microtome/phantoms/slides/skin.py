# SPDX-License-Identifier: MIT
"""Skin of the slide phantom: where a section lies, its outline, its epidermis. Lengths are µm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microtome.phantoms.slides.lattice import STEP, Field, Frame

MARGIN = 24.0  # of the field around the section in its cell
TILT = 0.10  # radians by which a section lies askew
WAVE, WAVELENGTH = 14.0, 260.0  # of the skin's surface
RAGGED = (16.0, 110.0)  # how far the cut borders leave a straight line, and over which length
HORN = 14.0  # thickness of the horny layer
EPIDERMIS, PEGS, PEG_WIDTH = 62.0, 18.0, 42.0  # thickness, spread and width of the rete pegs


@dataclass(frozen=True, eq=False)
class Skin:
    """Healthy skin of a section.

    Attributes:
        frame: Its nodes.
        inside: ``(H, W)`` float32, distance from the outline of the section, positive inside.
        floor: ``(H, W)`` float32, depth at which the epidermis ends.
    """

    frame: Frame
    inside: Field
    floor: Field

    @property
    def dermis(self) -> NDArray[np.bool_]:
        """Nodes of the section below the epidermis."""
        return (self.inside > 0) & (self.frame.depth > self.floor)


def grow_skin(cell: tuple[float, float, float, float], rng: np.random.Generator) -> Skin:
    """The skin of a section in its cell (top, left, height, width in µm)."""
    frame = _frame(cell, rng)
    edge = RAGGED[0] * frame.noise(RAGGED[1], rng)
    sides = frame.length / 2 - np.abs(frame.across)
    inside = np.minimum(np.minimum(sides, frame.thickness - frame.depth) + edge, frame.depth + HORN)
    pegs = np.abs(frame.noise(PEG_WIDTH, rng)) * PEGS + 8 * frame.noise(4 * PEG_WIDTH, rng)
    floor = (EPIDERMIS + pegs - PEGS / 2).clip(28)
    return Skin(frame, inside.astype(np.float32), floor.astype(np.float32))


def _frame(cell: tuple[float, float, float, float], rng: np.random.Generator) -> Frame:
    """A section that lies askew in its cell, one side up or the other."""
    top, left, height, width = cell
    room = MARGIN + HORN + WAVE * 2 + RAGGED[0]
    y, x = (np.arange(round(side / STEP), dtype=np.float32) * STEP for side in (height, width))
    angle, turned = rng.uniform(-TILT, TILT), rng.choice([-1.0, 1.0])
    cosine, sine = np.cos(angle), abs(np.sin(angle))
    thickness = (height - 2 * room) / (cosine + sine * width / height) * rng.uniform(0.82, 1.0)
    length = (width - 2 * room) / (cosine + sine * height / width) * rng.uniform(0.88, 1.0)
    rows, columns = turned * (y[:, None] - height / 2), x[None, :] - width / 2
    across = columns * np.float32(cosine) + rows * np.float32(np.sin(angle))
    down = rows * np.float32(cosine) - columns * np.float32(np.sin(angle)) + np.float32(thickness / 2)
    surface = _surface(length, rng)
    depth = down - np.interp(across, *surface).astype(np.float32)
    return Frame(top, left, across.astype(np.float32), depth.astype(np.float32), float(length), thickness)


def _surface(length: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places along the surface and how high it lies there: a few waves, and a slight arch."""
    place = np.linspace(-length / 2 - 300, length / 2 + 300, 400)
    waves = sum(
        np.sin(2 * np.pi * place / (WAVELENGTH * factor) + rng.uniform(0, 2 * np.pi))
        * WAVE
        / (2 * factor**-0.5)
        for factor in (0.7, 1.3, 2.4)
    )
    return place, np.clip(waves, -2 * WAVE, 2 * WAVE)
