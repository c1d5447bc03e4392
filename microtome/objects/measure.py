# SPDX-License-Identifier: MIT
"""Objects of a label map: measured, and as outlines for QuPath.

Coordinates have their origin in the upper left corner of the image, x to the right, y down; the centre of the
first pixel is at (0.5, 0.5), as QuPath draws. Column names end with the unit.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.measure import regionprops_table

from microtome.config.colors import BACKGROUND, class_colors, rgb_bytes

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon

COLOR = "#C80000"
"""QuPath's colour of objects of one class; those of several have the colours of figures."""
NAMESPACE = uuid.UUID("6a1f0c0e-5d0b-5c62-9d53-3f6f1f1f7a55")
"""Of the identifiers of objects, fixed so that equal objects get equal identifiers."""
NO_MEASUREMENT = ("id", "class")

LENGTHS = {
    "perimeter": "perimeter",
    "axis_major_length": "major_axis",
    "axis_minor_length": "minor_axis",
    "equivalent_diameter_area": "equivalent_diameter",
}
"""Property of scikit-image to column, without its unit."""
RATIOS = ("eccentricity", "solidity")
BOX = {"bbox-1": "left_px", "bbox-0": "top_px", "bbox-3": "right_px", "bbox-2": "bottom_px"}
STAINS = ("hematoxylin_mean", "eosin_mean")
CHANNELS = ("red_mean", "green_mean", "blue_mean")
CENTRE = 0.5
SHARES = (0.5, 0.25, 0.0)
"""Of a tolerance, tried one after the other where an outline would depart further than by all of it."""
HALF_TURN = 180.0


def measure(
    labels: NDArray[np.integer],
    *,
    image: NDArray[np.uint8] | None = None,
    densities: NDArray[np.floating] | None = None,
    mpp: float | None = None,
) -> pd.DataFrame:
    """Measure each object of a label map.

    Args:
        labels: (H, W) integers, 0 = background; a number is one object, in however many pieces.
        image: (H, W, 3) uint8.
        densities: (2, H, W) concentrations of hematoxylin and eosin.
        mpp: Pixel size, µm.

    Returns:
        One row an object, ascending by `id`: centroid `x_px`, `y_px`; `area_px2`; `perimeter_px`,
        `major_axis_px`, `minor_axis_px` (axes of the ellipse of equal second moments),
        `equivalent_diameter_px`; `eccentricity` (0 circle to 1 line), `solidity` (area / area of the convex
        hull); `orientation_deg` (major axis from the x axis, counterclockwise on the screen, 0 to 180);
        bounding box `left_px`, `top_px`, `right_px`, `bottom_px` (edges, right and bottom excluded). With
        `mpp`, centroid, area and lengths also in `_um`, `_um2`. With `densities`, `hematoxylin_mean` and
        `eosin_mean`. With `image`, `red_mean`, `green_mean`, `blue_mean`, and `intensity_mean` of all three.

    Raises:
        ValueError: The arrays do not belong together, or `mpp` is not positive.

    Example:
        >>> table = measure(np.pad(np.full((2, 4), 9), 1), mpp=0.5)
        >>> table[["id", "x_px", "y_px", "area_px2", "area_um2", "orientation_deg"]].iloc[0].tolist()
        [9.0, 3.0, 2.0, 8.0, 2.0, 0.0]
    """
    _check(labels, image, densities, mpp)
    numbers, inverse = np.unique(labels, return_inverse=True)
    if numbers[0] != 0:
        numbers, inverse = np.concatenate([[0], numbers]), inverse + 1
    index = inverse.reshape(labels.shape)
    table = pd.DataFrame({"id": numbers[1:].astype(np.int64), **_geometry(index, numbers.size - 1)})
    if mpp is not None:
        scaled = [name for name in table if name.endswith("_px") and name not in BOX.values()]
        for name in scaled:
            table[name.replace("_px", "_um")] = table[name] * mpp
        table["area_um2"] = table["area_px2"] * mpp**2
    if densities is not None:
        for name, density in zip(STAINS, densities, strict=True):
            table[name] = _means(index, density, len(table))
    if image is not None:
        for name, channel in zip(CHANNELS, np.moveaxis(image, -1, 0), strict=True):
            table[name] = _means(index, channel, len(table))
        table["intensity_mean"] = table[list(CHANNELS)].mean(axis=1)
    return table


