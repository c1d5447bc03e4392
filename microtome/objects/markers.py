# SPDX-License-Identifier: MIT
"""Markers that separate touching nuclei: objects eroded each on its own, or a disk on their centres.

The octagon is that of MATLAB's `strel('disk', r)`; no library has it, the filters that erode are SciPy's.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Labels = "NDArray[np.integer]"
Element = Literal["octagon", "disk"]
ELEMENTS = ("octagon", "disk")
SMALLEST_OCTAGON = 3
"""MATLAB's strel('disk', r) is a true disk below this radius."""
EIGHT = np.ones((3, 3), bool)
"""The neighbours of a pixel that count as touching."""
LARGEST_LABEL = int(np.iinfo(np.int32).max)


def half_widths(radius: int, element: Element) -> list[int]:
    """The structuring element as the half width of each row, from the top.

    Args:
        radius: Pixels, 0 or more.
        element: `octagon`: MATLAB's `strel('disk', radius)`, decomposed into short lines (R. Jones and
            P. Soille, 1996, doi:10.1016/0167-8655(96)00066-8), hence 2 radius - 1 wide from radius 3 on;
            `disk`: all pixels within the radius.

    Raises:
        ValueError: The element is unknown or the radius negative.

    Example:
        >>> [2 * half + 1 for half in half_widths(4, "octagon")]
        [3, 5, 7, 7, 7, 5, 3]
        >>> [2 * half + 1 for half in half_widths(1, "disk")]
        [1, 3, 1]
    """
    if element not in ELEMENTS or radius < 0:
        msg = f"found element={element!r}, radius={radius}; expected {' or '.join(ELEMENTS)}, radius >= 0"
        raise ValueError(msg)
    if element == "disk" or radius < SMALLEST_OCTAGON:
        return [math.isqrt(radius**2 - y**2) for y in range(-radius, radius + 1)]
    straight, diagonal = _octagon(radius)
    extent = straight + 2 * diagonal
    return [min(extent, extent + straight - abs(y)) for y in range(-extent, extent + 1)]


def _octagon(radius: int) -> tuple[int, int]:
    """Half length of the straight lines and number of diagonal steps that make MATLAB's octagon."""
    angle = math.pi / 8
    length = 2 * radius / (1 / math.tan(angle) + 1 / math.sin(angle))
    straight, diagonal = math.floor(length), math.floor(length / math.sqrt(2))
    missing = radius - straight - 2 * diagonal
    return straight + max(missing - 1, 0), diagonal


def survivors(labels: Labels, rows: list[int]) -> NDArray[np.bool_]:
    """Pixels under whose element all pixels carry the same label; those outside the image count as equal.

    Of labels (H, W) and the half width of each row of the element (`half_widths`), (H, W) bool.

    Example:
        >>> square = np.pad(np.ones((3, 3), int), 1)
        >>> survivors(square, half_widths(1, "disk")).astype(int)[1:4, 1:4].tolist()
        [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    """
    from scipy import ndimage  # slow to import, and most studies have no objects

    width = max(rows)
    element = np.array([np.abs(np.arange(-width, width + 1)) <= half for half in rows])
    least, most = (
        each(labels, footprint=element, mode="nearest")
        for each in (ndimage.minimum_filter, ndimage.maximum_filter)
    )
    return least == most


EROSION_RADII = ((70.0, 0), (120.0, 1), (500.0, 4), (float("inf"), 6))
"""Largest area (square pixels) and radius (pixels) of each class of size: the shape markers of USE-Net."""
CENTRE_RADIUS = 3
"""Smallest radius whose disk (29 pixels) outlives the removal of markers below 20 pixels."""
NAMED = 8


def erode_by_area(
    labels: Labels,
    *,
    areas: Mapping[int, float] | None = None,
    element: Element = "octagon",
    radii: Sequence[tuple[float, int]] = EROSION_RADII,
) -> NDArray[np.int32]:
    """Erode each object on its own, large ones more (the markers of USE-Net, `SPEC` C.4).

    Pixels of other objects count as background, those outside the image as the object itself.

    Args:
        labels: (H, W) integers, 0 = background.
        areas: Area by number, square pixels, of every object; None: number of pixels.
        element: `octagon` as MATLAB's `strel('disk', r)`, or a true `disk`.
        radii: Largest area and radius of each class of size, areas ascending, the last infinite.

    Returns:
        (H, W) int32: the labels that are left; small objects may vanish where `radii` asks for too much.

    Raises:
        ValueError: Not a label map, an object has no area, or the classes of size do not ascend to infinity.

    Example:
        >>> plate = np.pad(np.ones((10, 10), int), 1)  # 100 square pixels: radius 1
        >>> int(erode_by_area(plate).sum())
        64
    """
    _check_labels(labels)
    _check_radii(radii)
    numbers, inverse, pixels = np.unique(labels, return_inverse=True, return_counts=True)
    sizes = pixels.astype(float) if areas is None else _listed_areas(numbers, areas)
    limits = np.array([limit for limit, _ in radii])
    group = np.where(numbers > 0, np.searchsorted(limits, sizes), -1)[inverse].reshape(labels.shape)
    kept = np.zeros(labels.shape, bool)
    for index, (_, radius) in enumerate(radii):
        if (group == index).any():
            kept |= (group == index) & survivors(labels, half_widths(radius, element))
    return np.where(kept, labels, 0).astype(np.int32)


