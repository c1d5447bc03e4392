# SPDX-License-Identifier: MIT
"""An ensemble as columns: one image, the map of each member, their mean and its segmentation."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, file_of, needed
from microtome.figures.parts.colors import INK
from microtome.figures.parts.panels import (
    outputs_of,
    probability_bar,
    read_image,
    read_probability,
    show_image,
    show_probability,
)
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, new_figure, styled
from microtome.figures.result import FigureResult

NEEDS = frozenset({"images", "runs"})
CLASS_OPTIONS = ("of",)
SAMPLE_OPTIONS = ("sample",)
COLUMNS, GAP = 3, 0.45
"""Input, members, mean; the room between them in widths of a picture."""
TITLE = 0.22
"""Room above a picture, inches."""
LARGEST = 1.15
"""Side of a member's map, inches."""
LETTERS = 24
"""Of a line of a title; longer ones of the mean would end beyond the figure."""
LINE = 0.13
"""Height of a further line, inches."""
BAR = (0.1, -0.1, 0.8, 0.04)
"""Left, bottom, width and height of the colour bar below the mean, in parts of its picture."""


@styled
def draw(inputs: FigureInputs, *, runs: Sequence[str] = (), sample: str = "", of: str = "") -> FigureResult:
    """Draw how the maps of networks, each a column, become one.

    Args:
        inputs: Run records and files of the samples.
        runs: The ensemble, then its members, in order.
        sample: The sample; by default the first test sample with a map by the ensemble.
        of: Class whose probability is shown; the positive class by default.

    Returns:
        The figure. Its data: run, label, mean probability, mean absolute distance from the ensemble's map.

    Raises:
        ValueError: There are no members, or a map is missing.
    """
    order = list(dict.fromkeys(record.run for record in inputs.select(runs)))
    if len(order) < 2:
        msg = f"an ensemble and its members are drawn, found the runs {order} alone; name them in `runs`"
        raise ValueError(msg)
    name, sources = inputs.sample(sample, run=order[0], needs=("image", "predictions"))
    shown = of or inputs.positive_class
    paths = {run: file_of(sources.predictions, run, sample=name, what="prediction") for run in order}
    maps = {
        run: read_probability(path, inputs, shown, outputs=outputs_of(inputs.record(run)))
        for run, path in paths.items()
    }
    labels = {run: inputs.record(run).label for run in order}
    rows = [
        (run, labels[run], float(found.mean()), float(np.abs(found - maps[order[0]]).mean()))
        for run, found in maps.items()
    ]
    data = pd.DataFrame(rows, columns=["run", "label", "mean_probability", "distance_from_mean"])
    image = read_image(needed(sources, "image", name))
    figure = _draw(image, maps, labels, inputs.data_kind, of=shown)
    caption = (
        f"Sample {name}: each of {len(order) - 1} networks gives a map of p({shown}) of its own, after its "
        f"own preparation of the input and its calibration; {labels[order[0]]} is their mean. "
        f"{data_sentence(inputs.data_kind)}"
    )
    return FigureResult(figure, data.assign(sample=name), caption)


def _draw(
    image: NDArray, maps: dict[str, NDArray], labels: dict[str, str], data_kind: str, *, of: str
) -> Figure:
    ensemble, *members = maps
    side = min(LARGEST, DOUBLE_COLUMN / (COLUMNS + GAP * (COLUMNS - 1)))
    aspect = image.shape[0] / image.shape[1]
    titles = {run: textwrap.fill(label, LETTERS) for run, label in labels.items()}
    lines = max(titles[run].count("\n") for run in members)
    height = len(members) * (side * aspect + TITLE + lines * LINE)
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=data_kind)
    grid = figure.add_gridspec(len(members), COLUMNS, wspace=GAP)
    first, last = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[:, -1])
    show_image(first, image)
    first.set_title("input", loc="center")
    bar = last.inset_axes(BAR)
    probability_bar(bar, show_probability(last, maps[ensemble]))
    bar.set_xlabel(f"probability of {of}")
    last.set_title(titles[ensemble], loc="center")
    for row, run in enumerate(members):
        axes = figure.add_subplot(grid[row, 1])
        show_probability(axes, maps[run])
        axes.set_title(titles[run], loc="center")
        _join(figure, first, axes)
        _join(figure, axes, last)
    return figure


def _join(figure: Figure, before: Axes, after: Axes) -> None:
    """An arrow from the right edge of a picture to the left edge of another."""
    ends = {"xyA": (1, 0.5), "coordsA": before.transAxes, "xyB": (0, 0.5), "coordsB": after.transAxes}
    style = {"arrowstyle": "-|>", "mutation_scale": 6, "linewidth": 0.7, "color": INK}
    figure.add_artist(ConnectionPatch(**ends, shrinkA=2, shrinkB=2, **style))
