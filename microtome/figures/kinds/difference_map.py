# SPDX-License-Identifier: MIT
"""Where output and label differ, in colour and in numbers: outcomes of one class, or errors of all."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, file_of, needed
from microtome.figures.parts import classes, outcomes, panels
from microtome.figures.parts.pictures import write_titles
from microtome.figures.parts.style import DOUBLE_COLUMN, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.metrics.overlap import confusion_matrix, one_against_rest, score

NEEDS = frozenset({"images", "runs"})
CLASS_OPTIONS = ("of",)
SAMPLE_OPTIONS = ("sample",)
SHOWN = ("target", "segmentations")
TITLE_HEIGHT, GAP = 0.2, 0.06
"""Above and below the panels, inches."""


@styled
def draw(
    inputs: FigureInputs, *, run: str = "", sample: str = "", of: str = "", mpp: float | None = None
) -> FigureResult:
    """Draw the difference between segmentation and label of one sample.

    Args:
        inputs: Run records and files of the samples.
        run: The run; the first by default.
        sample: The sample; by default the first test sample that has what is shown.
        of: Class whose outcomes are shown; of two classes that of interest by default (the first that is not
            called `background`, `normal` or the like), of more all wrong pixels, in the colour of the class
            they were given.
        mpp: Pixel size in micrometres, for a scale bar.

    Returns:
        The figure. Its data: run, sample, class, outcome, pixels, share of the labelled pixels; of all
        classes run, sample, truth, prediction, pixels, share.

    Raises:
        ValueError: The run, the sample, the class or a file is missing.
    """
    record = inputs.select([run] if run else ())[0]
    name, sources = inputs.sample(sample, run=record.run, needs=SHOWN)
    shown = of or inputs.shown_class
    label = images.read(needed(sources, "target", name))
    output = images.read(file_of(sources.segmentations, record.run, sample=name, what="segmentation"))
    panels.check_same_size(name, label=label, segmentation=output)
    every = classes.shows_every_class(inputs, of)
    if every:
        data, caption = _confusions(inputs, output, label, record.label, name)
    else:
        found = outcomes.outcome_map(output, label, inputs.class_id(shown))
        data = outcomes.count_outcomes(found).assign(**{"class": shown})
        caption = _caption(data, record.label, name, shown)
    height, width = label.shape
    handles = _handles(inputs, label, shown, None if every else data)
    room = TITLE_HEIGHT + classes.legend_size(handles, DOUBLE_COLUMN)[1] + GAP
    tall = DOUBLE_COLUMN / 3 * height / width + room
    figure = new_figure(DOUBLE_COLUMN, tall, data_kind=inputs.data_kind)
    axes = figure.subplots(1, 3)
    tones = tuple(inputs.palette.values())
    panels.show_classes(axes[0], np.where(label == panels.IGNORE, panels.IGNORE, output), tones)
    panels.show_classes(axes[1], label, tones)
    show_difference(axes[2], inputs, output, label, of)
    write_titles(axes, ("output", "label", difference_title(inputs, of)))
    panels.scale_bar(axes[0], width, mpp)
    classes.add_legend(figure, handles)
    caption += classes.tones_sentence(inputs)
    return FigureResult(figure, data.assign(run=record.run, sample=name), caption)


def difference_title(inputs: FigureInputs, of: str) -> str:
    """Head the panel of `show_difference`."""
    if classes.shows_every_class(inputs, of):
        return "errors, by predicted class"
    return f"difference, {of or inputs.shown_class}"


def show_difference(axes: Axes, inputs: FigureInputs, output: NDArray, label: NDArray, of: str) -> None:
    """Show the outcomes of the class `of`, or the errors of all classes."""
    if classes.shows_every_class(inputs, of):
        classes.show_error_map(axes, inputs, output, label)
    else:
        shown = of or inputs.shown_class
        found = outcomes.outcome_map(output, label, inputs.class_id(shown))
        outcomes.show_outcomes(axes, inputs, found, shown)


def difference_patches(inputs: FigureInputs, of: str, *labels: NDArray) -> list[Patch]:
    """Give the legend of `show_difference` and of the labels beside it."""
    if classes.shows_every_class(inputs, of):
        return [*classes.class_patches(inputs, *labels), classes.right_patch(inputs)]
    named = [] if inputs.is_plain else classes.class_patches(inputs)
    missing = any((label == panels.IGNORE).any() for label in labels)
    return [*named, *outcomes.outcome_patches(inputs, of or inputs.shown_class, unlabelled=missing)]


def _handles(inputs: FigureInputs, label: NDArray, shown: str, data: pd.DataFrame | None) -> list[Patch]:
    """The legend: classes, then outcomes with their pixels (`data`) or what is right."""
    if data is None:
        return difference_patches(inputs, "", label)
    pixels = dict(zip(data["outcome"], data["pixels"], strict=True))
    named = [] if inputs.is_plain else classes.class_patches(inputs)
    told = outcomes.outcome_patches(inputs, shown, pixels, unlabelled=pixels[outcomes.LEFT_OUT] > 0)
    return [*named, *told]


def _confusions(
    inputs: FigureInputs, output: NDArray, label: NDArray, run: str, sample: str
) -> tuple[pd.DataFrame, str]:
    """Pixels of a sample by true and predicted class, and what they say."""
    matrix = confusion_matrix(label, output, classes=inputs.classes)
    counts, total = one_against_rest(matrix), int(matrix.to_numpy().sum())
    long = matrix.reset_index().melt("truth", value_name="pixels")
    wrong = long[long["truth"] != long["prediction"]].sort_values("pixels", ascending=False, kind="stable")
    most = wrong.iloc[0]
    taken = f"; most often {most['truth']} is taken for {most['prediction']} ({most['pixels']:,})"
    mean = score(counts, "mean_dice", mean_classes=inputs.mean_classes)
    caption = (
        f"Output of {run} and label of sample {sample}, and the wrong pixels in the colour of the class that "
        f"they were given: {wrong['pixels'].sum():,} of {total:,} labelled pixels"
        f"{taken if most['pixels'] else ''}. Mean Dice over the classes in the sample {mean:.3f}."
    )
    return long.assign(share=long["pixels"] / total), caption


def _caption(data: pd.DataFrame, label: str, sample: str, shown: str) -> str:
    count = dict(zip(data["outcome"], data["pixels"], strict=True))
    dice = outcomes.dice_of(count)
    return (
        f"Difference between the output of {label} and the label of sample {sample}, outcomes of {shown}: "
        f"{count['false positive']:,} false positive and {count['false negative']:,} false negative pixels "
        f"beside {count['true positive']:,} true positive ones ({shown} Dice {dice:.3f})."
    )
