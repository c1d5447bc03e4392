# SPDX-License-Identifier: MIT
"""Label maps of a tissue's density for the benchmarks of objects (no case of its own)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST, LARGEST = 9, 13
"""Radius of a nucleus, pixels; at 700 nuclei in 1000² they touch."""


def labels(side: int, count: int, *, seed: int = 0) -> NDArray[np.int32]:
    """Discs on a shaken grid, (side, side) int32, numbers from 1."""
    rng = np.random.default_rng(seed)
    cells = int(np.ceil(count**0.5))
    places = rng.permutation(cells**2)[:count]
    step = side / cells
    centres = (np.stack(np.divmod(places, cells), axis=1) + 0.5 + rng.uniform(-0.3, 0.3, (count, 2))) * step
    found = np.zeros((side, side), np.int32)
    for number, (y, x) in enumerate(centres, start=1):
        paint(found, y, x, rng.uniform(SMALLEST, LARGEST), number)
    return found


def predicted(truth: NDArray[np.int32], *, seed: int = 1) -> NDArray[np.int32]:
    """A prediction: everything moved a little, some objects missed, some merged with another number."""
    rng = np.random.default_rng(seed)
    names = np.arange(truth.max() + 1, dtype=np.int32)
    changed = rng.random(names.size)
    names[changed < 0.05] = 0
    merged = np.flatnonzero(changed > 0.97)[1:]
    names[merged] = names[merged - 1]
    kept = np.unique(names, return_inverse=True)[1].astype(np.int32)
    return np.roll(kept[truth], (2, -1), axis=(0, 1))


def paint(found: NDArray[np.int32], y: float, x: float, radius: float, number: int) -> None:
    """Draw a disc into a map, over what is there."""
    top, left = max(0, int(y - radius)), max(0, int(x - radius))
    window = found[top : int(y + radius) + 2, left : int(x + radius) + 2]
    rows, columns = np.ogrid[: window.shape[0], : window.shape[1]]
    window[(rows + top - y) ** 2 + (columns + left - x) ** 2 <= radius**2] = number
