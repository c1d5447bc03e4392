# SPDX-License-Identifier: MIT
"""Annotations of the slide phantom: outlines of fields, as QuPath writes them (GeoJSON in pixels)."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon, box, mapping
from shapely.geometry.base import BaseGeometry
from skimage.measure import find_contours

from microtome.phantoms.slides.lattice import STEP, Field, Frame

COLORS = {
    "Tumornest": [200, 0, 0],
    "Stroma": [150, 200, 150],
    "Normal": [0, 130, 200],
    "Tumor": [200, 0, 0],
}
SMOOTH = 0.6
"""Micrometres by which an outline may leave the border."""
SMALLEST = 150.0
"""µm²; what is smaller is not drawn."""
DIGITS = 2


def outlines(frame: Frame, field: Field, smallest: float = SMALLEST) -> list[Polygon]:
    """Polygons (x, y in µm of the slide, holes left out) around the nodes where a field is above 0."""
    padded = np.pad(field, 1, constant_values=-1e3)
    rings = [ring for ring in find_contours(padded, 0.0) if len(ring) > 3]
    shapes = [Polygon((ring[:, ::-1] - 1) * STEP + (frame.left, frame.top)).buffer(0) for ring in rings]
    whole: BaseGeometry = MultiPolygon()
    for shape in sorted(shapes, key=lambda one: -one.area):
        whole = whole.symmetric_difference(shape)
    found = shapely.simplify(whole, SMOOTH)
    return [part for part in _polygons(found.buffer(0)) if part.area >= smallest]


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    parts = getattr(shape, "geoms", [shape])
    return [part for part in parts if isinstance(part, Polygon) and not part.is_empty]


def rectangle(top: float, left: float, bottom: float, right: float) -> Polygon:
    """A box of the slide."""
    return box(left, top, right, bottom)


def collection(shapes: Mapping[str, Iterable[Polygon]], mpp: float, sample: str) -> dict[str, Any]:
    """A FeatureCollection of polygons (µm) by class, in pixels of the slide.

    Example:
        >>> found = collection({"Tumor": [box(0, 0, 10, 20)]}, 0.5, "slide-000")
        >>> found["features"][0]["properties"]["classification"]["name"]
        'Tumor'
    """
    named = [(name, shape) for name, found in shapes.items() for shape in found]
    features = list(_features(named, mpp, sample))
    return {"type": "FeatureCollection", "features": features}


def _features(named: Sequence[tuple[str, Polygon]], mpp: float, sample: str) -> Iterator[dict[str, Any]]:
    for number, (name, shape) in enumerate(named):
        pixels = shapely.transform(shape, lambda xy: np.round(xy / mpp, DIGITS))
        yield {
            "type": "Feature",
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{sample} {name} {number}")),
            "geometry": mapping(pixels),
            "properties": {
                "objectType": "annotation",
                "classification": {"name": name, "color": COLORS.get(name, [128, 128, 128])},
            },
        }
