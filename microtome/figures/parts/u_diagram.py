# SPDX-License-Identifier: MIT
"""The classic U-shaped drawing of an encoder and a decoder, laid out from traced steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle
from numpy.typing import NDArray

from microtome.figures.parts.colors import BLUE, GREEN, GREY, HEAT, PURPLE, SKY, VERMILLION
from microtome.figures.parts.network_steps import Step
from microtome.figures.parts.panels import heat_picture
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, new_figure

ARROW = 0.40
"""Room for an arrow between two boxes; all lengths are in units of the figure's layout."""
TALLEST = 1.5
SHRINK = 0.68
LEVEL_GAP = 0.50
WIDTH_BASE, WIDTH_STEP = 0.07, 0.035
SIDE_ROOM, ABOVE, BELOW = 0.32, 0.3, 0.12
LEGEND_COLUMNS = 3
LEGEND_ROW, LEGEND_MARGIN = 0.13, 0.10
LABEL_GAP = 0.05
TEXT = SMALL
DRIFT = 0.12
"""How far a halving that is no pooling moves to the right."""
COPY_ROOM = 0.75
"""Room, at least, for the arrow of a skip connection and its text."""
FACE, COPY_FACE, EDGE_COLOR = "#CFE3F3", "#FFFFFF", "#3B6E91"
SCORE_GAP = 0.42
"""Room for the arrow to the picture of a level's scores."""
STAGE_FACE, OUTPUT_FACE = "#F4DDEA", "#CDEBDF"
COLORS = {"convolution": BLUE, "stage": PURPLE, "pool": VERMILLION, "up": GREEN, "output": SKY, "copy": GREY}
FACES = {"input": OUTPUT_FACE, "output": OUTPUT_FACE, "stage": STAGE_FACE}


@dataclass(frozen=True)
class Box:
    """A feature map in the drawing.

    Attributes:
        step: The step that makes it.
        level: How often the image has been halved.
        x: Left edge.
        width: Width, by its channels.
        copied: Width of the part that comes by a skip connection, to the left of `x`.
        is_left: Whether it belongs to the contracting path.
        is_smaller: Whether the image is smaller than before the step.
    """

    step: Step
    level: int
    x: float
    width: float
    copied: float = 0.0
    is_left: bool = True
    is_smaller: bool = False

    @property
    def middle(self) -> float:
        """Middle of its own part."""
        return self.x + self.width / 2


