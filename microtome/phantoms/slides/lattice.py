# SPDX-License-Identifier: MIT
"""The lattice on which the tissue of a section is laid out, in µm of the slide, whatever the scan's pixels.

Everything that a section is made of is a field on nodes that lie 2 µm apart, or a nucleus with a place in µm.
A scan interpolates, so that scans of other pixel sizes see the same tissue.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microtome.phantoms._noise import spline_weights

STEP = 2.0
"""Micrometres between nodes."""
SAMPLED = 4
"""Every fourth node along each side is enough to measure a spread, or to see whether a place is free."""
Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Frame:
    """The nodes of a section, and where they lie in the skin.

    Attributes:
        top: Place of the first row of nodes on the slide, µm.
        left: Place of the first column, µm.
        across: ``(H, W)`` float32, µm along the surface of the skin, 0 in the middle.
        depth: ``(H, W)`` float32, µm below the surface; negative above it.
        length: Extent along the surface, µm.
        thickness: Extent from the surface down, µm.
    """

    top: float
    left: float
    across: Field
    depth: Field
    length: float
    thickness: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of nodes."""
        return self.across.shape

    @property
    def area(self) -> float:
        """Of the section, mm²."""
        return self.length * self.thickness / 1e6

    def noise(self, wavelength: float, rng: np.random.Generator) -> Field:
        """Smooth noise of unit variance, nearly; the wavelength is in µm."""
        rows, columns = (spline_weights(n, wavelength / STEP).astype(np.float32) for n in self.shape)
        knots = rng.standard_normal((rows.shape[1], columns.shape[1]), np.float32)
        found = rows @ knots @ columns.T
        return found / max(found[::SAMPLED, ::SAMPLED].std(), np.finfo(np.float32).tiny)

    def near(self, across: float, depth: float, reach: float) -> tuple[slice, slice] | None:
        """The window of nodes within `reach` µm of a place in the skin; None where there are none."""
        row, column = self._node(across, depth)
        nodes = int(np.ceil(reach / STEP)) + 1
        rows = slice(max(0, row - nodes), max(0, row + nodes + 1))
        columns = slice(max(0, column - nodes), max(0, column + nodes + 1))
        window = self.across[rows, columns]
        return (rows, columns) if window.size else None

    def _node(self, across: float, depth: float) -> tuple[int, int]:
        """The node nearest to a place in the skin, by a search on every eighth node and then on all."""
        coarse = (self.across[::8, ::8] - across) ** 2 + (self.depth[::8, ::8] - depth) ** 2
        row, column = (int(place) * 8 for place in np.unravel_index(coarse.argmin(), coarse.shape))
        rows, columns = slice(max(0, row - 8), row + 9), slice(max(0, column - 8), column + 9)
        fine = (self.across[rows, columns] - across) ** 2 + (self.depth[rows, columns] - depth) ** 2
        inner = np.unravel_index(fine.argmin(), fine.shape)
        return int(rows.start + inner[0]), int(columns.start + inner[1])


def raise_to(
    frame: Frame, field: Field, place: tuple[float, float], reach: float, of: Callable[[Field, Field], Field]
) -> None:
    """Raise a field, which is changed, near a place to the values of a function of offsets from it.

    Args:
        frame: The nodes.
        field: On the nodes.
        place: µm along the surface and below it.
        reach: How far from the place, µm.
        of: Takes the offsets along the surface and downwards, µm.
    """
    window = frame.near(*place, reach)
    if window is not None:
        offsets = frame.across[window] - np.float32(place[0]), frame.depth[window] - np.float32(place[1])
        np.maximum(field[window], of(*offsets), out=field[window])


def soft(distance: Field, width: float = 1.5) -> Field:
    """How much of a node lies inside a border, 0 to 1, by the distance (µm) from it, positive inside."""
    return 1 / (1 + np.exp(-(distance * np.float32(4 / width) / 2).clip(-30, 30)))


def outside(frame: Frame) -> Field:
    """A field of distances from nothing."""
    return np.full(frame.shape, -1e3, np.float32)
