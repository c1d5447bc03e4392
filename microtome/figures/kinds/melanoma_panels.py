# SPDX-License-Identifier: MIT
"""One sample as several runs see it: picture, truth, and each run's probability map and segmentation."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources, file_of, needed
from microtome.figures.parts import classes, outcomes, panels
from microtome.figures.parts.samples import choose_samples, data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, PAGE, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"images", "runs"})
SAMPLE_OPTIONS = ("sample",)
SHOWN = ("image", "target", "predictions")
COLUMNS = 4
PAIR = 2
TITLE_HEIGHT = 0.17
FOOT = 0.52
"""Strip below the grid, inches."""
BAR = (0.12, 0.38, 1.4, 0.07)
"""Left, bottom, width and height of the colour bar, inches."""
ORDER = (outcomes.TP, outcomes.FP, outcomes.FN, outcomes.TN)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LONGEST = 30
"""Letters of a run's name that a title has room for."""


@styled
def draw(
    inputs: FigureInputs,
    *,
    runs: Sequence[str] = (),
    sample: str = "",
    group: str = "",
    mpp: float | None = None,
) -> FigureResult:
    """Draw one sample with the probability map and the segmentation of each run.

    Args:
        inputs: Run records and files of the samples.
        runs: Runs, in order; all by default. One that sees uncalibrated bands is a run like any other.
        sample: The sample; by default the first test sample (of the group) with a map by the first run.
        group: Group (magnification) to choose the sample from.
        mpp: Pixel size in micrometres, for a scale bar; by default what the image's file says.

    Returns:
        The figure. Its data: run, label, sample, group, pixels by outcome of the positive class, accuracy,
        false positive rate, true positive rate, Dice, mean probability.

    Raises:
        ValueError: A run, a sample of the group, or one of its files is missing, or sizes differ.
    """
    records = {record.run: record for record in reversed(inputs.select(runs))}
    order = list(dict.fromkeys(record.run for record in inputs.select(runs)))
    ((name, sources),) = choose_samples(
        inputs,
        samples=[sample] if sample else (),
        groups=[group] if group else (),
        count=1,
        run=order[0],
        needs=SHOWN,
    )
    image = panels.read_image(needed(sources, "image", name))
    truth = images.read(needed(sources, "target", name))
    panels.check_same_size(name, image=image, target=truth)
    figure, grid = _grid(len(order), image, inputs.data_kind)
    _draw_truth(grid[:PAIR], inputs, image, truth)
    panels.scale_bar(grid[0], image.shape[1], panels.pixel_size(sources.image, mpp))
    rows = []
    for index, run in enumerate(order):
        start = PAIR * (index + 1)
        pair = grid[start : start + PAIR]
        row, artist = _draw_run(pair, inputs, records[run], (name, sources), truth)
        rows.append(row)
        for axes, text in zip(pair, _titles(records[run], row), strict=True):
            _head(axes, grid, text)
    for axes, text in zip(grid[:PAIR], ("image", "truth"), strict=True):
        _head(axes, grid, text)
    for empty in grid[PAIR * (len(order) + 1) :]:
        empty.set_axis_off()
    _legend(figure, artist, inputs)
    data = pd.DataFrame(rows)
    return FigureResult(figure, data, _caption(inputs, name, data))


def _grid(runs: int, image: NDArray, data_kind: str) -> tuple[Figure, list[Axes]]:
    rows = -(-PAIR * (runs + 1) // COLUMNS)
    panel = DOUBLE_COLUMN / COLUMNS * image.shape[0] / image.shape[1]
    height = min(rows * (panel + TITLE_HEIGHT) + FOOT, PAGE)
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=data_kind)
    layout, foot = figure.get_layout_engine(), FOOT / figure.get_figheight()
    left, _, width, height = layout.get()["rect"]
    layout.set(rect=(left, foot, width, height - foot))
    return figure, list(figure.subplots(rows, COLUMNS, squeeze=False).ravel())


