# SPDX-License-Identifier: MIT
"""One sample by several runs in one grid: what each gives for it, or where each differs from its label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources, file_of, needed
from microtome.figures.kinds.difference_map import difference_patches, difference_title, show_difference
from microtome.figures.parts import classes, outcomes, panels
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled, wrapped
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.metrics.overlap import confusion_matrix, one_against_rest, score
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"images", "runs"})
CLASS_OPTIONS = ("of",)
SAMPLE_OPTIONS = ("sample",)
SHOWN = ("image", "target", "predictions", "segmentations")
OUTPUTS, DIFFERENCES = "outputs", "differences"
COLUMNS = {OUTPUTS: 7, DIFFERENCES: 4}
"""Panels in a row: image and label, then the runs."""
LINE, BELOW, MARGIN = 0.12, 0.16, 0.1
"""Height of a line of a title, of the line below a panel, and of what is around, inches."""
BAR_ROOM = 0.38
"""Height of the colour bar with its name, inches."""
BESIDE = 0.2
"""Width of a panel's letter and of the gap to the next one, inches."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a run gives for the sample: probability of a class (H, W), class ids (H, W), and their score."""

    record: RunRecord
    probability: NDArray
    output: NDArray
    dice: float


@styled
def draw(
    inputs: FigureInputs,
    *,
    runs: Sequence[str] = (),
    sample: str = "",
    shows: Literal["outputs", "differences"] = OUTPUTS,
    of: str = "",
    mpp: float | None = None,
) -> FigureResult:
    """Draw one sample as several runs see it, all in one grid.

    Args:
        inputs: Run records and files of the sample.
        runs: Runs, in order; all by default.
        sample: The sample; by default the first test sample with maps by the first run.
        shows: ``outputs``: the probability of the positive class (of several classes that of the most
            probable one) over the segmentation; ``differences``: where segmentation and label differ.
        of: Class whose outcomes and Dice are told; of two classes that of interest by default (the first that
            is not called `background`, `normal` or the like), of more all of them.
        mpp: Pixel size in micrometres, for a scale bar; by default what the image's file says.

    Returns:
        The figure. Its data: run, label, sample, class, pixels by outcome of the class, Dice (of it in the
        sample); a row a class where all are told.

    Raises:
        ValueError: A run, the sample or one of its files is missing, sizes differ, or `shows` is neither.
    """
    if shows not in COLUMNS:
        msg = f"shows is {shows!r}; expected one of {list(COLUMNS)}"
        raise ValueError(msg)
    records = list({record.run: record for record in reversed(inputs.select(runs))}.values())[::-1]
    name, sources = inputs.sample(sample, run=records[0].run, needs=SHOWN)
    image, label = (
        panels.read_image(needed(sources, "image", name)),
        images.read(needed(sources, "target", name)),
    )
    told = _told(inputs, of)
    found = [_read(inputs, record, (name, sources), label, told) for record in records]
    figure, axes = _grid(inputs, shows, of, label, [one.record.label for one in found])
    panels.show_image(axes[0], image)
    panels.scale_bar(axes[0], image.shape[1], panels.pixel_size(sources.image, mpp))
    panels.show_classes(axes[1], label, tuple(inputs.palette.values()))
    draw_run = _draw_outputs if shows == OUTPUTS else _draw_difference
    for index, one in enumerate(found):
        draw_run(axes[2:], index, inputs, one, label, of)
    data = pd.DataFrame([row for one in found for row in _rows(inputs, one, name, label, told)])
    return FigureResult(figure, data, _caption(inputs, found, name, shows, of))


def _told(inputs: FigureInputs, of: str) -> tuple[str, ...]:
    """The classes whose outcomes are told."""
    return tuple(inputs.classes) if classes.shows_every_class(inputs, of) else (of or inputs.shown_class,)


def _read(
    inputs: FigureInputs,
    record: RunRecord,
    chosen: tuple[str, SampleSources],
    label: NDArray,
    told: Sequence[str],
) -> Found:
    """What a run made of the sample."""
    name, sources = chosen
    path = file_of(sources.predictions, record.run, sample=name, what="prediction")
    output = images.read(file_of(sources.segmentations, record.run, sample=name, what="segmentation"))
    if len(inputs.classes) > classes.TWO:
        maps = [panels.read_probability(path, inputs, one) for one in inputs.classes]
        probability = np.max(maps, axis=0)
    else:
        probability = panels.read_probability(path, inputs, outputs=panels.outputs_of(record))
    panels.check_same_size(name, label=label, prediction=probability, segmentation=output)
    if len(told) == 1:
        pixels = _pixels(inputs, output, label, told[0])
        return Found(record, probability, output, outcomes.dice_of(pixels))
    counts = one_against_rest(confusion_matrix(label, output, classes=inputs.classes))
    return Found(record, probability, output, score(counts, "mean_dice", mean_classes=inputs.mean_classes))


def _pixels(inputs: FigureInputs, output: NDArray, label: NDArray, of: str) -> Mapping[str, int]:
    """Pixels of the sample by outcome of a class."""
    counts = outcomes.count_outcomes(outcomes.outcome_map(output, label, inputs.class_id(of)))
    return dict(zip(counts["outcome"], map(int, counts["pixels"]), strict=True))