def shape_markers(
    labels: Labels,
    *,
    areas: Mapping[int, float] | None = None,
    element: Element = "octagon",
    radii: Sequence[tuple[float, int]] = EROSION_RADII,
) -> NDArray[np.uint8]:
    """Shape markers: all objects, each eroded on its own, as (H, W) uint8; see :func:`erode_by_area`.

    Raises:
        ValueError: As :func:`erode_by_area`.

    Example:
        >>> touching = np.repeat([[1, 2]], 10, axis=0).repeat(10, axis=1)
        >>> shape_markers(touching)[5].tolist()
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    return (erode_by_area(labels, areas=areas, element=element, radii=radii) > 0).astype(np.uint8)


def between(labels: Labels, gap: int = 1) -> NDArray[np.bool_]:
    """The pixels of objects that lie within `gap` pixels of another object.

    Without them, touching objects lie apart, as with the border class of Caicedo et al. 2019
    (doi:10.1002/cyto.a.23863).

    Args:
        labels: (H, W) integers, 0 = background.
        gap: Pixels, along rows, columns and diagonals.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: Not a label map.

    Example:
        >>> between(np.array([[1, 1, 1, 2, 2, 0, 3]])).tolist()
        [[False, False, True, True, False, False, False]]
    """
    from scipy import ndimage  # slow to import, and most studies have no objects

    _check_labels(labels)
    size = 2 * gap + 1
    above = ndimage.maximum_filter(labels, size, mode="nearest")
    below = ndimage.minimum_filter(np.where(labels > 0, labels, labels.max()), size, mode="nearest")
    return (labels > 0) & ((above != labels) | (below != labels))


def centre_markers(labels: Labels, radius: int = CENTRE_RADIUS) -> NDArray[np.uint8]:
    """Centre markers: a disk on the centre of each object, not cut off at the object's border.

    The centre is the centroid, rounded, or where that lies outside the object the pixel farthest from its
    border, the first of equals (`SPEC` C.4).

    Args:
        labels: (H, W) integers, 0 = background.
        radius: Of the disk, pixels.

    Returns:
        (H, W) uint8, 1 in a marker.

    Raises:
        ValueError: Not a label map or the radius negative.

    Example:
        >>> centre_markers(np.array([[1, 1, 1, 0, 5]]), radius=0)
        array([[0, 1, 0, 0, 1]], dtype=uint8)
    """
    _check_labels(labels)
    half = half_widths(radius, "disk")
    offsets = [(y, x) for y, w in enumerate(half, start=-radius) for x in range(-w, w + 1)]
    places = (centres(labels)[:, None] + np.array(offsets)).reshape(-1, 2)
    places = places[((places >= 0) & (places < labels.shape)).all(axis=1)]
    markers = np.zeros(labels.shape, np.uint8)
    markers[tuple(places.T)] = 1
    return markers


def centres(labels: Labels) -> NDArray[np.int64]:
    """Row and column (N, 2) of the centre of each object of a label map, see :func:`centre_markers`.

    Objects come in ascending order of their numbers.

    Example:
        >>> centres(np.array([[3, 3, 3], [3, 0, 3]])).tolist()
        [[0, 1]]
    """
    rows, columns = np.nonzero(labels)
    numbers, index = np.unique(labels[rows, columns], return_inverse=True)
    pixels = np.bincount(index, minlength=numbers.size)
    means = [np.bincount(index, weights=place, minlength=numbers.size) / pixels for place in (rows, columns)]
    found = np.floor(np.stack(means, axis=1) + 0.5).astype(np.int64)
    for item in np.flatnonzero(labels[tuple(found.T)] != numbers):
        own = index == item
        found[item] = _deepest(rows[own], columns[own])
    return found


def _deepest(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> tuple[int, int]:
    """The pixel of an object that is farthest from its border; the image's edge is a border."""
    from scipy import ndimage  # slow to import, and most studies have no objects

    top, left = int(rows.min()) - 1, int(columns.min()) - 1
    box = np.zeros((int(rows.max()) - top + 2, int(columns.max()) - left + 2), bool)
    box[rows - top, columns - left] = True
    row, column = np.unravel_index(ndimage.distance_transform_edt(box).argmax(), box.shape)
    return int(row) + top, int(column) + left


def _check_labels(labels: Labels) -> None:
    if labels.ndim != 2 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        msg = f"found {labels.dtype} of shape {labels.shape}, expected integers (H, W); label a mask first"
        raise ValueError(msg)
    if int(labels.min()) < 0 or int(labels.max()) > LARGEST_LABEL:
        msg = f"found labels {labels.min()} to {labels.max()}, expected 0 to {LARGEST_LABEL}; renumber them"
        raise ValueError(msg)


def _check_radii(radii: Sequence[tuple[float, int]]) -> None:
    limits = [limit for limit, _ in radii]
    if not limits or limits[-1] != float("inf") or any(a >= b for a, b in pairwise(limits)):
        msg = f"found the area limits {limits}, expected ascending numbers that end with infinity"
        raise ValueError(msg)


def _listed_areas(numbers: NDArray[np.integer], areas: Mapping[int, float]) -> NDArray[np.float64]:
    missing = [number for number in numbers.tolist() if number > 0 and number not in areas]
    if missing:
        msg = f"found no area of the objects {some(missing)}; expected one for each, or areas=None"
        raise ValueError(msg)
    return np.array([areas.get(number, 0.0) for number in numbers.tolist()])


def some(names: Sequence[object]) -> str:
    """The first names of a list, and how many more there are."""
    more = f", and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(map(str, names[:NAMED])) + more
