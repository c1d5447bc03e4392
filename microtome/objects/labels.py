# SPDX-License-Identifier: MIT
"""Instance label maps: from outlines or label images, and the markers that separate touching nuclei.

A label map is (H, W) int32, 0 = background, any positive number one object; numbers may have gaps. Maps made
of outlines number the objects by their place in the file, from 1, so that an object can be found again.

Pixels and coordinates: three conventions say which point of a pixel must lie inside an outline.

* `pixel_centre`: the centre of the first pixel is at (0.5, 0.5), the image's corner at (0, 0). So do
  ImageScope and QuPath draw.
* `matlab`: MATLAB's `poly2mask(x, y, h, w)` as published code calls it, with the coordinates of the file. The
  first pixel's centre is at (1, 1), so objects lie half a pixel up and left of where they were drawn (and one
  pixel from `first_pixel`), and vertices move to a grid of a fifth of a pixel. MoNuSeg's labels are
  made so.
* `first_pixel`: the centre of the first pixel is at (0, 0), as in `skimage.draw.polygon` and OpenCV.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from microtome.io import label_images
from microtome.io.annotations import Polygon, read_polygons
from microtome.objects.markers import some
from microtome.objects.placement import check_placement

Labels = "NDArray[np.integer]"
Convention = Literal["pixel_centre", "matlab", "first_pixel"]
CONVENTIONS = {"pixel_centre": 0.5, "matlab": None, "first_pixel": 0.0}
OUTLINE_SUFFIXES = (".xml", ".json", ".geojson")
SUBPIXELS = 5
"""poly2mask moves vertices to a grid of 5 x 5 cells a pixel (documentation of MATLAB's poly2mask)."""
CENTRAL = 3
"""Place of the centre column on that grid: column j is crossed between 5 j + 3 and 5 j + 4, from 1 on."""

Floats = "NDArray[np.float64]"
Integers = "NDArray[np.int64]"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Instances:
    """Objects of one image: (H, W) int32, 0 = background, and the area of each by its number, square pixels.

    Areas are of the whole outline, also where pixels lie outside the image or belong to another object; of
    label images they are numbers of pixels.
    """

    labels: NDArray[np.int32]
    areas: Mapping[int, float]


def rasterize(
    polygons: Sequence[Polygon],
    shape: tuple[int, int],
    *,
    convention: Convention = "pixel_centre",
) -> Instances:
    """Draw outlines as a label map.

    Self-crossing outlines are filled by the even-odd rule, as MATLAB's poly2mask does. What lies outside the
    image is cut off. The first of several polygons keeps a pixel that all of them cover, as in USE-Net.
    Polygons that get no pixel are named in a warning in the log; their numbers stay unused. Negative polygons
    are no objects: their pixels become background.

    Args:
        polygons: In the order of the file; polygon i becomes label i + 1.
        shape: Rows and columns of the image.
        convention: Where pixel centres are, see the module's description.

    Returns:
        The label map and the areas of the polygons that have pixels.

    Raises:
        ValueError: The convention is unknown or the shape empty.

    Example:
        >>> square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
        >>> found = [Polygon(parts=((square + x,),), region=str(x)) for x in (0, 1)]
        >>> rasterize(found, (3, 4)).labels
        array([[1, 1, 0, 0],
               [1, 1, 2, 0],
               [0, 2, 2, 0]], dtype=int32)
    """
    if convention not in CONVENTIONS or min(shape) < 1:
        found = f"found convention={convention!r}, shape={shape}"
        msg = f"{found}; expected one of {', '.join(CONVENTIONS)}, at least one row and column"
        raise ValueError(msg)
    labels = np.zeros(shape, np.int32)
    patches = [covered(polygon.rings, shape, CONVENTIONS[convention]) for polygon in polygons]
    for number, (polygon, (window, mask)) in enumerate(zip(polygons, patches, strict=True), start=1):
        if not polygon.negative:
            block = labels[window]
            block[mask & (block == 0)] = number
    for polygon, (window, mask) in zip(polygons, patches, strict=True):
        if polygon.negative:
            labels[window][mask] = 0
    present = np.bincount(labels.ravel(), minlength=len(polygons) + 1) > 0
    lost = [p.region for number, p in enumerate(polygons, start=1) if not (present[number] or p.negative)]
    if lost:
        text = "%d of %d regions have no pixel (outside of %d x %d, without area or covered by others): %s"
        logger.warning(text, len(lost), len(polygons), *shape, some(lost))
    areas = {number: p.area for number, p in enumerate(polygons, start=1) if present[number]}
    return Instances(labels, areas)


def covered(
    rings: Sequence[Floats], shape: tuple[int, int], centre: float | None
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """The pixels that a polygon covers, by the even-odd rule over its rings.

    No library draws so: `skimage.draw.polygon2mask` gives both of two neighbours the pixels on a shared edge
    whose vertices are whole numbers; here an edge gives the same crossings in both directions, so neighbours
    share no pixel and leave no gap. `pycocotools` follows MATLAB on its grid, but rounds towards zero left of
    and above the image, and of ties by where the polygon lies: a pixel differs in 4 of 6,000 outlines.

    Args:
        rings: Each (V, 2) float64, x and y, closed implicitly.
        shape: Rows and columns of the image; what lies outside is cut off.
        centre: Coordinate of the centre of the first pixel on both axes, exact geometry; None for MATLAB's
            poly2mask with its grid of subpixels.

    Returns:
        Rows and columns of the box around the pixels, and which of them are covered (h, w) bool.

    Example:
        >>> covered([np.array([[1.0, 0], [3, 0], [3, 2], [1, 2]])], (2, 4), 0.5)
        ((slice(0, 2, None), slice(1, 3, None)), array([[ True,  True],
               [ True,  True]]))
    """
    columns, rows = crossings(rings, shape[1], centre)
    if columns.size == 0:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool)
    rows = np.clip(rows, 0, shape[0])
    top, left = int(rows.min()), int(columns.min())
    box = int(rows.max()) - top + 1, int(columns.max()) - left + 1
    flat = (rows - top) * box[1] + columns - left
    crossed = np.bincount(flat, minlength=box[0] * box[1]).reshape(box) & 1
    mask = np.logical_xor.accumulate(crossed.astype(bool), axis=0)[:-1]
    return (slice(top, top + box[0] - 1), slice(left, left + box[1])), mask


def crossings(rings: Sequence[Floats], width: int, centre: float | None) -> tuple[Integers, Integers]:
    """Where the edges of outlines cross the centres of columns, see :func:`covered`.

    Returns:
        Column of each crossing, and the first row below it, which may lie outside of the image.

    Example:
        >>> crossings([np.array([[1.0, 0], [2, 0], [2, 2], [1, 2]])], 4, 0.5)
        (array([1, 1]), array([0, 2]))
    """
    found = [
        _snapped_crossings(ring, width) if centre is None else _crossings(ring - centre, width)
        for ring in rings
    ]
    columns, rows = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return columns, rows


def _crossings(ring: Floats, width: int) -> tuple[Integers, Integers]:
    """Columns whose centre an edge crosses and the first row below it, pixel centres on whole numbers."""
    x1, y1, x2, y2 = _edges(ring, by=0)
    edge, column = _spans(np.clip(np.ceil(x1), 0, width), np.clip(np.ceil(x2) - 1, -1, width - 1))
    x1, y1, x2, y2 = x1[edge], y1[edge], x2[edge], y2[edge]
    y = y1 + (column - x1) * ((y2 - y1) / (x2 - x1))
    return column, np.ceil(np.clip(y, np.minimum(y1, y2), np.maximum(y1, y2))).astype(np.int64)


def _snapped_crossings(ring: Floats, width: int) -> tuple[Integers, Integers]:
    """Columns and first rows as poly2mask finds them: vertices and lines on the grid of subpixels."""
    snapped = _round(SUBPIXELS * (ring - 0.5) + 1)
    run, rise = np.abs(np.roll(snapped, -1, axis=0) - snapped).T
    found = []
    for choice, by, crossing in ((rise <= run, 0, _flat_crossing), (rise > run, 1, _steep_crossing)):
        x1, y1, x2, y2 = (values[choice] for values in _edges(snapped, by=by))
        first = np.ceil((np.minimum(x1, x2) - CENTRAL) / SUBPIXELS)
        last = np.floor((np.maximum(x1, x2) - 1 - CENTRAL) / SUBPIXELS)
        edge, column = _spans(np.clip(first, 0, width), np.clip(last, -1, width - 1))
        y = crossing(x1[edge], y1[edge], x2[edge], y2[edge], SUBPIXELS * column + CENTRAL)
        found.append((column, (np.ceil((y + 2) / SUBPIXELS) - 1).astype(np.int64)))
    columns, rows = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return columns, rows


def _flat_crossing(x1: Floats, y1: Floats, x2: Floats, y2: Floats, place: Integers) -> Floats:
    """The smaller y on either side of the step from `place` to the next x; lines of x1 < x2."""
    slope = (y2 - y1) / (x2 - x1)
    return np.minimum(_round(y1 + slope * (place - x1)), _round(y1 + slope * (place + 1 - x1)))


def _steep_crossing(x1: Floats, y1: Floats, x2: Floats, y2: Floats, place: Integers) -> Floats:
    """The last y before the rounded x steps across `place`; lines of y1 < y2, steeper than 45 degrees."""
    slope = (x2 - x1) / (y2 - y1)
    guess, found = np.floor(y1 + (place + 0.5 - x1) / slope), y1
    for step in (-1, 0, 1, 2):
        y = np.clip(guess + step, y1, y2)
        x = _round(x1 + slope * (y - y1))
        found = np.where(np.where(slope > 0, x <= place, x > place), np.maximum(found, y), found)
    return found


def _edges(ring: Floats, *, by: int) -> tuple[Floats, Floats, Floats, Floats]:
    """x1, y1, x2, y2 of each edge, the end with the smaller x (by 0) or y (by 1) first."""
    following = np.roll(ring, -1, axis=0)
    swap = (ring[:, by] > following[:, by])[:, None]
    start, end = np.where(swap, following, ring), np.where(swap, ring, following)
    return start[:, 0], start[:, 1], end[:, 0], end[:, 1]


def _spans(first: Floats, last: Floats) -> tuple[Integers, Integers]:
    """Index of the edge and column for all columns from `first` to `last` of each edge."""
    counts = np.maximum(last - first + 1, 0).astype(np.int64)
    edge = np.repeat(np.arange(counts.size), counts)
    offset = np.arange(edge.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return edge, first.astype(np.int64)[edge] + offset


def _round(values: Floats) -> Floats:
    """Round halves away from zero, as MATLAB does."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values)


def load_instances(
    path: Path | str,
    shape: tuple[int, int],
    *,
    convention: Convention = "pixel_centre",
    page: int | None = None,
) -> Instances:
    """Read the objects of one image and their areas from an annotation file or a label image.

    Numbers in label images stay as they are, gaps included. An object in several pieces (one number, as in
    files of challenges) stays one object; a line in the log counts them.

    Args:
        path: XML of Aperio or ASAP, GeoJSON, or a label image: PNG or TIFF of one channel, 8, 16 or 32 bits
            (float TIFF with whole numbers too; of a colour table the indices).
        shape: Rows and columns of the image that the labels belong to.
        convention: Of outlines, see the module's description.
        page: Of label images, see :func:`microtome.io.images.read`.

    Raises:
        AnnotationError: The annotation file is at fault.
        ImageError: The label image is lossy or has several channels, another size than the image, negative,
            fractional or too large numbers, or is a mask of one value.
    """
    path = Path(path)
    if path.suffix.lower() in OUTLINE_SUFFIXES:
        polygons = read_polygons(path)
        check_placement(polygons, shape, name=str(path))
        return rasterize(polygons, shape, convention=convention)
    labels = label_images.read(path, shape, page=page)
    _count_pieces(labels, name=str(path))
    numbers, pixels = np.unique(labels[labels > 0], return_counts=True)
    return Instances(labels, dict(zip(numbers.tolist(), pixels.astype(float).tolist(), strict=True)))


def _count_pieces(labels: Labels, *, name: str) -> None:
    from skimage.measure import label

    pieces = label(labels, connectivity=2, background=0)
    _, first = np.unique(pieces, return_index=True)
    numbers, counts = np.unique(labels.ravel()[first], return_counts=True)
    split = numbers[(counts > 1) & (numbers > 0)]
    if split.size:
        logger.info("%s: %d objects are in several pieces: %s", name, split.size, some(split.tolist()))