def draw_u(
    steps: Sequence[Step],
    companions: Sequence[str] = (),
    outputs: Sequence[str] = (),
    *,
    scores: Mapping[int, NDArray] | None = None,
    scored: str = "",
    data_kind: str = "",
) -> Figure:
    """Draw the U of traced steps; architectures show no data and carry no tag.

    Args:
        steps: As `trace` finds them.
        companions: What stands beside the convolutions, for the legend.
        outputs: Names of the output's channels.
        scores: Maps (H, W), 0 to 1, beside the last box of a level, by the level: how often the image was
            halved.
        scored: The class whose probability these maps are, for the legend.
        data_kind: Where the images of the scores come from.

    Returns:
        The drawing.
    """
    boxes, scores = lay_out(steps), scores or {}
    levels = max(box.level for box in boxes) + 1
    tops = _tops(levels)
    left = min(box.x - box.copied for box in boxes) - SIDE_ROOM
    right = max(box.x + box.width for box in boxes) + SIDE_ROOM
    right += SCORE_GAP + TALLEST if 0 in scores else 0.0
    width = right - left
    bottom = tops[-1] + _height(levels - 1) + BELOW
    drawn = DOUBLE_COLUMN * (bottom + ABOVE) / width
    handles = _handles(steps, companions) + (_ends(scored) if scores else [])
    legend = LEGEND_MARGIN + LEGEND_ROW * -(-len(handles) // LEGEND_COLUMNS)
    figure = new_figure(DOUBLE_COLUMN, drawn + legend, **({"data_kind": data_kind} if scores else {}))
    figure.set_layout_engine("none")
    total = figure.get_figheight()
    axes = figure.add_axes((0, legend / total, 1, drawn / total))
    axes.set(xlim=(left, right), ylim=(bottom, -ABOVE), aspect="equal")
    axes.set_axis_off()
    for box in boxes:
        _draw_box(axes, box, tops[box.level])
    for before, after in pairwise(boxes):
        _draw_arrow(axes, before, after, tops)
    for box in boxes:
        _draw_copy(axes, box, boxes, tops)
    for level in range(levels - 1):
        box = [box for box in boxes if box.level == level][-1]
        _write_size(axes, box, box.x + box.width + LABEL_GAP, tops[level] + _height(level), "left")
    for level, values in scores.items():
        _draw_scores(axes, [box for box in boxes if box.level == level][-1], values, tops)
    _write_outputs(axes, boxes[-1], outputs, tops)
    figure.legend(handles=handles, loc="lower center", ncols=LEGEND_COLUMNS, fontsize=SMALL, handlelength=1.6)
    return figure


def lay_out(steps: Sequence[Step]) -> list[Box]:
    """Place a box per step: to the right after a convolution, down or up after a change of size."""
    largest = steps[0].size
    copies = {index for index, step in enumerate(steps) if step.copied and steps[index - 1].kind == "up"}
    boxes: list[Box] = []
    for index, step in enumerate(steps):
        level = max(round(np.log2(largest / step.size)), 0)
        width = box_width(step.channels)
        copied = box_width(steps[index + 1].copied) if index + 1 in copies else 0.0
        has_risen = bool(boxes) and (not boxes[-1].is_left or step.kind == "up")
        is_smaller = bool(boxes) and level > boxes[-1].level
        box = Box(step, level, 0.0, width, copied, is_left=not has_risen, is_smaller=is_smaller)
        boxes.append(replace(box, x=_place(boxes, box) if boxes else 0.0))
    return boxes


def halvings(steps: Sequence[Step]) -> int:
    """How often an image is halved on its way: log2 of the largest size over the smallest."""
    return round(np.log2(steps[0].size / min(step.size for step in steps)))


def _place(boxes: Sequence[Box], box: Box) -> float:
    before, kind = boxes[-1], box.step.kind
    straight = before.middle - box.width / 2
    if kind == "up":
        beside = [other.x + other.width for other in boxes if other.is_left and other.level == box.level]
        free = max(beside, default=-np.inf) + COPY_ROOM + box.copied
        return max(straight, free)
    if kind == "pool":
        return straight
    if box.is_smaller:
        return straight + DRIFT
    return before.x + before.width + ARROW


def box_width(channels: int) -> float:
    """Width of the box of a feature map: it grows with the logarithm of the channels."""
    return WIDTH_BASE + WIDTH_STEP * float(np.log2(max(channels, 1)))


def _height(level: int) -> float:
    return TALLEST * SHRINK**level


def _tops(levels: int) -> list[float]:
    tops = [0.0]
    for level in range(levels - 1):
        tops.append(tops[-1] + _height(level) + LEVEL_GAP)
    return tops


def _draw_box(axes: Axes, box: Box, top: float) -> None:
    height = _height(box.level)
    face = FACES.get(box.step.kind, FACE)
    style = {"edgecolor": EDGE_COLOR, "linewidth": 0.6}
    axes.add_patch(Rectangle((box.x, top), box.width, height, facecolor=face, **style))
    if box.copied:
        axes.add_patch(Rectangle((box.x - box.copied, top), box.copied, height, facecolor=COPY_FACE, **style))
    total = box.step.channels
    axes.text(box.middle, top - 0.05, str(total), ha="center", va="bottom", fontsize=TEXT)
    if box.step.blocks:
        blocks = f"×{box.step.blocks}"
        axes.text(box.middle, top + height / 2, blocks, ha="center", va="center", fontsize=TEXT)
    if box.step.kind in ("input", "pool") or box.is_smaller:
        _write_size(axes, box, box.x - LABEL_GAP, top + height, "right")


def _write_size(axes: Axes, box: Box, x: float, y: float, side: str) -> None:
    axes.text(x, y, f"{box.step.size}²", ha=side, va="bottom", fontsize=TEXT, color=GREY, rotation=90)


def _write_outputs(axes: Axes, box: Box, outputs: Sequence[str], tops: Sequence[float]) -> None:
    lowest = tops[box.level] + _height(box.level) + LABEL_GAP
    text = "\n".join(outputs)
    axes.text(box.x + box.width + SIDE_ROOM / 2, lowest, text, ha="right", va="top", fontsize=TEXT)


def _draw_scores(axes: Axes, box: Box, values: NDArray, tops: Sequence[float]) -> None:
    """A map as high as the box, at the right of it."""
    side, top = box.x + box.width, tops[box.level]
    height, left = _height(box.level), side + SCORE_GAP
    arrow(axes, (side, top + height / 2), (left, top + height / 2), COLORS["output"])
    extent = (left, left + height, top + height, top)
    axes.imshow(values, cmap=HEAT, vmin=0, vmax=1, extent=extent, interpolation="nearest", zorder=2)
    axes.add_patch(Rectangle((left, top), height, height, fill=False, edgecolor=EDGE_COLOR, linewidth=0.6))


def _draw_arrow(axes: Axes, before: Box, after: Box, tops: Sequence[float]) -> None:
    color = COLORS[after.step.kind]
    lower, side = tops[before.level] + _height(before.level), before.x + before.width
    if after.step.kind == "pool" or after.is_smaller:
        start = (min(max(after.middle, before.x), side) if after.is_smaller else before.middle, lower)
        arrow(axes, start, (after.middle, tops[after.level] - 0.2), color)
    elif after.step.kind == "up" and after.middle > side:
        start = (side, tops[before.level] + _height(before.level) / 2)
        end = (after.middle, tops[after.level] + _height(after.level))
        arrow(axes, start, end, color, connectionstyle="angle,angleA=0,angleB=90")
    elif after.step.kind == "up":
        start = (before.middle, tops[before.level] - 0.2)
        arrow(axes, start, (after.middle, tops[after.level] + _height(after.level)), color)
    else:
        level = tops[after.level] + _height(after.level) / 2
        arrow(axes, (side, level), (after.x, level), color)


def _draw_copy(axes: Axes, box: Box, boxes: Sequence[Box], tops: Sequence[float]) -> None:
    if not box.copied:
        return
    source = [other for other in boxes if other.is_left and other.level == box.level][-1]
    level = tops[box.level] + _height(box.level) / 2
    arrow(axes, (source.x + source.width, level), (box.x - box.copied, level), COLORS["copy"])
    style = {"ha": "center", "va": "bottom", "fontsize": TEXT, "color": GREY}
    middle = (source.x + source.width + box.x - box.copied) / 2
    axes.text(middle, level - 0.04, f"copy {boxes[boxes.index(box) + 1].step.copied}", **style)


def arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str, **options: Any
) -> None:
    """Draw an arrow from one place to another; `options` are those of a `FancyArrowPatch`."""
    style = {"arrowstyle": "-|>", "mutation_scale": 5.5, "shrinkA": 0.8, "shrinkB": 0.8, "linewidth": 0.9}
    axes.add_patch(FancyArrowPatch(start, end, color=color, **style, **options))