def _grid(
    inputs: FigureInputs, shows: str, of: str, label: NDArray, names: Sequence[str]
) -> tuple[Figure, list[Axes]]:
    """The figure with its legend and titles; axes of image and label, then those of the runs in order.

    Of outputs each run has two axes above each other: first all upper ones, then all lower ones.
    """
    columns = COLUMNS[shows]
    beside = columns - 1 if shows == OUTPUTS else columns
    panel = DOUBLE_COLUMN / columns
    titles = [wrapped(name, panel - BESIDE) for name in names]
    rows = 2 * -(-len(names) // beside) if shows == OUTPUTS else -(-(len(names) + 2) // columns)
    lines = max(title.count("\n") for title in titles) + 1
    handles: list[Artist] = [*_handles(inputs, shows, of, label)]
    legend = classes.legend_size(handles, DOUBLE_COLUMN)[1] + BAR_ROOM * (shows == OUTPUTS)
    tall = rows * (panel * label.shape[0] / label.shape[1] + BELOW) + lines * LINE * rows + legend + MARGIN
    figure = new_figure(DOUBLE_COLUMN, tall, data_kind=inputs.data_kind)
    grid = figure.subplots(rows, columns, squeeze=False)
    classes.add_legend(figure, handles)
    if shows == OUTPUTS:
        upper, lower = list(grid[::2, 1:].ravel()), list(grid[1::2, 1:].ravel())
        empty = [*grid[2:, 0], *upper[len(names) :], *lower[len(names) :]]
        axes = [grid[0, 0], grid[1, 0], *upper[: len(names)], *lower[: len(names)]]
    else:
        flat = list(grid.ravel())
        axes, empty = flat[: len(names) + 2], flat[len(names) + 2 :]
    for one in empty:
        one.set_axis_off()
    for one, key, title in zip(axes, ascii_lowercase, ("image", "label", *titles), strict=False):
        letter(one, key, title)
    return figure, axes


def _handles(inputs: FigureInputs, shows: str, of: str, label: NDArray) -> list[Artist]:
    if shows == OUTPUTS:
        return [*classes.class_patches(inputs, label)]
    return [*difference_patches(inputs, of, label)]


def _draw_outputs(
    axes: Sequence[Axes], index: int, inputs: FigureInputs, one: Found, label: NDArray, of: str
) -> None:
    """The probability above, the segmentation below; the first probability has the colour bar."""
    upper, lower = axes[index], axes[len(axes) // 2 + index]
    artist = panels.show_probability(upper, one.probability)
    panels.show_classes(
        lower, np.where(label == panels.IGNORE, panels.IGNORE, one.output), tuple(inputs.palette.values())
    )
    lower.set_xlabel(f"Dice {one.dice:.3f}")
    if index == 0:
        several = len(inputs.classes) > classes.TWO
        named = "largest probability" if several else f"probability of {inputs.positive_class}"
        bar = upper.figure.colorbar(
            artist, ax=list(upper.figure.axes), orientation="horizontal", aspect=60, shrink=0.3, pad=0.02,
            ticks=[0, 0.5, 1], label=named,
        )  # fmt: skip
        bar.outline.set_linewidth(0.5)


def _draw_difference(
    axes: Sequence[Axes], index: int, inputs: FigureInputs, one: Found, label: NDArray, of: str
) -> None:
    show_difference(axes[index], inputs, one.output, label, of)
    every = classes.shows_every_class(inputs, of)
    axes[index].set_xlabel(
        f"{'mean Dice' if every else f'Dice of {of or inputs.shown_class}'} {one.dice:.3f}"
    )


def _rows(
    inputs: FigureInputs, one: Found, sample: str, label: NDArray, told: Sequence[str]
) -> list[dict[str, object]]:
    rows = []
    for of in told:
        pixels = _pixels(inputs, one.output, label, of)
        named = {outcome.replace(" ", "_"): pixels[outcome] for outcome in outcomes.OUTCOMES}
        dice = outcomes.dice_of(pixels)
        rows.append(
            {"run": one.record.run, "label": one.record.label, "sample": sample, "class": of}
            | named
            | {"dice": dice}
        )
    return rows


def _caption(inputs: FigureInputs, found: Sequence[Found], sample: str, shows: str, of: str) -> str:
    every = classes.shows_every_class(inputs, of)
    which = "mean over the classes" if every else f"of {of or inputs.shown_class}"
    scores = "; ".join(f"{one.record.label} {one.dice:.3f}" for one in found)
    last = ascii_lowercase[min(len(found) + 1, len(ascii_lowercase) - 1)]
    if shows == DIFFERENCES:
        each = f"and of each run its {difference_title(inputs, of)}"
    else:
        several = len(inputs.classes) > classes.TWO
        named = "the largest probability" if several else f"the probability of {inputs.positive_class}"
        each = f"and of each run {named} (above) and its output (below)"
    return (
        f"Sample {sample}: image (a), label (b), {each} (c to {last}). Dice {which} in this sample: {scores}."
        f"{classes.tones_sentence(inputs)} {data_sentence(inputs.data_kind)}"
    )
