# SPDX-License-Identifier: MIT
"""The steps of the marker watershed on one window. Used through :mod:`microtome.objects.watershed`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import disk, h_maxima

from microtome.objects.markers import EIGHT, EROSION_RADII, shape_markers
from microtome.objects.watershed.flood import queue_lines, ring_lines

if TYPE_CHECKING:
    from microtome.config.prediction import Watershed

BYTE = 255
LARGEST_RADIUS = max(radius for _, radius in EROSION_RADII)
"""Of the erosion to shape markers, pixels."""
ROUNDING = 1e-5
"""What averaging of windows may add to a probability."""


def checked(values: NDArray, name: str, *, first: tuple[int, int] = (0, 0)) -> NDArray[np.floating]:
    """A probability map (H, W), floating point, 0 to 1, if it is one.

    Its `name`, and row and column of its `first` pixel in the image, are for messages.

    Raises:
        ValueError: It is of another type or shape, or a value is not between 0 and 1.
    """
    values = np.asarray(values)
    if values.ndim != 2 or values.size == 0 or not np.issubdtype(values.dtype, np.floating):
        found = f"the {name} map is {values.dtype} of shape {values.shape}"
        msg = f"{found}, expected floating-point probabilities (H, W), not empty; divide 8-bit maps by 255"
        raise ValueError(msg)
    wrong = ~((values >= -ROUNDING) & (values <= 1 + ROUNDING))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        place = f"row {first[0] + row}, column {first[1] + column}"
        found = f"the {name} map holds {values[row, column]} at {place}, expected probabilities from 0 to 1"
        msg = f"{found}; apply a sigmoid to logits, and look for NaN in weights and input"
        raise ValueError(msg)
    return values


def above(values: NDArray[np.floating], threshold: float, *, quantize: bool) -> NDArray[np.bool_]:
    """Where a probability exceeds the threshold, with `quantize` as an 8-bit value cut off (im2bw)."""
    return np.floor(values * BYTE) > threshold * BYTE if quantize else values > threshold


def opened(binary: NDArray[np.bool_], smallest: int) -> NDArray[np.bool_]:
    """Without the 8-connected components of fewer than `smallest` pixels (MATLAB's bwareaopen)."""
    if smallest <= 1:
        return binary
    labels, count = ndimage.label(binary, EIGHT)
    kept = np.bincount(labels.ravel(), minlength=count + 1) >= smallest
    kept[0] = False
    return kept[labels]


def first_step(
    values: NDArray, name: str, settings: Watershed, *, first: tuple[int, int] = (0, 0)
) -> NDArray[np.bool_]:
    """The mask or the markers (`name`): a probability map above its threshold, without small components.

    `first` is as in `checked`.

    Raises:
        ValueError: It is no probability map.
    """
    threshold = settings.mask_threshold if name == "mask" else settings.marker_threshold
    binary = above(checked(values, name, first=first), threshold, quantize=settings.quantize)
    return opened(binary, smallest_part(name, settings))


def smallest_part(name: str, settings: Watershed) -> int:
    """Least area of a part of the mask or of a marker, pixels."""
    return settings.min_mask_area if name == "mask" else settings.min_marker_area


def eroded_markers(
    labels: NDArray[np.int32], areas: NDArray[np.int64], settings: Watershed
) -> NDArray[np.bool_]:
    """Markers of mask components, each eroded by its area; `areas` by number, background first."""
    listed = {number: float(areas[number]) for number in np.unique(labels).tolist()}
    return opened(shape_markers(labels, areas=listed) > 0, settings.min_marker_area)


def lines_between(
    markers: NDArray[np.int32],
    mask: NDArray[np.bool_],
    settings: Watershed,
    *,
    probability: NDArray | None = None,
    wanted: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Lines between the zones of the markers; valid where the mask (or `wanted`) is."""
    domain = mask if settings.scope == "component" or settings.surface != "flat" else None
    sources = markers if domain is None else np.where(domain, markers, 0)
    if settings.flooding == "rings":
        return ring_lines(sources, mask if wanted is None else wanted, domain=domain, reach=settings.reach)
    landscape = None
    if settings.surface == "intensity":
        landscape = 1 - np.asarray(probability, np.float64)
    elif settings.surface == "distance":
        landscape = -depth(mask)
    return queue_lines(sources, domain=domain, landscape=landscape)


def solid(cut: NDArray[np.bool_], settings: Watershed) -> NDArray[np.bool_]:
    """Without small objects and small holes; background is 8-connected, so a thin line is no hole."""
    return ~opened(~opened(cut, settings.min_object_area), settings.max_hole_area)


def grown(labels: NDArray[np.int32], radius: int) -> NDArray[np.int32]:
    """Each object dilated by a disk (radius 1: a cross); where two meet, the larger number overwrites."""
    return ndimage.maximum_filter(labels, footprint=disk(radius), mode="constant") if radius else labels


def depth(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance to the background, pixels; 0 everywhere if there is none."""
    return np.zeros(mask.shape) if mask.all() else ndimage.distance_transform_edt(mask)


def deepest(mask: NDArray[np.bool_], height: float) -> NDArray[np.bool_]:
    """Maxima of the distance to the background that rise by at least `height` pixels."""
    if mask.all() or not mask.any():
        return np.zeros(mask.shape, bool)
    return (h_maxima(depth(mask), height, footprint=EIGHT) > 0) & mask
