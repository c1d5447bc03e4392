# SPDX-License-Identifier: MIT
"""Reliability of probabilities: how often a class is true where it is given a probability, by run."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, needed
from microtome.figures.parts import classes, panels
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
from microtome.inference.calibration import Histogram, histogram
from microtome.io import views
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"images", "runs"})
BINS = 15
"""As Guo et al. have them."""
LEAST = 1e-3
"""Share of the pixels that a bin must have to be drawn."""
READ = 2**20
"""Pixels that are read at once."""
MOST_PROBABLE = "all"
"""What stands for the most probable class, whichever it is, among the classes of the data."""
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
Counts = dict[str, Histogram]


@styled
def draw(
    inputs: FigureInputs, *, runs: Sequence[str] = (), part: str = "test", bins: int = BINS
) -> FigureResult:
    """Draw how often a class is true among the labelled pixels that are given a probability of it.

    The dashed line is of the most probable class of each pixel: how often it is right. Its expected
    calibration error (ECE) is the mean distance from the diagonal, weighted by pixels (Guo et al., ICML 2017,
    arXiv:1706.04599); that of the classes is the mean of their own (Kull et al., NeurIPS 2019,
    arXiv:1910.12656).

    Args:
        inputs: Run records with probability maps, and targets.
        runs: Runs, a panel each, in order; all by default. Seeds and splits of a run are counted together.
        part: Part of the split that was evaluated.
        bins: Bins of equal width of the probability.

    Returns:
        The figure. Its data, by run, class (``all`` for the most probable one) and bin with pixels: run,
        label, class, low, high, pixels, positives, predicted (mean probability), observed (share that is
        true), ece (of the class).

    Raises:
        ValueError: A run has no maps of labelled images of the part, or one fits neither image nor classes.
    """
    records = inputs.select(runs)
    order = list(dict.fromkeys(record.run for record in records))
    labels = {record.run: record.label for record in records}
    counts = {run: _count(inputs, [r for r in records if r.run == run], part, bins) for run in order}
    data = pd.concat([_table(run, labels[run], counts[run]) for run in order], ignore_index=True)
    figure = _draw(inputs, labels, counts)
    return FigureResult(figure, data, _caption(inputs, labels, counts, part))


def expected_error(counts: Histogram) -> float:
    """Mean distance of frequency and probability over bins, weighted by their pixels; NaN without any.

    Example:
        >>> expected_error(Histogram(np.array([1, 3]), np.array([0, 3]), np.array([0.2, 2.4])))
        0.2
    """
    total = counts.pixels.sum()
    return float(np.abs(counts.positives - counts.sums).sum() / total) if total else float("nan")


def _count(inputs: FigureInputs, records: Sequence[RunRecord], part: str, bins: int) -> Counts:
    """The pixels of all images of a run by class and probability.

    Raises:
        ValueError: There is none.
    """
    total: Counts = {}
    for record in records:
        maps = views.samples(*sorted(record.folder.glob("predictions/*")))
        for name in _tested(inputs, record, part):
            if name not in maps:
                msg = f"no probabilities of sample {name!r} by run {record.run!r}; predict it"
                raise ValueError(msg)
            for counts in _of_image(
                inputs, record, maps[name], needed(inputs.sources[name], "target", name), bins
            ):
                total = {key: total[key] + one if key in total else one for key, one in counts.items()}
    if not total:
        msg = f"run {records[0].run!r} has no labelled image in part {part!r}; name another part or run"
        raise ValueError(msg)
    return total


def _tested(inputs: FigureInputs, record: RunRecord, part: str) -> list[str]:
    """The labelled images of a part that a run was evaluated on."""
    metrics = record.metrics
    found = metrics.loc[metrics["part"] == part, "sample"].drop_duplicates()
    return sorted(name for name in found if name in inputs.sources and inputs.sources[name].target)


def _of_image(
    inputs: FigureInputs, record: RunRecord, path: Path, target: Path, bins: int
) -> Iterator[Counts]:
    """Counts of each band of an image.

    Raises:
        ValueError: Map and target have different sizes, or the map does not fit the classes.
    """
    source, truth = views.open_map(path), views.open_raster(target)
    if source.shape[1:] != truth.shape[1:]:
        msg = f"{path} has {source.shape[1:]} pixels, its target {truth.shape[1:]}; predict it again"
        raise ValueError(msg)
    rows, columns = source.shape[1:]
    height = max(READ // columns, 1)
    for top in range(0, rows, height):
        window = top, 0, min(height, rows - top), columns
        probability = _by_class(inputs, record, source.read(*window), path)
        yield count_band(probability, truth.read(*window)[0], inputs.classes, bins)


def _by_class(inputs: FigureInputs, record: RunRecord, values: NDArray, path: Path) -> NDArray[np.float32]:
    """Probabilities (K, h, w) of all classes in a band (C, h, w) of a map.

    Raises:
        ValueError: The number of channels fits neither.
    """
    outputs = panels.outputs_of(record)
    found = values[:1] if outputs and outputs[0] in panels.MASKS else values
    if len(found) == 1 and len(inputs.classes) == classes.TWO:
        pair = (1 - found[0], found[0])
        return np.stack(pair if inputs.class_id(inputs.output_class) else pair[::-1])
    if len(found) != len(inputs.classes):
        msg = f"{path} has {len(found)} channels; expected one for each of {list(inputs.classes)}"
        raise ValueError(msg)
    return found


def count_band(probability: NDArray[np.float32], truth: NDArray, names: Sequence[str], bins: int) -> Counts:
    """Count labelled pixels by the probability of each class, and of the most probable one.

    Args:
        probability: (K, h, w), 0 to 1.
        truth: Class ids (h, w), `panels.IGNORE` where there is no label.
        names: The K classes.
        bins: Bins of equal width.

    Returns:
        Pixels and those of which the class is true, by class; ``all``: of the most probable class.

    Example:
        >>> counts = count_band(np.array([[[0.9, 0.4]], [[0.1, 0.6]]]), np.array([[0, 0]]), ["a", "b"], 2)
        >>> [counts[name].positives.tolist() for name in ("a", "b", "all")]
        [[1, 1], [0, 0], [0, 1]]
    """
    labelled = truth != panels.IGNORE
    shares, ids = probability[:, labelled], truth[labelled]
    found = {name: histogram(shares[value], ids == value, bins) for value, name in enumerate(names)}
    best = shares.argmax(0)
    confidence = np.take_along_axis(shares, best[None], 0)[0]
    return found | {MOST_PROBABLE: histogram(confidence, best == ids, bins)}


def _table(run: str, label: str, counts: Counts) -> pd.DataFrame:
    """A row for each class and bin with pixels."""
    frames = []
    for name, one in counts.items():
        edges = np.linspace(0, 1, one.pixels.size + 1)
        frame = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "pixels": one.pixels})
        frame = frame.assign(positives=one.positives, sums=one.sums)[one.pixels > 0]
        frame = frame.assign(
            predicted=frame["sums"] / frame["pixels"], observed=frame["positives"] / frame["pixels"]
        )
        frames.append(frame.drop(columns="sums").assign(ece=expected_error(one)))
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
    top = max(np.max(one[MOST_PROBABLE].pixels / one[MOST_PROBABLE].pixels.sum()) for one in counts.values())
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


def _points(counts: Histogram) -> tuple[NDArray, NDArray]:
    """Mean probability and share that is true of the bins that have enough pixels."""
    used = counts.pixels > LEAST * counts.pixels.sum()
    return counts.sums[used] / counts.pixels[used], counts.positives[used] / counts.pixels[used]


def _draw_counts(axes: Axes, counts: Histogram, top: float) -> None:
    """Share of pixels by the probability of their most probable class, at most `top` in all panels."""
    width, shares = 1 / counts.pixels.size, counts.pixels / counts.pixels.sum()
    edges = np.arange(counts.pixels.size) * width
    axes.bar(edges, shares, width=width, align="edge", color=GREY, edgecolor="white", linewidth=0.3)
    tick = np.floor(10 * top) / 10 or 0.1
    axes.set(xlim=LIMITS, ylim=(0, max(top, tick)), xticks=[0, 0.5, 1], yticks=[0, tick])
    axes.set_yticklabels(["0", f"{tick:.1f}"])


def _handles(inputs: FigureInputs) -> list[Artist]:
    found: list[Artist] = [] if inputs.is_plain else [*classes.class_patches(inputs)]
    if inputs.is_plain:
        found.append(Line2D([], [], color=INK, label=inputs.positive_class))
    return [*found, Line2D([], [], label="most probable class", **MOST)]


def _caption(inputs: FigureInputs, labels: Mapping[str, str], counts: Mapping[str, Counts], part: str) -> str:
    said = []
    for run, one in counts.items():
        of_classes = np.nanmean([expected_error(one[name]) for name in inputs.classes])
        said.append(f"{labels[run]} {expected_error(one[MOST_PROBABLE]):.3f} ({of_classes:.3f})")
    pixels = int(next(iter(counts.values()))[MOST_PROBABLE].pixels.sum())
    bins = next(iter(counts.values()))[MOST_PROBABLE].pixels.size
    return (
        f"Reliability of probabilities over the {pixels:,} labelled pixels of part {part}, in {bins} bins: "
        "share of pixels of which a class is true, against the mean probability that they are given of it; "
        "dashed: the most probable class of each pixel. Bins with less than a thousandth of the pixels are "
        "not drawn. Below: share of pixels by the probability of their most probable class. Expected "
        "calibration error (ECE) of the most probable class (in brackets: mean of all classes): "
        f"{'; '.join(said)}. {data_sentence(inputs.data_kind)}"
    )
