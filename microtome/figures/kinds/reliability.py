# SPDX-License-Identifier: MIT
"""Reliability of probabilities: how often a class is true where it is given a probability, by run."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import classes
from microtome.figures.parts.colors import GREY, INK
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import (
    DOUBLE_COLUMN,
    SINGLE_COLUMN,
    TEXT,
    letter,
    new_figure,
    styled,
    wrapped,
)
from microtome.figures.result import FigureResult
from microtome.metrics.calibration import BINS, PIXELS, equal_width, expected_error
from microtome.metrics.overlap import EVERY_CLASS as MOST_PROBABLE
from microtome.tables.parts.reliability import Measured, measured_runs, told_of_trainings

NEEDS = frozenset({"runs"})
METRICS = ("bin_pixels@{bin}",)
LEAST = 1e-3
"""Share of the pixels that a bin must have to be drawn."""
COLUMNS, HEIGHT, BAR = 3, 2.35, 4.2
"""Panels in a row, their height in inches, and a panel's height over that of its histogram."""
LIMITS = (-0.02, 1.02)
ROOM = 1.2
"""Beside the title of a panel: its axis, its letter, its error, inches."""
CASING = 1.9
"""Width of the grey under a line, which pale colours need on white, points."""
POINT = {"marker": ".", "markersize": 3}
MOST = {"color": INK, "linestyle": (0, (3, 1.5)), "linewidth": 1.3, "marker": "o", "markersize": 2.5}
"""Line of the most probable class."""
Counts = Mapping[str, NDArray]
"""Sums in bins of the probability (`microtome.metrics.calibration.Sums.bins`) by class."""


@styled
def draw(inputs: FigureInputs, *, runs: Sequence[str] = (), part: str = "test") -> FigureResult:
    """Draw how often a class is true among the labelled pixels that are given a probability of it.

    The dashed line is of the most probable class of each pixel: how often it is right. Its expected
    calibration error (ECE) is the mean distance from the diagonal, weighted by pixels (Guo et al., ICML 2017,
    arXiv:1706.04599); that of the classes is the mean of their own (Kull et al., NeurIPS 2019,
    arXiv:1910.12656).

    Args:
        inputs: Run records with sums of probabilities (family ``calibration``).
        runs: Runs, a panel each, in order; all by default. Seeds and splits of a run are counted together.
        part: Part of the split that was evaluated.

    Returns:
        The figure. Its data, by run, class (``all`` for the most probable one) and bin with pixels: run,
        label, class, low, high, pixels, positives, predicted (mean probability), observed (share that is
        true), ece (of the class).

    Raises:
        ValueError: A run has no sums of labelled images of the part.
    """
    found = measured_runs(inputs.select(runs), inputs.classes, part=part)
    labels = {run: label for run, (label, _) in found.items()}
    counts = {run: _counts(inputs, of) for run, (_, of) in found.items()}
    data = pd.concat([_table(run, labels[run], of) for run, of in counts.items()], ignore_index=True)
    figure = _draw(inputs, labels, counts)
    caption = _caption(inputs, labels, counts, [of for _, of in found.values()], part)
    return FigureResult(figure, data, caption)


def _counts(inputs: FigureInputs, found: Measured) -> Counts:
    """The pixels of all images of a run by class and probability."""
    return dict(zip([*inputs.classes, MOST_PROBABLE], found.total.bins, strict=True))


def _table(run: str, label: str, counts: Counts) -> pd.DataFrame:
    """A row for each class and bin with pixels."""
    frames = []
    edges = np.linspace(0, 1, BINS + 1)
    for name, bins in counts.items():
        pixels, hits, sums = equal_width(bins).T
        frame = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "pixels": pixels, "positives": hits})
        frame = frame.astype({"pixels": int, "positives": int}).assign(sums=sums)[pixels > 0]
        frame = frame.assign(
            predicted=frame["sums"] / frame["pixels"], observed=frame["positives"] / frame["pixels"]
        )
        frames.append(frame.drop(columns="sums").assign(ece=float(expected_error(bins))))
        frames[-1].insert(0, "class", name)
    return pd.concat(frames).assign(run=run, label=label)


