# SPDX-License-Identifier: MIT
"""The classic U-shaped drawing of an encoder and a decoder, laid out from traced steps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle

from microtome.figures.colors import BLUE, GREEN, GREY, SKY, VERMILLION
from microtome.figures.style import DOUBLE_COLUMN, new_figure
from microtome.figures.trace import Step

ARROW = 0.40
"""Room for an arrow between two boxes; all lengths are in units of the figure's layout."""
TALLEST = 1.5
SHRINK = 0.68
LEVEL_GAP = 0.50
WIDTH_BASE, WIDTH_STEP = 0.07, 0.035
TEXT = 5.6
FACE, COPY_FACE, EDGE_COLOR = "#CFE3F3", "#FFFFFF", "#3B6E91"
OUTPUT_FACE = "#CDEBDF"
COLORS = {"convolution": BLUE, "pool": VERMILLION, "up": GREEN, "output": SKY, "copy": GREY}


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
    """

    step: Step
    level: int
    x: float
    width: float
    copied: float = 0.0
    is_left: bool = True

    @property
    def middle(self) -> float:
        """Middle of its own part."""
        return self.x + self.width / 2


def draw_u(steps: Sequence[Step]) -> Figure:
    """Draw the U.

    Args:
        steps: Traced steps.

    Returns:
        The figure; architectures show no data and carry no tag.
    """
    boxes = lay_out(steps)
    levels = max(box.level for box in boxes) + 1
    tops = _tops(levels)
    left = min(box.x - box.copied for box in boxes) - 0.32
    right = max(box.x + box.width for box in boxes) + 0.12
    bottom = tops[-1] + _height(levels - 1) + 0.25
    figure = new_figure(DOUBLE_COLUMN, DOUBLE_COLUMN * (bottom + 0.4) / (right - left))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(bottom, -0.4), aspect="equal")
    axes.set_axis_off()
    for box in boxes:
        _draw_box(axes, box, tops[box.level])
    for before, after in zip(boxes[:-1], boxes[1:], strict=True):
        _draw_arrow(axes, before, after, tops)
    for box in boxes:
        _draw_copy(axes, box, boxes, tops)
    axes.legend(
        handles=_handles(steps),
        loc="lower right",
        bbox_to_anchor=(0.995, 0.01),
        fontsize=6,
        handlelength=1.6,
        labelspacing=0.5,
    )
    return figure


def lay_out(steps: Sequence[Step]) -> list[Box]:
    """Place the feature maps: right after a convolution, straight down or up after a change of size.

    Args:
        steps: Traced steps.

    Returns:
        One box per step, in order.
    """
    largest = steps[0].size
    copies = {index for index, step in enumerate(steps) if step.copied and steps[index - 1].kind == "up"}
    boxes: list[Box] = []
    for index, step in enumerate(steps):
        level = max(round(np.log2(largest / step.size)), 0)
        width = _width(step.channels)
        copied = _width(steps[index + 1].copied) if index + 1 in copies else 0.0
        has_risen = bool(boxes) and (not boxes[-1].is_left or step.kind == "up")
        box = Box(step, level, 0.0, width, copied, is_left=not has_risen)
        boxes.append(replace(box, x=_place(boxes[-1], box) if boxes else 0.0))
    return boxes


def _place(before: Box, box: Box) -> float:
    if box.step.kind in ("pool", "up"):
        return before.middle - box.width / 2
    return before.x + before.width + ARROW


def _width(channels: int) -> float:
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
    face = OUTPUT_FACE if box.step.kind in ("input", "output") else FACE
    style = {"edgecolor": EDGE_COLOR, "linewidth": 0.6}
    axes.add_patch(Rectangle((box.x, top), box.width, height, facecolor=face, **style))
    if box.copied:
        axes.add_patch(Rectangle((box.x - box.copied, top), box.copied, height, facecolor=COPY_FACE, **style))
    total = box.step.channels
    axes.text(box.middle, top - 0.05, str(total), ha="center", va="bottom", fontsize=TEXT)
    if box.step.kind in ("input", "pool", "up", "output"):
        side = box.x - box.copied - 0.05 if box.step.kind != "output" else box.x + box.width + 0.05
        where = "right" if box.step.kind != "output" else "left"
        axes.text(
            side,
            top + height,
            f"{box.step.size}²",
            ha=where,
            va="bottom",
            fontsize=TEXT,
            color=GREY,
            rotation=90,
        )


def _draw_arrow(axes: Axes, before: Box, after: Box, tops: Sequence[float]) -> None:
    color = COLORS[after.step.kind]
    if after.step.kind == "pool":
        start, end = (
            (before.middle, tops[before.level] + _height(before.level)),
            (after.middle, tops[after.level] - 0.2),
        )
    elif after.step.kind == "up":
        start, end = (
            (before.middle, tops[before.level] - 0.2),
            (after.middle, tops[after.level] + _height(after.level)),
        )
    else:
        level = tops[after.level] + _height(after.level) / 2
        start, end = (before.x + before.width, level), (after.x, level)
    _arrow(axes, start, end, color)


def _draw_copy(axes: Axes, box: Box, boxes: Sequence[Box], tops: Sequence[float]) -> None:
    if not box.copied:
        return
    sources = [other for other in boxes if other.is_left and other.level == box.level]
    level = tops[box.level] + _height(box.level) / 2
    source = sources[-1]
    count = _copied_channels(box, boxes)
    _arrow(axes, (source.x + source.width, level), (box.x - box.copied, level), COLORS["copy"])
    axes.text(
        (source.x + source.width + box.x - box.copied) / 2,
        level - 0.04,
        f"copy {count}",
        ha="center",
        va="bottom",
        fontsize=TEXT,
        color=GREY,
    )


def _copied_channels(box: Box, boxes: Sequence[Box]) -> int:
    return boxes[list(boxes).index(box) + 1].step.copied


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": 5.5, "shrinkA": 0.8, "shrinkB": 0.8, "linewidth": 0.9}
    axes.add_patch(FancyArrowPatch(start, end, color=color, **style))


def _handles(steps: Sequence[Step]) -> list[Line2D | Patch]:
    kernels = sorted({step.kernel for step in steps if step.kind == "convolution"})
    convolution = ", ".join(f"{kernel}×{kernel}" for kernel in kernels)
    last = steps[-1].kernel
    texts = {
        "convolution": f"convolution {convolution}, batch normalisation, ReLU" if kernels else "convolution",
        "pool": "2×2 max pooling",
        "up": "2×2 up-convolution",
        "copy": "copy and concatenate",
        "output": f"convolution {last}×{last}",
    }
    lines = [
        Line2D([], [], color=COLORS[key], label=text, marker=">", markevery=(1, 2), markersize=3)
        for key, text in texts.items()
    ]
    maps = Patch(
        facecolor=FACE, edgecolor=EDGE_COLOR, label="feature maps; above: channels, beside: side in pixels"
    )
    return [*lines, maps]
