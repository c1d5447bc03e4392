# SPDX-License-Identifier: MIT
"""Overlap of the segmentation with the truth, by the definitions in `microtome.metrics.overlap`.

`pixels@NAME` of a class is the number of its pixels that were predicted as NAME: a row of the confusion
matrix, from which every other metric follows, of one image or of many together. A macro mean (`mean_dice`,
`mean_iou`, …) is over the classes, of those in `evaluate.mean_classes`, that have a value in the image.
"""

from collections.abc import Sequence

import pandas as pd

from microtome.metrics import overlap
from microtome.metrics.families._context import Context, Measure

OF_CLASS = (
    "dice",
    "iou",
    "sensitivity",
    "specificity",
    "false_positive_rate",
    "precision",
    "f{beta}",
    "pixels@{class}",
)
OF_IMAGE = (
    "mean_dice",
    "mean_iou",
    "mean_sensitivity",
    "mean_precision",
    "mean_f{beta}",
    "accuracy",
)
"""The first sorts images where a study does not say by what: accuracy is that of the largest class."""
LOWER_IS_BETTER = ("false_positive_rate",)
POOLED = ("mean_dice", "mean_iou", "mean_sensitivity", "mean_precision", "mean_f{beta}", "accuracy")
COUNTS = "pixels@{class}"
"""What all others follow from, so that they can be pooled over the pixels of many images."""


def measure(context: Context) -> list[Measure]:
    """The metrics of `OF_CLASS` of each class, then those of `OF_IMAGE`."""
    matrix = overlap.confusion_matrix(context.truth, context.segmentation, classes=list(context.classes))
    return of_matrix(matrix, betas=context.betas, mean_classes=context.mean_classes)


def of_matrix(
    matrix: pd.DataFrame, *, betas: Sequence[float] = (), mean_classes: Sequence[str] = ()
) -> list[Measure]:
    """The same of pixels that are counted already.

    Args:
        matrix: Pixels by true and predicted class (`microtome.metrics.overlap.confusion_matrix`).
        betas: Of F-beta, how many times as much sensitivity counts as precision.
        mean_classes: Classes that macro means are over; none named: all.
    """
    classes, named = list(matrix.columns), [f"f{beta:g}" for beta in betas]
    counts = overlap.one_against_rest(matrix)
    of_class = [name for name in OF_CLASS if "{" not in name] + named
    of_image = [name for name in OF_IMAGE if "{" not in name] + [f"{overlap.MEAN}{name}" for name in named]
    values = {name: overlap.class_scores(counts, name) for name in of_class}
    values |= {f"pixels@{name}": matrix[name].astype(float) for name in classes}
    found = [Measure(c, name, float(series[c])) for name, series in values.items() for c in classes]
    means = ((name, overlap.score(counts, name, mean_classes=mean_classes)) for name in of_image)
    return [*found, *(Measure(overlap.EVERY_CLASS, name, value) for name, value in means)]
