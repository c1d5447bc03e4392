# SPDX-License-Identifier: MIT
"""Whether outlines can be of an image, by where they lie and how large they are."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microtome.io.annotations import AnnotationError, Polygon

FEW = 10
"""Outlines of which a median says little."""
SMALLEST_AREA = 10.0
"""Square pixels; a nucleus has 40 at 10 times, some 600 at 40 times."""
LARGEST_SHARE = 0.1
"""Of the image, that half of all objects cover at most."""
CORNER = 0.55
"""Share of both sides: outlines that end there were drawn at half the size, or in micrometres."""
REMEDY = "export them in pixels from this image"

logger = logging.getLogger(__name__)


def check_placement(
    polygons: Sequence[Polygon], shape: tuple[int, int], *, name: str, are_objects: bool = True
) -> None:
    """Refuse outlines of which none lies in the image, and warn of places and sizes that are not plausible.

    Args:
        polygons: The outlines that are labels.
        shape: Rows and columns of the image.
        name: The file, for messages.
        are_objects: Whether they are single objects, whose sizes are looked at, or regions.

    Raises:
        AnnotationError: There are outlines, and none lies in the image.

    Example:
        >>> square = np.array([[0.0, 0], [8, 0], [8, 8]]) + 20_000
        >>> try:
        ...     check_placement([Polygon(parts=((square,),), region="1")], (64, 64), name="a.xml")
        ... except AnnotationError as error:
        ...     print(error.found)
        1 outlines between x 20000 and 20008, y 20000 and 20008
    """
    if not polygons:
        return
    vertices = [np.concatenate(polygon.rings) for polygon in polygons]
    boxes = np.array([[*found.min(0), *found.max(0)] for found in vertices])
    height, width = shape
    inside = (boxes[:, :2] < (width, height)).all(1) & (boxes[:, 2:] > 0).all(1)
    box = (*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist())
    if not inside.any():
        found = f"{len(boxes)} outlines between x {box[0]:g} and {box[2]:g}, y {box[1]:g} and {box[3]:g}"
        expected = f"some in the image of {height} rows x {width} columns"
        raise AnnotationError(name, found, expected, _offset(box, shape))
    for text in _doubts(
        boxes[inside], len(boxes), [polygon.area for polygon in polygons], shape, are_objects
    ):
        logger.warning("%s: %s", name, text)


def _offset(box: Sequence[float], shape: tuple[int, int]) -> str:
    """What to do about outlines that lie beside the image."""
    height, width = shape
    if box[2] - box[0] <= width and box[3] - box[1] <= height:
        across = f"{abs(box[0]):.0f} pixels to the {'right' if box[0] > 0 else 'left'}"
        down = f"{abs(box[1]):.0f} {'below' if box[1] > 0 else 'above'}"
        return f"they lie {across} and {down} its corner: take that off, or {REMEDY}"
    return f"they are of a larger image, of another magnification, or in another unit: {REMEDY}"


def _doubts(
    inside: NDArray[np.float64], count: int, areas: Sequence[float], shape: tuple[int, int], are_objects: bool
) -> list[str]:
    """What is not plausible of outlines of which some (their boxes `inside`) lie in the image."""
    height, width = shape
    doubts = []
    if 2 * len(inside) < count:
        doubts.append(
            f"{count - len(inside)} of {count} outlines lie outside of the image; are they of this image, "
            "in its magnification?"
        )
    if count < FEW or not are_objects:
        return doubts
    right, bottom = inside[:, 2].max() / width, inside[:, 3].max() / height
    if max(right, bottom) <= CORNER:
        share = f"{100 * right:.0f} % of the width and {100 * bottom:.0f} % of the height"
        doubts.append(
            f"all outlines end at {share} of the image; are they in micrometres, or of a lower magnification?"
        )
    median = float(np.median(areas))
    if median < SMALLEST_AREA:
        doubts.append(
            f"half of the outlines cover less than {median:.3g} square pixels; are they in micrometres, or "
            "of a lower magnification?"
        )
    if median > LARGEST_SHARE * height * width:
        share = 100 * median / (height * width)
        doubts.append(
            f"half of the outlines cover more than {share:.0f} % of the image; are they regions and not "
            "objects, or of a higher magnification?"
        )
    return doubts
