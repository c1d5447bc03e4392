# SPDX-License-Identifier: MIT
"""Outlines of the regions in sections whose probability reaches a threshold, as QuPath opens them."""

import math
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely.geometry.base import BaseGeometry

from microtome.config.colors import rgb_bytes
from microtome.objects.measure import outlines
from microtome.slides.windows import Rectangle
from microtome.stages.slides.heatmaps import Layout

NAMESPACE = uuid.UUID("5b0f2f0c-57f3-5f0e-9d6e-0b9e0b1a9b51")
"""Of the identifiers of regions, fixed so that equal regions get equal identifiers."""
CORNERS = 8
"""Neighbours of a pixel where those that meet in a corner belong together."""
AREA = "area µm^2"
DIGITS = 2
"""Decimals of slide pixels."""


class RegionOutlines:
    """Regions of a map that comes part by part; only their outlines are kept.

    Args:
        sections: Number of each section to where it is on the map.
        channel: The channel of the map.
        threshold: A pixel belongs to a region if its probability is at least this.

    Example:
        >>> found = RegionOutlines({1: Rectangle(0, 0, 2, 4)}, channel=0, threshold=0.5)
        >>> found.put(0, 0, np.array([[[0.9, 0.0, 0.0, 0.0]]]))
        >>> found.put(1, 0, np.array([[[0.9, 0.0, 0.5, 0.0]]]))
        >>> [(region.bounds, region.area) for region in found.regions()[1]]
        [((0.0, 0.0, 1.0, 2.0), 2.0), ((2.0, 1.0, 3.0, 2.0), 1.0)]
    """

    def __init__(self, sections: Mapping[int, Rectangle], *, channel: int, threshold: float) -> None:
        self._sections, self._channel, self._threshold = sections, channel, threshold
        self._pieces: dict[int, list[BaseGeometry]] = {section: [] for section in sections}

    def put(self, y: int, x: int, part: NDArray[np.float32]) -> None:
        """Take a part (K, rows, columns) of the map whose corner is at row `y`, column `x`."""
        here = Rectangle(y, x, *part.shape[1:])
        for section, place in self._sections.items():
            common = place.common(here)
            if common is None:
                continue
            inside = part[self._channel, common.y - y : common.bottom - y, common.x - x : common.right - x]
            mask = inside >= self._threshold
            if mask.any():
                piece, corner = outlines(mask.astype(np.uint8))[1], np.array([common.x, common.y])
                self._pieces[section].append(shapely.transform(piece, lambda xy, by=corner: xy + by))

    def regions(self, connectivity: int = CORNERS) -> dict[int, list[BaseGeometry]]:
        """The regions of each section, pixels of the map, from above; pixel (0, 0) reaches to (1, 1)."""
        return {section: _joined(pieces, connectivity) for section, pieces in self._pieces.items()}


def _joined(pieces: list[BaseGeometry], connectivity: int) -> list[BaseGeometry]:
    """Regions of outlines that were cut where parts of the map end."""
    if not pieces:
        return []
    whole = shapely.simplify(shapely.union_all(pieces), 0)
    parts = shapely.orient_polygons(shapely.get_parts(whole))
    groups = np.arange(len(parts))
    if connectivity == CORNERS:
        pairs = shapely.STRtree(parts).query(parts, predicate="intersects")
        links = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), (len(parts), len(parts)))
        _, groups = connected_components(links, directed=False)
    order, ends = np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))
    found = [
        group[0] if len(group) == 1 else shapely.MultiPolygon(list(group))
        for group in np.split(parts[order], ends)[:-1]
    ]
    return sorted(found, key=lambda one: (one.bounds[1], one.bounds[0], one.bounds))


def features(
    found: Mapping[int, list[BaseGeometry]], layout: Layout, *, sample: str, name: str, color: str
) -> Iterator[dict[str, Any]]:
    """Regions as annotations of QuPath, in slide pixels, with their area.

    Args:
        found: Section to its regions, pixels of the map.
        layout: How the map lies on the slide.
        sample: Name of the slide; goes into the identifiers.
        name: The class.
        color: Its colour, `#rrggbb`.
    """
    scale = np.array(layout.scale[::-1])
    bounds = layout.source.reference.bounds
    most, pixel = np.array([bounds.width, bounds.height]), math.prod(layout.mpp)
    for section, regions in found.items():
        for number, region in enumerate(regions, 1):
            laid = shapely.transform(region, lambda corners: np.minimum(corners * scale, most).round(DIGITS))
            properties = {
                "objectType": "annotation",
                "name": f"section {section}, region {number}",
                "classification": {"name": name, "color": list(rgb_bytes(color))},
                "measurements": {AREA: region.area * pixel},
            }
            key = str(uuid.uuid5(NAMESPACE, f"{sample}/{section}/{number}/{laid.wkt}"))
            geometry = shapely.geometry.mapping(laid)
            yield {"type": "Feature", "id": key, "geometry": geometry, "properties": properties}
