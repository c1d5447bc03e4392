# SPDX-License-Identifier: MIT
"""Overlap of class maps: count once per class, then derive and reduce.

`confusion_counts` gives tp, fp, fn, tn per class, one class against the rest, over the labelled pixels. Every
metric is a ratio of these counts, so the counts of many images can be added first, or the metric taken per
image and averaged.

A ratio with denominator 0 is NaN, "not defined here", and so leaves means and intervals alone: Dice, IoU and
precision of a class that neither truth nor prediction has, sensitivity of a class the truth lacks,
specificity of a class that fills the truth. A class that only the prediction has (or only the truth) scores
Dice 0.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from microtome.class_maps import IGNORE

COUNTS = ("tp", "fp", "fn", "tn")

ClassMap = npt.NDArray[np.integer] | npt.NDArray[np.bool_]


def confusion_counts(
    truth: ClassMap,
    prediction: ClassMap,
    *,
    classes: Sequence[str],
) -> pd.DataFrame:
    """Count true and false positives and negatives of each class against the rest.

    Args:
        truth: True class of each pixel, integer 0 to len(classes) - 1 or `IGNORE`, any shape.
        prediction: Predicted class, same shape; free where the truth is not labelled.
        classes: Names of the classes; position = value in the maps.

    Returns:
        Pixels (int64), one row per class (index ``class``), columns `COUNTS`. Frames of several images add
        up.

    Raises:
        ValueError: If shapes or values do not fit, or no labelled pixel is left.

    Example:
        >>> truth, prediction = np.array([0, 1, 1, 255]), np.array([0, 1, 0, 0])
        >>> counts = confusion_counts(truth, prediction, classes=["membrane", "cell"])
        >>> counts.loc["cell"].tolist()
        [1, 0, 1, 1]
    """
    used = _labelled(truth, prediction)
    true, predicted = truth[used].astype(np.int64), prediction[used].astype(np.int64)
    for name, values in (("truth", true), ("prediction", predicted)):
        _validate_classes(name, values, classes)
    size = len(classes)
    table = np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)
    return _one_against_rest(table, classes)


def dice(counts: pd.DataFrame) -> pd.Series:
    """Dice coefficient 2 tp / (2 tp + fp + fn) per class, 0 to 1; NaN for a class nobody has.

    Args:
        counts: Counts of `confusion_counts`.

    Returns:
        One value per class.

    Example:
        >>> frame = confusion_counts(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=["a", "b", "c"])
        >>> dice(frame).round(3).tolist()
        [0.667, 0.667, nan]
    """
    return _ratio(2 * counts["tp"], 2 * counts["tp"] + counts["fp"] + counts["fn"], "dice")


def iou(counts: pd.DataFrame) -> pd.Series:
    """Intersection over union (Jaccard index) tp / (tp + fp + fn) per class; NaN for a class nobody has."""
    return _ratio(counts["tp"], counts["tp"] + counts["fp"] + counts["fn"], "iou")


def sensitivity(counts: pd.DataFrame) -> pd.Series:
    """Sensitivity (recall, true positive rate) tp / (tp + fn) per class; NaN for a class the truth lacks."""
    return _ratio(counts["tp"], counts["tp"] + counts["fn"], "sensitivity")


def specificity(counts: pd.DataFrame) -> pd.Series:
    """Specificity (true negative rate) tn / (tn + fp) per class; NaN for a class that fills the truth."""
    return _ratio(counts["tn"], counts["tn"] + counts["fp"], "specificity")


def false_positive_rate(counts: pd.DataFrame) -> pd.Series:
    """False positive rate fp / (fp + tn) per class; NaN for a class that fills the truth."""
    return _ratio(counts["fp"], counts["fp"] + counts["tn"], "false_positive_rate")


def precision(counts: pd.DataFrame) -> pd.Series:
    """Precision (positive predictive value) tp / (tp + fp) per class; NaN for a class never predicted."""
    return _ratio(counts["tp"], counts["tp"] + counts["fp"], "precision")


def pixel_error(counts: pd.DataFrame) -> float:
    """Share of pixels given a wrong class, over all classes (1 - overall accuracy).

    Args:
        counts: Counts of all classes (each wrong pixel is a false negative of exactly one of them).

    Returns:
        Pixel error, 0 to 1.

    Example:
        >>> counts = confusion_counts(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0]), classes=list("abc"))
        >>> pixel_error(counts)
        0.25
    """
    return float(counts["fn"].sum() / counts[list(COUNTS)].iloc[0].sum())


def _labelled(truth: ClassMap, prediction: ClassMap) -> npt.NDArray[np.bool_]:
    if truth.shape != prediction.shape:
        msg = f"truth {truth.shape} and prediction {prediction.shape}: expected one shape"
        raise ValueError(msg)
    used = truth != IGNORE
    if not used.any():
        msg = f"none of {truth.size} pixels is labelled (all are {IGNORE}); leave this image out"
        raise ValueError(msg)
    return used


def _validate_classes(name: str, values: npt.NDArray[np.int64], classes: Sequence[str]) -> None:
    if values.min() < 0 or values.max() >= len(classes):
        found = sorted(set(np.unique(values).tolist()) - set(range(len(classes))))
        allowed = f"{len(classes)} classes ({', '.join(classes)}) allow 0 to {len(classes) - 1}"
        msg = f"{name} has classes {found[:5]}; {allowed}"
        raise ValueError(msg)


def _one_against_rest(table: npt.NDArray[np.int64], classes: Sequence[str]) -> pd.DataFrame:
    hits = np.diag(table)
    extra, missed = table.sum(axis=0) - hits, table.sum(axis=1) - hits
    columns = {"tp": hits, "fp": extra, "fn": missed, "tn": table.sum() - hits - extra - missed}
    return pd.DataFrame(columns, index=pd.Index(classes, name="class"))


def _ratio(numerator: pd.Series, denominator: pd.Series, name: str) -> pd.Series:
    return (numerator / denominator.where(denominator > 0)).rename(name)
