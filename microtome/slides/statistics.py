# SPDX-License-Identifier: MIT
"""How large the largest region is in a section, at each of several thresholds of probability.

A section is called by its largest region alone, so its area at each threshold says how the section would be
called with any threshold of probability and of area. Regions only grow as the threshold falls: they are
followed from the highest threshold down to the lowest, over the runs of the map (`slides.runs`), in place of
labelling the map once for each. Maps may come in bands: a section of any size takes the memory of a band.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microtome.slides.runs import Forest, Ids, Runs, below, runs_of, touching

AREA_COLUMNS = ("section", "threshold", "area", "greatest")
CONNECTIVITIES = (4, 8)
BAND = 2**20
"""Pixels that are looked at together."""
MOST_THRESHOLDS = 255
FLAT = 2
NOTHING = np.zeros(0, np.int64)


class RegionAreas:
    """The largest connected region at each threshold, of a map that comes in bands from above.

    Args:
        thresholds: Ascending probabilities, 255 at most; a pixel belongs to a region if p >= threshold,
            compared in the type of the map as NumPy does with Python's numbers.
        connectivity: 8, or 4 where pixels that meet in a corner are apart.
        pixel_area: Of a pixel, µm².

    Raises:
        ValueError: The thresholds do not ascend, there is none, or `connectivity` is neither.

    Example:
        >>> found = RegionAreas((0.2, 0.5), pixel_area=2.0)
        >>> found.add(np.array([[0.3, 0.0, 0.6], [0.2, 0.0, 0.6]]))
        >>> found.add(np.array([[0.0, 0.4, 0.0]]))
        >>> found.areas.tolist(), found.greatest
        ([10.0, 4.0], 0.6)
    """

    def __init__(
        self, thresholds: Sequence[float], *, connectivity: int = 8, pixel_area: float = 1.0
    ) -> None:
        self.thresholds = tuple(map(float, thresholds))
        if (
            list(self.thresholds) != sorted(set(self.thresholds))
            or not 0 < len(thresholds) <= MOST_THRESHOLDS
        ):
            msg = (
                f"found the thresholds {list(thresholds)}, expected 1 to {MOST_THRESHOLDS} ascending numbers"
            )
            raise ValueError(msg)
        if connectivity not in CONNECTIVITIES:
            msg = f"found connectivity {connectivity}, expected 4 or 8"
            raise ValueError(msg)
        self.pixel_area = float(pixel_area)
        self.greatest = 0.0
        self._is_diagonal = connectivity == max(CONNECTIVITIES)
        self._largest = np.zeros(len(thresholds), np.int64)
        self._open = _Open.none(len(thresholds))
        self._width: int | None = None

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Pixels of the largest region at each threshold, (T,)."""
        return self._largest.copy()

    @property
    def areas(self) -> NDArray[np.float64]:
        """Area of the largest region at each threshold, µm², (T,)."""
        return self._largest * self.pixel_area

    def add(self, band: NDArray[np.floating]) -> None:
        """Go on with the next rows, (h, W) probabilities; the band is not kept.

        Raises:
            ValueError: It has another width than the rows before, or values that are no probabilities.
        """
        self._check(band)
        self._width = band.shape[1]
        step = max(BAND // band.shape[1], 1)
        for start in range(0, len(band), step):
            self._add(band[start : start + step])

    def _add(self, band: NDArray[np.floating]) -> None:
        greatest = float(band.max())
        self.greatest = max(self.greatest, greatest)
        if not band.dtype.type(greatest) >= band.dtype.type(self.thresholds[0]):
            self._open = _Open.none(len(self.thresholds))
            return
        found, self._open = _follow(
            self._open, runs_of(_levels(band, self.thresholds)), len(band), diagonal=self._is_diagonal
        )
        self._largest = np.maximum(self._largest, found)

    def _check(self, band: NDArray) -> None:
        if band.ndim != FLAT or not band.size or band.dtype.kind != "f":
            msg = f"found {band.dtype} values of shape {band.shape}, expected probabilities (h, W)"
            raise ValueError(msg)
        if self._width not in (None, band.shape[1]):
            msg = f"found a band of {band.shape[1]} columns after bands of {self._width}"
            raise ValueError(msg)
        if np.isnan(band.min()):
            msg = "found values that are no numbers, expected probabilities"
            raise ValueError(msg)


def largest_regions(
    probability: NDArray[np.floating],
    thresholds: Sequence[float],
    *,
    connectivity: int = 8,
    pixel_area: float = 1.0,
) -> RegionAreas:
    """The largest connected regions of a map (H, W) that lies in memory; see `RegionAreas`.

    Example:
        >>> largest_regions(np.array([[0.9, 0.1, 0.4]]), (0.3, 0.5)).pixels.tolist()
        [1, 1]
    """
    found = RegionAreas(thresholds, connectivity=connectivity, pixel_area=pixel_area)
    found.add(probability)
    return found


def areas_table(sections: Mapping[int, RegionAreas]) -> pd.DataFrame:
    """The areas of sections (by number) as a table, a row for each section and threshold (`AREA_COLUMNS`).

    Example:
        >>> areas_table({3: largest_regions(np.array([[0.9, 0.1]]), (0.3, 0.5))}).values.tolist()
        [[3.0, 0.3, 1.0, 0.9], [3.0, 0.5, 1.0, 0.9]]
    """
    rows = [
        (section, threshold, area, found.greatest)
        for section, found in sections.items()
        for threshold, area in zip(found.thresholds, found.areas.tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=list(AREA_COLUMNS))


@dataclass(frozen=True, eq=False)
class _Open:
    """What the rows below must know of regions that reach the last row seen.

    Attributes:
        runs: Of that row.
        mass: Pixels that a run's region has gained, by the level at which it gained them, (N, T + 1); all
            pixels of a region are told of one of its runs.
        links: Pairs of runs that are connected above, (2, M).
        levels: At which level each pair is, (M,).
    """

    runs: Runs
    mass: NDArray[np.int64]
    links: NDArray[np.int64]
    levels: Ids

    @classmethod
    def none(cls, thresholds: int) -> _Open:
        """No region goes on."""
        runs = Runs(NOTHING, NOTHING, NOTHING, NOTHING)
        return cls(runs, np.zeros((0, thresholds + 1), np.int64), np.zeros((2, 0), np.int64), NOTHING)


def _follow(above: _Open, band: Runs, height: int, *, diagonal: bool) -> tuple[NDArray[np.int64], _Open]:
    """Follow regions from the highest level down, through a band and what is open above it.

    Returns:
        Pixels of the largest region at each threshold (T,), and what is open below.
    """
    runs, carried = below(above.runs, band), len(above.runs)
    pairs = np.stack(touching(runs, diagonal=diagonal))
    weights = np.concatenate([runs.level[pairs].min(axis=0), above.levels])
    pairs = np.concatenate([pairs, above.links], axis=1)
    top = above.mass.shape[1] - 1
    edges, nodes = _by_level(weights, top), _by_level(runs.level, top)
    forest, largest = Forest(len(runs)), np.zeros(top + 1, np.int64)
    leaving = _Leaving(runs, runs.of_row(height), top)
    own = np.where(np.arange(len(runs)) < carried, 0, runs.length)
    for level in range(top, 0, -1):
        new = nodes[level]
        forest.size[new] = own[new]
        older = np.flatnonzero(above.mass[:, level])
        forest.grow(older, above.mass[older, level])
        joined = forest.join(*pairs[:, edges[level]])
        grown = (forest.size[new], forest.size[forest.find(older)], forest.size[joined])
        largest[level - 1] = max(largest[level], *(int(sizes.max(initial=0)) for sizes in grown))
        leaving.note(forest, level)
    return largest[:-1], leaving.open()


class _Leaving:
    """Collects, level by level, what the rows below must know (`_Open`)."""

    def __init__(self, runs: Runs, last: Ids, top: int) -> None:
        self._runs = Runs(*(getattr(runs, name)[last] for name in ("row", "start", "stop", "level")))
        self._last, self._mass = last, np.zeros((last.size, top + 1), np.int64)
        self._head = np.full(last.size, -1)
        self._told = np.zeros(last.size, np.int64)
        self._links: list[NDArray[np.int64]] = [np.zeros((3, 0), np.int64)]

    def note(self, forest: Forest, level: int) -> None:
        """Note how the runs of the last row are connected at a level, and how large their regions are."""
        active = np.flatnonzero(self._runs.level >= level)
        if not active.size:
            return
        roots = forest.find(self._last[active])
        sets, first, index = np.unique(roots, return_index=True, return_inverse=True)
        told = np.bincount(index, weights=self._told[active]).astype(np.int64)
        heads = active[first]
        gained = forest.size[sets] - told
        self._mass[heads, level] = gained
        self._told[heads] += gained
        moved = self._head[active] != heads[index]
        pairs = (active[moved], heads[index][moved], np.full(int(moved.sum()), level))
        self._links.append(np.stack(pairs))
        self._head[active] = heads[index]

    def open(self) -> _Open:
        """All that was noted."""
        links = np.concatenate(self._links, axis=1)
        links = links[:, links[0] != links[1]]
        return _Open(self._runs, self._mass, links[:2], links[2])


def _by_level(levels: Ids, top: int) -> list[Ids]:
    """Which entries are of each level, 0 to `top`."""
    order = np.argsort(levels.astype(np.uint8), kind="stable")
    return np.split(order, np.searchsorted(levels[order], np.arange(1, top + 1)))


def _levels(band: NDArray[np.floating], thresholds: Sequence[float]) -> NDArray[np.uint8]:
    """How many thresholds each pixel reaches."""
    levels = np.zeros(band.shape, np.uint8)
    for threshold in thresholds:
        levels += (band >= threshold).view(np.uint8)
    return levels