def _draw(inputs: FigureInputs, labels: Mapping[str, str], counts: Mapping[str, Counts]) -> Figure:
    """A panel and a histogram for each run."""
    columns = min(COLUMNS, len(counts))
    rows = -(-len(counts) // columns)
    width = DOUBLE_COLUMN if columns > 1 else SINGLE_COLUMN
    handles = _handles(inputs)
    legend = classes.legend_size(handles, width)[1]
    figure = new_figure(width, rows * HEIGHT + legend, data_kind=inputs.data_kind)
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[BAR, 1] * rows)
    top = max(np.max(_shares(one[MOST_PROBABLE])) for one in counts.values())
    places = [(2 * (index // columns), index % columns) for index in range(rows * columns)]
    for index, (row, column) in enumerate(places):
        pair = grid[row][column], grid[row + 1][column]
        if index >= len(counts):
            for axes in pair:
                axes.set_axis_off()
            continue
        run = list(counts)[index]
        _draw_curves(pair[0], inputs, counts[run])
        _draw_counts(pair[1], counts[run][MOST_PROBABLE], top)
        title = wrapped(labels[run], width / columns - ROOM)
        letter(pair[0], ascii_lowercase[index % len(ascii_lowercase)] if len(counts) > 1 else "", title)
        if column == 0:
            pair[0].set_ylabel("share that is true")
            pair[1].set_ylabel("share of\npixels")
        pair[1].set_xlabel("probability of the class")
    classes.add_legend(figure, handles)
    return figure


def _draw_curves(axes: Axes, inputs: FigureInputs, counts: Counts) -> None:
    """A line for each class and one for the most probable class, over the diagonal."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=":")
    for name, color in _shown(inputs).items():
        under = [Stroke(linewidth=CASING, foreground=GREY), Normal()]
        axes.plot(*_points(counts[name]), color=color, path_effects=under, **POINT)
    axes.plot(*_points(counts[MOST_PROBABLE]), **MOST)
    axes.set(xlim=LIMITS, ylim=LIMITS, yticks=[0, 0.5, 1], xticks=[0, 0.5, 1], xticklabels=[])
    axes.grid()
    error = expected_error(counts[MOST_PROBABLE])
    axes.set_title(f"ECE {error:.3f}", loc="right", fontsize=TEXT)


def _shown(inputs: FigureInputs) -> dict[str, str]:
    """The classes that are drawn, and their colours; of two in black and white the positive one."""
    return {inputs.positive_class: INK} if inputs.is_plain else inputs.palette


def _points(bins: NDArray) -> tuple[NDArray, NDArray]:
    """Mean probability and share that is true of the bins that have enough pixels."""
    pixels, hits, sums = equal_width(bins).T
    used = pixels > LEAST * pixels.sum()
    return sums[used] / pixels[used], hits[used] / pixels[used]


def _shares(bins: NDArray) -> NDArray:
    """Share of the pixels in each bin."""
    pixels = equal_width(bins)[:, PIXELS]
    return pixels / pixels.sum()


def _draw_counts(axes: Axes, bins: NDArray, top: float) -> None:
    """Share of pixels by the probability of their most probable class, at most `top` in all panels."""
    width, shares = 1 / BINS, _shares(bins)
    edges = np.arange(BINS) * width
    axes.bar(edges, shares, width=width, align="edge", color=GREY, edgecolor="white", linewidth=0.3)
    tick = np.floor(10 * top) / 10 or 0.1
    axes.set(xlim=LIMITS, ylim=(0, max(top, tick)), xticks=[0, 0.5, 1], yticks=[0, tick])
    axes.set_yticklabels(["0", f"{tick:.1f}"])


def _handles(inputs: FigureInputs) -> list[Artist]:
    found: list[Artist] = [] if inputs.is_plain else [*classes.class_patches(inputs)]
    if inputs.is_plain:
        found.append(Line2D([], [], color=INK, label=inputs.positive_class))
    return [*found, Line2D([], [], label="most probable class", **MOST)]


def _caption(
    inputs: FigureInputs,
    labels: Mapping[str, str],
    counts: Mapping[str, Counts],
    every: Sequence[Measured],
    part: str,
) -> str:
    said = []
    for run, one in counts.items():
        of_classes = np.nanmean([expected_error(one[name]) for name in inputs.classes])
        said.append(f"{labels[run]} {expected_error(one[MOST_PROBABLE]):.3f} ({of_classes:.3f})")
    pixels, several = every[0].pixels, told_of_trainings(every)
    return (
        f"Reliability of probabilities over the {pixels:,} labelled pixels of part {part}, in {BINS} bins: "
        "share of pixels of which a class is true, against the mean probability that they are given of it; "
        "dashed: the most probable class of each pixel. Bins with less than a thousandth of the pixels are "
        "not drawn. Below: share of pixels by the probability of their most probable class. Expected "
        "calibration error (ECE) of the most probable class (in brackets: mean of all classes): "
        f"{'; '.join(said)}. {several}{' ' * bool(several)}{data_sentence(inputs.data_kind)}"
    )