def as_geojson(
    labels: NDArray[np.integer],
    table: pd.DataFrame,
    *,
    classes: Sequence[str] = ("nucleus",),
    name: str = "",
    tolerance: float = 0.0,
    scale: int = 1,
) -> dict[str, Any]:
    """Describe objects as GeoJSON that QuPath (0.4 and later) opens as detections.

    Outlines follow the edges of pixels: read back and drawn with `microtome.objects.labels.rasterize`
    (`pixel_centre`), they give the same label map, numbered in the order of `id`. Pieces that meet only in a
    corner become parts of a MultiPolygon; all geometry is valid. With a tolerance outlines have fewer
    vertices, still on corners of pixels; touching objects may then overlap, or leave a gap, by as much.

    Args:
        labels: (H, W) integers, 0 = background.
        table: One row an object with its `id`, and its `class` where there are several; all other columns
            become measurements, empty ones left out.
        classes: Names of the classes of objects, in order.
        name: Of the image; goes into the objects' identifiers, so that they differ between images.
        tolerance: How far an outline may lie from the edges of the pixels, pixels.
        scale: Pixels of the image that outlines are drawn on in a side of a pixel of the labels.

    Returns:
        A FeatureCollection of plain values, for `json.dumps`.

    Raises:
        ValueError: Objects and rows do not match.

    Example:
        >>> labels = np.array([[0, 7]])
        >>> feature = as_geojson(labels, measure(labels))["features"][0]
        >>> feature["geometry"]
        {'type': 'Polygon', 'coordinates': [[[2, 0], [2, 1], [1, 1], [1, 0], [2, 0]]]}
        >>> feature["properties"]["classification"]
        {'name': 'nucleus', 'color': [200, 0, 0]}
    """
    found = outlines(labels, tolerance=tolerance)
    if sorted(found) != sorted(table["id"].tolist()):
        msg = f"found {len(found)} objects and {len(table)} rows, expected one row with its id an object"
        raise ValueError(msg)
    columns = [column for column in table if column not in NO_MEASUREMENT]
    values = dict(zip(table["id"].tolist(), table[columns].to_numpy(float).tolist(), strict=True))
    of = dict(zip(table["id"].tolist(), table.get("class", [classes[0]] * len(table)), strict=True))
    chosen = class_colors((BACKGROUND, *classes)) if len(classes) > 1 else dict.fromkeys(classes, COLOR)
    colors = {called: list(rgb_bytes(color)) for called, color in chosen.items()}
    features = []
    for number, outline in found.items():
        described = outline.__geo_interface__
        geometry = {"type": described["type"], "coordinates": _as_lists(described["coordinates"], scale)}
        key = f"{name}/{number}/{json.dumps(geometry['coordinates'])}"
        measured = dict(zip(columns, values[number], strict=True))
        properties = {
            "objectType": "detection",
            "name": str(number),
            "classification": {"name": of[number], "color": colors[of[number]]},
            "measurements": {column: value for column, value in measured.items() if math.isfinite(value)},
        }
        feature = {"type": "Feature", "id": str(uuid.uuid5(NAMESPACE, key))}
        features.append({**feature, "geometry": geometry, "properties": properties})
    return {"type": "FeatureCollection", "features": features}


def outlines(labels: NDArray[np.integer], *, tolerance: float = 0.0) -> dict[int, Polygon | MultiPolygon]:
    """The outline of each object along the edges of its pixels.

    Args:
        labels: (H, W) integers, 0 = background.
        tolerance: How far an outline may lie from these edges, pixels (Douglas and Peucker 1973; holes and
            pieces are kept); 0: along them.

    Returns:
        Valid geometry by the object's number, ascending: a polygon for each 4-connected piece, with holes;
        pixel (0, 0) reaches from (0, 0) to (1, 1). Outer rings run clockwise on the screen, holes the other
        way round.

    Example:
        >>> outlines(np.array([[0, 7]]))[7].wkt
        'POLYGON ((2 0, 2 1, 1 1, 1 0, 2 0))'
    """
    import shapely

    wide = np.pad(labels, ((0, 0), (1, 1)))
    rows, columns = np.nonzero(wide[:, 1:] != wide[:, :-1])
    owners = wide[rows, columns + 1]
    left = np.flatnonzero(owners)
    runs = shapely.box(columns[left], rows[left], columns[left + 1], rows[left] + 1)
    numbers, index = np.unique(owners[left], return_inverse=True)
    order, ends = np.argsort(index, kind="stable"), np.cumsum(np.bincount(index))
    unions = [shapely.union_all(part) for part in np.split(runs[order], ends)[:-1]]
    found = shapely.orient_polygons(_simplified(unions, tolerance)) if unions else np.empty(0)
    return dict(zip(numbers.tolist(), found.tolist(), strict=True))


