# SPDX-License-Identifier: MIT
"""How large the largest region is in a section, at each of several thresholds of probability.

A section is called by its largest region alone, so its area at each threshold says how the section would be
called with any threshold of probability and of area. The regions of all thresholds are found together, over
the segments of the rows of a map (`slides.segments`), in place of labelling the map once for each. Maps may
come in bands: a section of any size takes the memory of a band.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from microtome.slides.segments import Ids, Segments, segments_of, touching

AREA_COLUMNS = ("section", "threshold", "area", "greatest")
CONNECTIVITIES = (4, 8)
BAND = 2**19
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
        self._open: _Open | None = None
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
        levels = _levels(band, self.thresholds, greatest)
        if levels is None:
            self._open = None
            return
        found, self._open = _joined(self._open, levels, diagonal=self._is_diagonal)
        self._largest[: found.size] = np.maximum(self._largest[: found.size], found)

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
        levels: Of that row, (W,).
        region: Of each of its segments.
        pixels: Of each region, down to that row.
    """

    levels: NDArray[np.uint8]
    region: Ids
    pixels: Ids


def _joined(
    above: _Open | None, levels: NDArray[np.uint8], *, diagonal: bool
) -> tuple[NDArray[np.int64], _Open]:
    """Join the segments of a band, and what is open above it, to regions.

    Returns:
        Pixels of the largest region at each level from 1 on, as far as there are any; what is open below.
    """
    above = above or _Open(np.zeros(levels.shape[1], np.uint8), NOTHING, NOTHING)
    segments = segments_of(np.concatenate([above.levels[None], levels]))
    first, count = segments.of_row(0), len(segments)
    length = segments.length
    length[first] = 0  # counted above
    one, other = touching(segments, diagonal=diagonal)
    links = np.concatenate([one, first]), np.concatenate([other, count + above.region])
    total = count + above.pixels.size
    graph = coo_array((np.ones(links[0].size, np.int8), links), (total, total))
    _, region = connected_components(graph, directed=False)
    pixels = np.bincount(region, weights=np.concatenate([length, above.pixels])).astype(np.int64)
    last = segments.of_row(len(levels))
    kept, renumbered = np.unique(region[last], return_inverse=True)
    largest = _largest(segments, pixels[region[:count]])
    return largest, _Open(levels[-1].copy(), renumbered, pixels[kept])


def _largest(segments: Segments, pixels: Ids) -> NDArray[np.int64]:
    """The largest of the values of the segments of each level, from 1 on."""
    begins = (
        np.searchsorted(segments.level, np.arange(1, segments.level[-1] + 1)) if len(segments) else NOTHING
    )
    return np.maximum.reduceat(pixels, begins) if begins.size else NOTHING


def _levels(
    band: NDArray[np.floating], thresholds: Sequence[float], greatest: float
) -> NDArray[np.uint8] | None:
    """How many thresholds each pixel reaches; None where no pixel reaches any."""
    limits = np.array(thresholds, band.dtype)
    reached = limits[: np.searchsorted(limits, band.dtype.type(greatest), side="right")]
    if not reached.size:
        return None
    levels = np.zeros(band.shape, np.uint8)
    for limit in reached:
        levels += (band >= limit).view(np.uint8)
    return levels
