# SPDX-License-Identifier: MIT
"""Cells around the points of a disturbed lattice: distances to the nearest and the second nearest point.

A tree of the points would answer for each pixel alone; of a lattice the points in question are known.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
ROW_PITCH = 0.87
"""Distance of rows, of that of points in a row."""
OFFSET = 0.25
"""By which rows are shifted to the right and to the left in turn, likewise."""
NEIGHBOURS = tuple(product((-1, 0, 1), repeat=2))


@dataclass(frozen=True, eq=False)
class Cells:
    """What is near each place.

    Attributes:
        nearest: ``(H, W)`` distance to the nearest point.
        second: Distance to the second nearest.
        value: Number of the nearest point, uniform in 0..1.
    """

    nearest: Field
    second: Field
    value: Field


def cells(y: Field, x: Field, spacing: float, jitter: float, rng: np.random.Generator) -> Cells:
    """The cells of a lattice whose points lie `spacing` apart in a row.

    Args:
        y: Rows of places, ``(H, W)``, in the unit of the spacing.
        x: Columns.
        spacing: Of the points.
        jitter: How far points leave the lattice, 0 to 0.5 of the spacing in all.
        rng: Draws the points.

    Example:
        >>> y, x = np.indices((40, 40), np.float32)
        >>> found = cells(y, x, 10.0, 0.0, np.random.default_rng(0))
        >>> bool((found.second >= found.nearest).all()), bool(found.nearest.max() < 6)
        (True, True)
    """
    rows, columns = (
        _from_one(values / np.float32(unit))
        for values, unit in zip((y, x), (spacing * ROW_PITCH, spacing), strict=True)
    )
    points = _points(int(rows.max()) + 2, int(columns.max()) + 2, jitter, rng)
    width = points.shape[2]
    base = rows.astype(np.int32) * width + columns.astype(np.int32)
    flat, nearest, second = (
        points.reshape(2, -1),
        np.full(y.shape, np.inf, np.float32),
        np.full(y.shape, np.inf, np.float32),
    )
    owner = np.zeros(y.shape, np.int32)
    for down, right in NEIGHBOURS:
        index = base + (down * width + right)
        squares = (np.float32(ROW_PITCH) * (rows - flat[0].take(index))) ** 2
        squares += (columns - flat[1].take(index)) ** 2
        closer = squares < nearest
        second = np.where(closer, nearest, np.minimum(second, squares))
        nearest = np.where(closer, squares, nearest)
        np.copyto(owner, index, where=closer)
    values = rng.random(flat.shape[1], np.float32)
    unit = np.float32(spacing)
    return Cells(np.sqrt(nearest) * unit, np.sqrt(second) * unit, values.take(owner))


def _from_one(values: Field) -> Field:
    """Values whose least lies in 1..2, so that there is a neighbour below."""
    return values - np.floor(values.min()) + 1


def _points(rows: int, columns: int, jitter: float, rng: np.random.Generator) -> Field:
    """Rows and columns of the points ``(2, rows, columns)``, in cells."""
    points = np.indices((rows, columns), np.float32) + np.float32(0.5)
    points[1] += np.where(np.arange(rows) % 2 == 0, OFFSET, -OFFSET).astype(np.float32)[:, None]
    return points + np.float32(2 * jitter) * (rng.random(points.shape, np.float32) - np.float32(0.5))
