# SPDX-License-Identifier: MIT
"""Outlines of labelled objects along the edges of their pixels.

Each object becomes one part for each 4-connected piece, with its holes. Rings are simple (no vertex twice)
and parts of one object meet in points at most, so they are valid geometry for JTS (QuPath), GEOS and shapely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ring = list[tuple[int, int]]
Part = list[Ring]

TOP, RIGHT, BOTTOM, LEFT = range(4)
SIDES = 4
NEIGHBOURS = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Row and column steps across the side; the next of the list is also the direction the side is walked in."""
STARTS = ((0, 0), (0, 1), (1, 1), (1, 0))
"""Row and column of the vertex that each side starts at, from the pixel's upper left corner."""


def outlines(labels: NDArray[np.integer]) -> dict[int, list[Part]]:
    """Trace all objects of a label map.

    Args:
        labels: (H, W) integers, 0 = background.

    Returns:
        Parts of each object by its number, ascending. A part is its outer ring and its holes, a ring the
        (x, y) of its corners, not closed, pixel (0, 0) from (0, 0) to (1, 1); outer rings run clockwise on
        the screen, holes the other way round.

    Example:
        >>> outlines(np.array([[0, 7]]))
        {7: [[[(1, 0), (2, 0), (2, 1), (1, 1)]]]}
    """
    from skimage.measure import label

    pieces = np.pad(label(labels, connectivity=1, background=0), 1).astype(np.int64)
    parts: dict[int, Part] = {}
    for piece, corners in _rings(pieces):
        for ring in _simple_rings(corners):
            known = parts.setdefault(piece, [])
            known.insert(0, ring) if _signed_area(ring) > 0 else known.append(ring)
    flat = pieces[1:-1, 1:-1].ravel()
    numbers, first = np.unique(flat, return_index=True)
    owners = zip(numbers.tolist(), labels.ravel()[first].tolist(), strict=True)
    found: dict[int, list[Part]] = {}
    for owner, piece in sorted((owner, piece) for piece, owner in owners if owner):
        found.setdefault(owner, []).append(parts[piece])
    return found


def _rings(pieces: NDArray[np.int64]) -> list[tuple[int, Ring]]:
    """Piece and corners of each closed walk along the sides of the pixels of one piece, padded by one."""
    sides, following, corner, places = _walk(pieces)
    seen = bytearray(len(following))
    found = []
    for start in range(len(following)):
        if seen[start]:
            continue
        ring, side = [], start
        while not seen[side]:
            seen[side] = 1
            if corner[side]:
                ring.append(places[side])
            side = following[side]
        found.append((sides[start], ring))
    return found


def _walk(pieces: NDArray[np.int64]) -> tuple[list[int], list[int], list[bool], Ring]:
    """Piece, next side, whether the walk turns at the start, and starting (x, y) of each outer side."""
    width = pieces.shape[1]
    flat = pieces.ravel()
    steps = [row * width + column for row, column in NEIGHBOURS]
    outer = [np.flatnonzero((flat > 0) & (flat != np.roll(flat, -step))) for step in steps]
    pixel = np.concatenate(outer)
    side = np.repeat(np.arange(SIDES), [found.size for found in outer])
    index = np.full(flat.size * SIDES, -1)
    index[pixel * SIDES + side] = np.arange(pixel.size)
    across, along = np.array(steps)[side], np.array(steps)[(side + 1) % SIDES]
    ahead, beyond = pixel + along, pixel + along + across
    straight = flat[ahead] == flat[pixel]
    left = straight & (flat[beyond] == flat[pixel])
    following = index[
        np.where(
            left,
            beyond * SIDES + (side - 1) % SIDES,
            np.where(straight, ahead * SIDES + side, pixel * SIDES + (side + 1) % SIDES),
        )
    ]
    corner = np.ones(pixel.size, bool)
    corner[following] = side[following] != side
    offset = np.array(STARTS)[side]
    rows, columns = pixel // width - 1 + offset[:, 0], pixel % width - 1 + offset[:, 1]
    places = list(zip(columns.tolist(), rows.tolist(), strict=True))
    return flat[pixel].tolist(), following.tolist(), corner.tolist(), places


def _simple_rings(corners: Ring) -> list[Ring]:
    """Cut a ring where it meets itself in a vertex."""
    if len(set(corners)) == len(corners):
        return [corners]
    found, path, place = [], [], {}
    for vertex in corners:
        if vertex in place:
            start = place[vertex]
            found.append(path[start:])
            for gone in path[start:]:
                del place[gone]
            del path[start:]
        place[vertex] = len(path)
        path.append(vertex)
    return [*found, path]


def _signed_area(ring: Ring) -> float:
    """Positive for outer rings."""
    x, y = np.array(ring).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
