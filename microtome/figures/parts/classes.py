# SPDX-License-Identifier: MIT
"""Classes in figures: their legend, and the pixels whose class is wrong."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from microtome.config.colors import neutral_color
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import GREY, UNLABELLED
from microtome.figures.parts.panels import IGNORE, show_classes

RIGHT = "right"
ROW = 0.17
"""Height of a row of a legend, inches."""
LETTER, SWATCH = 0.052, 0.36
"""Width of a letter of a legend's text, and of what stands before it, inches."""
TWO = 2


def class_patches(inputs: FigureInputs, *labels: NDArray) -> list[Patch]:
    """Give the entries of the classes in a legend, and one for pixels of `labels` without a class, if any."""
    unlabelled = [patch(UNLABELLED, "unlabelled")] if any((one == IGNORE).any() for one in labels) else []
    return [*(patch(color, name) for name, color in inputs.palette.items()), *unlabelled]


def tones_sentence(inputs: FigureInputs) -> str:
    """Say which of two classes is black; nothing of colours, which the legend has."""
    if not inputs.is_plain or len(inputs.classes) < TWO:
        return ""
    dark, light = sorted(inputs.classes, key=lambda name: inputs.palette[name])
    return f" In maps of classes {dark} is black, {light} white."


def patch(color: str, text: str) -> Patch:
    """Give an entry of a legend: a square of a colour."""
    return Patch(facecolor=color, edgecolor=GREY, linewidth=0.4, label=text)


def legend_size(handles: Sequence[Artist], width: float) -> tuple[int, float]:
    """Columns and height (inches) of a legend that is at most `width` inches wide; 0 without handles."""
    if not handles:
        return 0, 0.0
    widths = [len(str(handle.get_label())) * LETTER + SWATCH for handle in handles]
    fits = sum(widths) <= width
    columns = len(handles) if fits else min(max(int(width / max(widths)), 1), len(handles))
    return columns, -(-len(handles) // columns) * ROW


def add_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Write a legend below all panels of a figure, in as many rows as its width asks for."""
    columns, _ = legend_size(handles, figure.get_figwidth())
    if columns:
        style = {"columnspacing": 1.4, "handlelength": 1.0, "handleheight": 1.0}
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, **style)


def right_patch(inputs: FigureInputs) -> Patch:
    """Give the entry of right pixels in the legend of errors."""
    return patch(neutral_color(inputs.palette.values()), RIGHT)


def shows_every_class(inputs: FigureInputs, of: str) -> bool:
    """Whether errors are shown of all classes together: there are more than two, and none is named."""
    return not of and len(inputs.classes) > TWO


def error_map(output: NDArray, label: NDArray, count: int) -> NDArray[np.uint8]:
    """Keep the predicted class where it is wrong; `count` where it is right, `IGNORE` where not labelled.

    Example:
        >>> error_map(np.array([[0, 1, 2]]), np.array([[0, 2, 255]]), 3).tolist()
        [[3, 1, 255]]
    """
    wrong = np.where(output == label, count, output).astype(np.uint8)
    return np.where(label == IGNORE, np.uint8(IGNORE), wrong)


def show_error_map(axes: Axes, inputs: FigureInputs, output: NDArray, label: NDArray) -> None:
    """Show the pixels whose class is wrong in the colour of the class that they were given."""
    tones = (*inputs.palette.values(), neutral_color(inputs.palette.values()))
    show_classes(axes, error_map(output, label, len(inputs.classes)), tones)