def _draw_truth(pair: Sequence[Axes], inputs: FigureInputs, image: NDArray, truth: NDArray) -> None:
    panels.show_image(pair[0], image)
    found = outcomes.outcome_map(truth, truth, inputs.class_id(inputs.positive_class))
    outcomes.show_outcomes(pair[1], inputs, found, inputs.positive_class)


def _draw_run(
    pair: Sequence[Axes],
    inputs: FigureInputs,
    record: RunRecord,
    chosen: tuple[str, SampleSources],
    truth: NDArray,
) -> tuple[dict[str, object], AxesImage]:
    name, sources = chosen
    path = file_of(sources.predictions, record.run, sample=name, what="prediction")
    probability = panels.read_probability(path, inputs, outputs=panels.outputs_of(record))
    found = images.read(file_of(sources.segmentations, record.run, sample=name, what="segmentation"))
    panels.check_same_size(name, target=truth, prediction=probability, segmentation=found)
    artist = panels.show_probability(pair[0], probability)
    sorted_pixels = outcomes.outcome_map(found, truth, inputs.class_id(inputs.positive_class))
    outcomes.show_outcomes(pair[1], inputs, sorted_pixels, inputs.positive_class)
    counts = {one: int(np.count_nonzero(sorted_pixels == outcomes.OUTCOMES.index(one))) for one in ORDER}
    row = {
        "run": record.run,
        "label": record.label,
        "sample": name,
        "group": inputs.groups.get(name, ""),
        **{outcome.replace(" ", "_"): count for outcome, count in counts.items()},
        **_scores(*counts.values()),
        "mean_probability": float(probability.mean(dtype=np.float64)),
    }
    return row, artist


def _scores(tp: int, fp: int, fn: int, tn: int) -> dict[str, float]:
    """Scores of an image from its outcomes; NaN where one is not defined."""

    def ratio(part: int, whole: int) -> float:
        return part / whole if whole else float("nan")

    return {
        "accuracy": ratio(tp + tn, tp + fp + fn + tn),
        "fpr": ratio(fp, fp + tn),
        "tpr": ratio(tp, tp + fn),
        "dice": ratio(2 * tp, 2 * tp + fp + fn),
    }


def _titles(record: RunRecord, row: dict[str, object]) -> tuple[str, str]:
    label = record.label if len(record.label) <= LONGEST else f"{record.label[: LONGEST - 1]}…"
    return label, f"accuracy {row['accuracy']:.3f}, Dice {row['dice']:.3f}"


def _head(axes: Axes, grid: Sequence[Axes], text: str) -> None:
    letter(axes, LETTERS[grid.index(axes) % len(LETTERS)], text, pad=2.5)


def _legend(figure: Figure, artist: AxesImage, inputs: FigureInputs) -> None:
    """Colours of the outcomes and of probabilities, in the strip below the grid."""
    positive = inputs.positive_class
    handles = outcomes.outcome_patches(inputs, positive)
    width, height = figure.get_size_inches()
    figure.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.03 / height), ncols=len(handles),
        handlelength=1.0, columnspacing=1.2, borderaxespad=0,
    ).set_in_layout(False)  # fmt: skip
    left, bottom, long, thick = BAR
    axes = figure.add_axes((left / width, bottom / height, long / width, thick / height))
    axes.set_in_layout(False)
    panels.probability_bar(axes, artist)
    axes.text(1.06, 0.5, f"probability of {positive}", va="center", transform=axes.transAxes)


def _caption(inputs: FigureInputs, name: str, data: pd.DataFrame) -> str:
    group = data["group"].iloc[0]
    of = f"{name} ({group})" if group else name
    scores = "; ".join(f"{row['label']} {row['dice']:.3f}" for row in data.to_dict("records"))
    letters = [LETTERS[index % len(LETTERS)] for index in range(PAIR, PAIR * (len(data) + 1))]
    return (
        f"Sample {of}: image (a), truth (b), and of each run the probability "
        f"of {inputs.positive_class} and the segmentation by outcome ({letters[0]} to {letters[-1]}). Dice "
        f"of {inputs.positive_class}: {scores}.{classes.tones_sentence(inputs)} "
        f"{data_sentence(inputs.data_kind)}"
    )
