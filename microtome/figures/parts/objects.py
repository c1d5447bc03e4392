# SPDX-License-Identifier: MIT
"""Objects in figures: ids as colours, outlines as lines, found objects sorted by whether they are right."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import hsv_to_rgb
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours
from skimage.segmentation import find_boundaries

from microtome.figures.parts.colors import BLUE, GREEN, VERMILLION
from microtome.io import images
from microtome.metrics.contingency import contingency
from microtome.metrics.instances import MATCH_IOU

GOLDEN = 0.6180339887498949
"""Turn of the hue from one id to the next, in parts of the circle: neighbours in order never look alike."""
SATURATIONS, VALUES = (0.45, 0.8, 0.6), (1.0, 0.8)
TOLERANCE = 0.35
"""Largest distance of a drawn outline from the pixels' outline, pixels."""
THIN = 0.55
FADE = 0.55
"""How far a faded image goes towards white."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey value (ITU-R BT.601)."""
RIGHT, WRONG, MISSED = "matched", "false positive", "missed"
STYLES: Mapping[str, Mapping[str, object]] = {
    RIGHT: {"color": GREEN, "linestyle": "-"},
    WRONG: {"color": VERMILLION, "linestyle": "-"},
    MISSED: {"color": BLUE, "linestyle": (0, (2.2, 1.1))},
}
"""Colour and dashes of the outlines by outcome."""

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Window:
    """A rectangle of an image, pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, array: NDArray) -> NDArray:
        """Cut it out of an array (H, W) or (H, W, C): a view."""
        return array[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Outcomes:
    """Ids of found objects whose IoU with a true one is above 0.5, of others, and of true ones missed."""

    matched: NDArray[np.int64]
    false_positive: NDArray[np.int64]
    missed: NDArray[np.int64]


def read_labels(path: str | Path) -> Labels:
    """Read a map of object ids: (H, W), 0 = background.

    Raises:
        ValueError: It has several channels, or no integers.
    """
    array = images.read(path)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer):
        msg = f"{path} has shape {array.shape} of {array.dtype}; expected one channel of integer object ids"
        raise ValueError(msg)
    return array.astype(np.int32)


def colour_labels(labels: NDArray, *, background: Sequence[float] = (0.08, 0.08, 0.1)) -> NDArray[np.float64]:
    """Give each object its own colour, the same in every drawing, and a dark line where two touch.

    Of (H, W) ids, 0 = background, it makes (H, W, 3) in 0..1.

    Example:
        >>> colour_labels(np.array([[0, 4], [0, 4]])).shape
        (2, 2, 3)
    """
    ids = labels.astype(np.int64)
    hue = np.mod(ids * GOLDEN, 1)
    saturation, value = np.take(SATURATIONS, ids % len(SATURATIONS)), np.take(VALUES, ids % len(VALUES))
    colored = hsv_to_rgb(np.stack([hue, saturation, value], axis=-1))
    touching = find_boundaries(ids, mode="inner", background=0) & _touches_another(ids)
    return np.where(((ids == 0) | touching)[..., None], np.asarray(background), colored)


def fade(image: NDArray) -> NDArray[np.float64]:
    """Turn an image, (H, W) or (H, W, 3) in 0..1, grey (H, W) and pale, so that coloured lines stand out."""
    grey = image @ np.asarray(LUMA) if image.ndim == 3 else image
    return grey + (1 - grey) * FADE


def match(truth: NDArray, found: NDArray) -> Outcomes:
    """Sort objects (ids (H, W)) by outcome: they match when their IoU is above 0.5.

    Example:
        >>> match(np.array([[1, 1, 2, 0]]), np.array([[5, 5, 0, 7]]))
        Outcomes(matched=array([5]), false_positive=array([7]), missed=array([2]))
    """
    table = contingency(truth, found)
    pairs = table.ious > MATCH_IOU
    matched = np.unique(table.prediction_ids[table.columns[pairs]])
    return Outcomes(
        matched=matched,
        false_positive=np.setdiff1d(table.prediction_ids, matched),
        missed=np.setdiff1d(table.truth_ids, table.truth_ids[table.rows[pairs]]),
    )


def outlines(labels: NDArray, ids: Iterable[int] | None = None) -> list[NDArray[np.float64]]:
    """Trace the outlines of objects, of all or of some ids of a map (H, W), 0 = background.

    Returns closed lines of (x, y) in pixel coordinates, outer and inner ones.

    Example:
        >>> [line.shape[1] for line in outlines(np.array([[0, 0, 0], [0, 3, 0], [0, 0, 0]]))]
        [2]
    """
    wanted = None if ids is None else {int(each) for each in ids}
    lines = []
    for index, box in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
        if box is None or (wanted is not None and index not in wanted):
            continue
        mask = np.pad(labels[box] == index, 1).astype(float)
        offset = np.array([box[1].start - 1, box[0].start - 1])
        contours = find_contours(mask, 0.5)
        lines += [approximate_polygon(contour, TOLERANCE)[:, ::-1] + offset for contour in contours]
    return lines


def draw_outlines(
    axes: Axes, lines: Sequence[NDArray], *, width: float = THIN, **style: object
) -> LineCollection:
    """Draw the lines of `outlines` over a panel in pixel coordinates; widths in points."""
    collection = LineCollection(lines, linewidths=width, **style)
    axes.add_collection(collection, autolim=False)
    return collection


def draw_outcomes(
    axes: Axes, truth: NDArray, found: NDArray, outcomes: Outcomes, *, width: float = THIN
) -> None:
    """Draw the objects found, and those missed, in the line styles of their outcomes.

    `truth` and `found` are (H, W) ids of the part that is shown, `outcomes` those of the whole image.
    """
    draw_outlines(axes, outlines(truth, outcomes.missed), width=width, **STYLES[MISSED])
    draw_outlines(axes, outlines(found, outcomes.false_positive), width=width, **STYLES[WRONG])
    draw_outlines(axes, outlines(found, outcomes.matched), width=width, **STYLES[RIGHT])


def outcome_handles() -> list[Line2D]:
    """Give the legend of `draw_outcomes`."""
    texts = {RIGHT: "matched (IoU > 0.5)", WRONG: "false positive", MISSED: "missed (outline of the truth)"}
    return [Line2D([], [], linewidth=1.2, label=texts[name], **style) for name, style in STYLES.items()]


def densest_window(labels: NDArray, side: int) -> Window:
    """Choose the square that holds most of the objects' pixels, the first of equals; the whole if it fits.

    Of (H, W) ids or a mask; a side in pixels, 0 for the whole image.

    Example:
        >>> densest_window(np.eye(4, k=2), 2)
        Window(top=0, left=2, height=2, width=2)
    """
    height, width = labels.shape
    tall, wide = (min(side, length) if side else length for length in (height, width))
    sums = np.pad((labels > 0).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    counts = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
    top, left = np.unravel_index(int(counts.argmax()), counts.shape)
    return Window(int(top), int(left), tall, wide)


def _touches_another(ids: NDArray) -> NDArray[np.bool_]:
    """Whether an object's pixel has a pixel of another object beside it."""
    highest = ndimage.maximum_filter(ids, size=3)
    lowest = ndimage.minimum_filter(np.where(ids > 0, ids, np.iinfo(np.int64).max), size=3)
    return (highest != ids) | (lowest != ids)
