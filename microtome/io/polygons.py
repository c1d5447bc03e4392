# SPDX-License-Identifier: MIT
"""Polygons of an annotation file, their vertices checked. Used through :mod:`microtome.io.annotations`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FEWEST_VERTICES = 3
LARGEST_COORDINATE = 1e7
"""Pixels; the largest slides have some 500,000 a side."""


class AnnotationError(ValueError):
    """An annotation file that cannot be used; the message names it, the region, the finding, the remedy."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Polygon:
    """One region of an annotation file.

    Attributes:
        parts: One or more parts, each its outer ring followed by its holes; a ring is (V, 2) float64, columns
            x and y in pixels as in the file, not closed (the first vertex is not repeated at the end). The
            even-odd rule over all rings of all parts decides what is inside.
        region: Identifier in the file (Aperio `Id`, GeoJSON `id`), or the place in the file, from 1.
        classification: Name of the layer (Aperio) or of the class (GeoJSON), empty if none.
        text: Free text of the region (Aperio `Text`, GeoJSON `properties.name`).
        negative: The region is cut out of the others (Aperio `NegativeROA`).

    Example:
        >>> square = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], float)
        >>> Polygon(parts=((square, square / 2 + 0.5),), region="1").area
        12.0
    """

    parts: tuple[tuple[NDArray[np.float64], ...], ...]
    region: str
    classification: str = ""
    text: str = ""
    negative: bool = False

    @property
    def rings(self) -> tuple[NDArray[np.float64], ...]:
        """All rings, in order."""
        return tuple(ring for part in self.parts for ring in part)

    @property
    def area(self) -> float:
        """Area in square pixels by the shoelace formula, holes subtracted (MATLAB's `polyarea`)."""
        return sum(ring_area(part[0]) - sum(map(ring_area, part[1:])) for part in self.parts)


def ring_area(ring: NDArray[np.float64]) -> float:
    """The area a ring encloses, square pixels, never negative.

    Args:
        ring: (V, 2) float64, x and y, closed implicitly.

    Example:
        >>> ring_area(np.array([[0.0, 0], [2, 0], [2, 3]]))
        3.0
    """
    x, y = (ring - ring[0]).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def checked_ring(vertices: Sequence[Sequence[float]], *, where: str) -> NDArray[np.float64] | None:
    """Make a ring of vertices: repeated neighbours and the closing vertex are left out.

    Args:
        vertices: x and y of each vertex, numbers.
        where: File and region, for messages.

    Returns:
        (V, 2) float64 with V >= 3, or None where fewer than 3 different vertices remain.

    Raises:
        AnnotationError: A coordinate is not finite or farther out than any image reaches.
    """
    ring = np.asarray(vertices, np.float64).reshape(-1, 2)
    wrong = ~(np.abs(ring) <= LARGEST_COORDINATE).all(axis=1)
    if wrong.any():
        number = int(wrong.argmax())
        x, y = ring[number]
        msg = (
            f"{where}: vertex {number + 1} is ({x:g}, {y:g}), expected finite pixel coordinates up to "
            f"{LARGEST_COORDINATE:g}; redraw the region or export pixels, not micrometres."
        )
        raise AnnotationError(msg)
    ring = ring[(ring != np.roll(ring, -1, axis=0)).any(axis=1)]
    return ring if len(np.unique(ring, axis=0)) >= FEWEST_VERTICES else None
