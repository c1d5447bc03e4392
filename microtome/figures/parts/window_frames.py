# SPDX-License-Identifier: MIT
"""The windows by which a network goes over an image or a section, as frames over a picture of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle as Frame

from microtome.figures.parts.colors import ORANGE
from microtome.figures.parts.slide_views import Layer, View
from microtome.inference.axis import window_starts
from microtome.io import views
from microtome.io.section_boxes import Box
from microtome.io.slides import SlideSource
from microtome.slides.windows import Rectangle, TissueInside, grown, merged, on_map

THIN, THICK = 0.35, 1.3
MOST = 400
"""Frames that are drawn; of more some are left out, evenly."""
Pair = tuple[float, float]


@dataclass(frozen=True)
class Windows:
    """Windows that are predicted one by one.

    Attributes:
        boxes: Where they lie, pixels of the view's image; they may reach beyond it.
        side: Pixels of a side as the network sees it.
        overlap: Share of a window that neighbours have in common, at least.
    """

    boxes: Sequence[Box]
    side: int
    overlap: float

    @property
    def told(self) -> str:
        """How many there are, how large, and what they share.

        Example:
            >>> Windows([Box(y=0, x=0, height=8, width=8)] * 2, 8, 0.5).told
            '2 windows of 8 × 8 pixels, neighbours share half'
        """
        count = f"{len(self.boxes):,} window{'s' * (len(self.boxes) != 1)}"
        share = "half" if self.overlap == 0.5 else f"{100 * self.overlap:.3g} %"
        return f"{count} of {self.side} × {self.side} pixels" + f", neighbours share {share}" * bool(
            self.overlap
        )


def over_image(view: View, predict: Mapping[str, Any], zoom: float) -> Windows | None:
    """The windows over a whole image; None where the network sees all of it at once.

    Args:
        view: The image.
        predict: Options of prediction, as in the study file.
        zoom: By which the network sees the image resized.
    """
    side, overlap = predict["window"], predict["overlap"]
    seen = [max(1, round(length * zoom)) for length in view.size]
    border = predict.get("border", 0)
    if side is None or side >= max(seen) + 2 * border:
        return None
    stride = side - round(overlap * side)
    starts = [window_starts(length, side, stride=stride, border=border) for length in seen]
    scale = tuple(length / size for length, size in zip(view.size, seen, strict=True))
    boxes = [_box(y, x, side, scale) for y in starts[0] for x in starts[1]]
    return Windows(boxes, side, overlap)


def over_section(
    section: View, boxes: Sequence[Box], predict: Mapping[str, Any], tissue: Path
) -> Windows | None:
    """The windows over the tissue of a section, in slide pixels; None where it is seen at once.

    Sections whose windows overlap are predicted together, so the windows start where those of all of them do.

    Args:
        section: The section.
        boxes: All sections of its slide, itself among them.
        predict: Options of prediction, as in the study file.
        tissue: Mask of the slide's tissue.
    """
    side, overlap = predict["window"], predict["overlap"]
    if side is None:
        return None
    source = views.open_raster(section.path)
    scale = source.scale if isinstance(source, SlideSource) else (1.0, 1.0)
    size = source.shape[1], source.shape[2]
    places = {box.section: on_map((box.y, box.x), (box.height, box.width), scale, size) for box in boxes}
    own = places[section.box.section]
    area = next(one for one in merged(grown(each, side, size) for each in places.values()) if one.common(own))
    inside = TissueInside(
        views.open_raster(tissue), size, [each for each in places.values() if each.common(area)]
    )
    stride = side - round(overlap * side)
    starts = [window_starts(length, side, stride=stride) for length in (area.height, area.width)]
    places_of = [Rectangle(area.y + y, area.x + x, side, side) for y in starts[0] for x in starts[1]]
    wanted = [one for one in places_of if one.common(own) and inside(one)]
    return Windows([_box(one.y, one.x, side, scale) for one in wanted], side, overlap)


def _box(y: int, x: int, side: int, scale: Pair) -> Box:
    height, width = (max(1, round(side * step)) for step in scale)
    return Box(y=round(y * scale[0]), x=round(x * scale[1]), height=height, width=width)


def fullest(windows: Windows, view: View, layer: Layer) -> Box:
    """The window within a view over which a layer of the view is largest; of equals the first."""
    able = [box for box in windows.boxes if _within(box, view.box)] or list(windows.boxes)
    return max(_spread(able), key=lambda box: _mean(box, view, layer))


def _within(box: Box, around: Box) -> bool:
    return (
        box.y >= around.y and box.x >= around.x and box.bottom <= around.bottom and box.right <= around.right
    )


def _mean(box: Box, view: View, layer: Layer) -> float:
    rows, columns = (
        slice(max(int((first - corner - start) / step), 0), max(int((last - corner - start) / step), 1))
        for first, last, corner, start, step in (
            (box.y, box.bottom, view.box.y, layer.start[0], layer.step[0]),
            (box.x, box.right, view.box.x, layer.start[1], layer.step[1]),
        )
    )
    values = layer.values[rows, columns]
    return float(values.mean()) if values.size else 0.0


def _spread(boxes: Sequence[Box]) -> list[Box]:
    """At most `MOST` of them, evenly."""
    step = -(-len(boxes) // MOST)
    return list(boxes[::step])


def draw_windows(axes: Axes, windows: Windows, view: View, framed: Box) -> None:
    """Draw the windows over axes of `slide_views.show`, one of them thick."""
    limits = axes.get_xlim(), axes.get_ylim()
    frames = [
        Frame((box.x - view.box.x, box.y - view.box.y), box.width, box.height)
        for box in _spread(windows.boxes)
    ]
    style = {"facecolor": "none", "edgecolor": ORANGE, "linewidth": THIN, "alpha": 0.8}
    axes.add_collection(PatchCollection(frames, **style), autolim=False)
    draw_frame(axes, view, framed)
    axes.set(xlim=limits[0], ylim=limits[1])


def draw_frame(axes: Axes, view: View, box: Box) -> None:
    """Draw the frame of a box over axes of `slide_views.show`."""
    corner = box.x - view.box.x, box.y - view.box.y
    axes.add_patch(Frame(corner, box.width, box.height, fill=False, edgecolor=ORANGE, linewidth=THICK))