def _simplified(unions: Sequence[Polygon | MultiPolygon], tolerance: float) -> NDArray:
    """Fewer vertices, none further than the tolerance from the line.

    GEOS may leave out the first vertex of a ring although it is further away; such outlines are simplified
    less.
    """
    import shapely

    exact = shapely.simplify(unions, 0)
    found = shapely.simplify(unions, tolerance)
    for share in SHARES if tolerance else ():
        far = shapely.hausdorff_distance(shapely.boundary(found), shapely.boundary(exact)) > tolerance
        found[far] = shapely.simplify(exact[far], tolerance * share)
    return found


def to_tsv_text(table: pd.DataFrame) -> str:
    r"""A table of `measure` as tab-separated text: six significant digits, empty where not known.

    Example:
        >>> to_tsv_text(pd.DataFrame({"id": [1], "area_um2": [2 / 3], "eosin_mean": [float("nan")]}))
        'id\tarea_um2\teosin_mean\n1\t0.666667\t\n'
    """
    return table.to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n")


def _geometry(index: NDArray[np.int64], count: int) -> dict[str, NDArray]:
    """The columns of shape; `index` numbers the objects 1, 2, … without gaps."""
    names = ("centroid", "area", *LENGTHS, *RATIOS, "orientation", "bbox")
    found = regionprops_table(index, properties=names) if count else {}
    empty = np.empty(0)
    columns = {
        "x_px": found.get("centroid-1", empty) + CENTRE,
        "y_px": found.get("centroid-0", empty) + CENTRE,
        "area_px2": found.get("area", empty),
    }
    columns |= {f"{column}_px": found.get(source, empty) for source, column in LENGTHS.items()}
    columns |= {ratio: found.get(ratio, empty) for ratio in RATIOS}
    angle = np.degrees(found.get("orientation", empty)) + HALF_TURN / 2
    columns["orientation_deg"] = np.where(angle >= HALF_TURN, 0.0, angle)
    return columns | {column: found.get(source, empty) for source, column in BOX.items()}


def _means(index: NDArray[np.int64], values: NDArray, count: int) -> NDArray[np.float64]:
    pixels = np.bincount(index.ravel(), minlength=count + 1)
    sums = np.bincount(index.ravel(), weights=values.ravel(), minlength=count + 1)
    return sums[1:] / pixels[1:]


def _as_lists(coordinates: Any, scale: int) -> Any:
    """The coordinates of shapely, times a scale, as JSON holds them: lists of whole numbers."""
    if isinstance(coordinates, list | tuple):
        return [_as_lists(each, scale) for each in coordinates]
    return int(coordinates) * scale


def _check(labels: NDArray, image: NDArray | None, densities: NDArray | None, mpp: float | None) -> None:
    whole = np.issubdtype(labels.dtype, np.integer)
    if labels.ndim != 2 or labels.size == 0 or not whole or labels.min() < 0:
        msg = f"found labels of {labels.dtype} and shape {labels.shape}, expected (H, W) integers from 0 on"
        raise ValueError(msg)
    if image is not None and image.shape != (*labels.shape, len(CHANNELS)):
        msg = f"found an image of shape {image.shape}, expected {(*labels.shape, len(CHANNELS))}"
        raise ValueError(msg)
    if densities is not None and densities.shape != (len(STAINS), *labels.shape):
        msg = f"found densities of shape {densities.shape}, expected {(len(STAINS), *labels.shape)}"
        raise ValueError(msg)
    if mpp is not None and not 0 < mpp < math.inf:
        msg = f"found mpp={mpp}, expected a positive number of µm; leave it None if unknown"
        raise ValueError(msg)
