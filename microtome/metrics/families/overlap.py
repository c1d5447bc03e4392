# SPDX-License-Identifier: MIT
"""Overlap of the segmentation with the truth, class by class."""

import pandas as pd

from microtome.metrics import overlap
from microtome.metrics.families._context import Context, Measure

OF_CLASS = ("dice", "iou", "sensitivity", "specificity", "false_positive_rate", "precision")
OF_IMAGE = ("accuracy",)


def measure(context: Context) -> list[Measure]:
    """The metrics of `OF_CLASS` of each class, and the accuracy of the image."""
    counts = overlap.confusion_counts(context.truth, context.segmentation, classes=list(context.classes))
    values: dict[str, pd.Series] = {name: getattr(overlap, name)(counts) for name in OF_CLASS}
    found = [Measure(str(c), name, float(series[c])) for name, series in values.items() for c in series.index]
    return [*found, Measure("all", "accuracy", 1 - overlap.pixel_error(counts))]
