# SPDX-License-Identifier: MIT
"""A window network drawn as a chain of layers, from its layer table."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from microtome.figures.parts.colors import BLUE, GREY, INK, VERMILLION
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, new_figure

LARGEST, SMALLEST = 0.78, 0.13
SHEETS, SHEET_SHIFT = 3, 0.045
STEP = 1.16
DENSE_WIDTH = 0.12
TEXT = SMALL
ABOVE, BELOW = 0.5, 0.56
FACES = {
    "input": "#CDEBDF",
    "convolutional": "#CFE3F3",
    "max_pooling": "#FBDCC5",
    "fully_connected": "#F4DDEA",
}
VERBS = {"convolutional": "conv", "max_pooling": "max pool", "fully_connected": "full"}
ARROWS = {"convolutional": BLUE, "max_pooling": VERMILLION, "fully_connected": GREY}


def draw_chain(layers: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the chain of layers: one mapping per layer with type, maps, size, kernel.

    Architectures show no data and carry no tag.
    """
    width = STEP * len(layers)
    height = LARGEST + ABOVE + BELOW
    figure = new_figure(DOUBLE_COLUMN, DOUBLE_COLUMN * height / width)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(LARGEST / 2 + BELOW, -LARGEST / 2 - ABOVE), aspect="equal")
    axes.set_axis_off()
    largest = max(layer["size"] for layer in layers)
    halves = [_half_width(layer, largest) for layer in layers]
    for index, layer in enumerate(layers):
        middle = STEP * (index + 0.5)
        _draw_layer(axes, layer, middle, largest)
        if index:
            _draw_arrow(axes, layer, middle - STEP + halves[index - 1], middle - halves[index])
    return figure


def _side(size: int, largest: int) -> float:
    return max(LARGEST * size / largest, SMALLEST)


def _half_width(layer: Mapping[str, Any], largest: int) -> float:
    if layer["type"] == "fully_connected":
        return DENSE_WIDTH / 2
    return _side(layer["size"], largest) / 2 + (SHEETS - 1) * SHEET_SHIFT / 2 * (layer["maps"] > 1)


def _draw_layer(axes: Axes, layer: Mapping[str, Any], middle: float, largest: int) -> None:
    kind, maps, size = layer["type"], layer["maps"], layer["size"]
    style = {"facecolor": FACES[kind], "edgecolor": INK, "linewidth": 0.5}
    if kind == "fully_connected":
        tall = LARGEST * (0.9 if maps > 10 else 0.25)
        axes.add_patch(Rectangle((middle - DENSE_WIDTH / 2, -tall / 2), DENSE_WIDTH, tall, **style))
        text = f"{maps}\nneurons"
    else:
        sheets = SHEETS if maps > 1 else 1
        side = _side(size, largest)
        for sheet in range(sheets):
            shift = SHEET_SHIFT * ((sheets - 1) / 2 - sheet)
            axes.add_patch(Rectangle((middle + shift - side / 2, -side / 2 - shift), side, side, **style))
        text = f"{maps} {'map' if maps == 1 else 'maps'}\n{size}×{size}"
    axes.text(middle, LARGEST / 2 + 0.12, text, ha="center", va="top", fontsize=TEXT, linespacing=1.35)


def _draw_arrow(axes: Axes, layer: Mapping[str, Any], start: float, end: float) -> None:
    kind, kernel = layer["type"], layer["kernel"]
    style = {"arrowstyle": "-|>", "mutation_scale": 5, "shrinkA": 1.0, "shrinkB": 1.0, "linewidth": 0.9}
    axes.add_patch(FancyArrowPatch((start, 0), (end, 0), color=ARROWS[kind], **style))
    side = "" if kind == "fully_connected" else f"\n{kernel}×{kernel}"
    style = {"ha": "center", "va": "bottom", "fontsize": TEXT, "color": ARROWS[kind], "linespacing": 1.25}
    axes.text((start + end) / 2, -LARGEST / 2 - 0.06, VERBS[kind] + side, **style)