def _handles(steps: Sequence[Step], companions: Sequence[str]) -> list[Line2D | Patch]:
    kernels = {kind: _kernels(steps, kind) for kind in ("convolution", "pool", "up", "output")}
    blocks = [step.label for step in steps if step.kind == "stage"]
    ways = {step.label for step in steps if step.kind == "up" and step.label}
    texts = {
        "convolution": ", ".join((f"convolution{kernels['convolution']}", *companions)),
        "stage": f"stage of ×n {blocks[0]}s" if blocks else "",
        "pool": f"max pooling{kernels['pool']}",
        "up": f"{', '.join(sorted(ways))} up-sampling" if ways else _enlarging(kernels["up"]),
        "copy": "copy and concatenate" if any(step.copied for step in steps) else "",
        "output": f"convolution{kernels['output']}",
    }
    lines = [
        Line2D([], [], color=COLORS[key], label=text, marker=">", markevery=(1, 2), markersize=3)
        for key, text in texts.items()
        if text
    ]
    maps = Patch(
        facecolor=FACE, edgecolor=EDGE_COLOR, label="feature maps; above: channels, beside: side in pixels"
    )
    return [*lines, maps]


def _ends(scored: str) -> list[Line2D | Patch]:
    """What dark and bright are in maps of probabilities of a class."""
    tones = zip(heat_picture(np.array([0.0, 1.0])), (0, 1), strict=True)
    return [
        Patch(facecolor=tuple(tone), edgecolor=EDGE_COLOR, label=f"probability {value} of {scored}")
        for tone, value in tones
    ]


def _enlarging(kernels: str) -> str:
    """What enlarges maps: a convolution with a kernel, or something that is no layer."""
    return f"up-convolution{kernels}" if kernels else "up-sampling"


def _kernels(steps: Sequence[Step], kind: str) -> str:
    sides = sorted({step.kernel for step in steps if step.kind == kind and step.kernel})
    return " " + ", ".join(f"{side}×{side}" for side in sides) if sides else ""
