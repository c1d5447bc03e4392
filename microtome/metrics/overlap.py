# SPDX-License-Identifier: MIT
"""Overlap of class maps: count once, then derive and reduce.

`confusion_matrix` counts the labelled pixels by true and predicted class, and `one_against_rest` makes tp,
fp, fn, tn of each class of it. Every metric is a ratio of these counts, so the counts of many images can be
added first (pooled over pixels), or the metric taken per image and averaged (mean over images).

A ratio with denominator 0 is NaN, "not defined here", and so leaves means and intervals alone: Dice, IoU and
precision of a class that neither truth nor prediction has, sensitivity of a class the truth lacks,
specificity of a class that fills the truth. A class that only the prediction has (or only the truth) scores
Dice 0. The macro mean of an image (``mean_dice``, ``mean_iou`` = mIoU, …) is over the classes with a value.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from microtome.class_maps import IGNORE
from microtome.metrics.undefined import UndefinedMetricError

COUNTS = ("tp", "fp", "fn", "tn")
EVERY_CLASS = "all"
MEAN = "mean_"
"""What the macro mean over the classes begins with."""

ClassMap = npt.NDArray[np.integer] | npt.NDArray[np.bool_]


def confusion_matrix(truth: ClassMap, prediction: ClassMap, *, classes: Sequence[str]) -> pd.DataFrame:
    """Count the labelled pixels by true class (rows) and predicted class (columns).

    Args:
        truth: True class of each pixel, integer 0 to len(classes) - 1 or `IGNORE`, any shape.
        prediction: Predicted class, same shape; free where the truth is not labelled.
        classes: Names of the classes; position = value in the maps.

    Returns:
        Pixels (int64), K x K, index ``truth`` and columns ``prediction``. Frames of several images add up.

    Raises:
        ValueError: If shapes or values do not fit, or no labelled pixel is left.

    Example:
        >>> truth, prediction = np.array([0, 1, 1, 255]), np.array([0, 1, 0, 0])
        >>> confusion_matrix(truth, prediction, classes=["membrane", "cell"]).to_numpy().tolist()
        [[1, 0], [1, 1]]
    """
    used = _labelled(truth, prediction)
    true, predicted = truth[used].astype(np.int64), prediction[used].astype(np.int64)
    for name, values in (("truth", true), ("prediction", predicted)):
        _validate_classes(name, values, classes)
    size = len(classes)
    table = np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)
    rows, columns = pd.Index(classes, name="truth"), pd.Index(classes, name="prediction")
    return pd.DataFrame(table, index=rows, columns=columns)


def one_against_rest(matrix: pd.DataFrame) -> pd.DataFrame:
    """Count true and false positives and negatives of each class against the rest.

    Args:
        matrix: Pixels by true and predicted class, as `confusion_matrix` has them.

    Returns:
        Pixels (int64), one row per class (index ``class``), columns `COUNTS`.
    """
    table = matrix.to_numpy()
    hits = np.diag(table)
    extra, missed = table.sum(axis=0) - hits, table.sum(axis=1) - hits
    columns = {"tp": hits, "fp": extra, "fn": missed, "tn": table.sum() - hits - extra - missed}
    return pd.DataFrame(columns, index=pd.Index(matrix.index, name="class"))


def confusion_counts(truth: ClassMap, prediction: ClassMap, *, classes: Sequence[str]) -> pd.DataFrame:
    """`one_against_rest` of the `confusion_matrix` of two maps, which has the arguments and the errors.

    Example:
        >>> truth, prediction = np.array([0, 1, 1, 255]), np.array([0, 1, 0, 0])
        >>> counts = confusion_counts(truth, prediction, classes=["membrane", "cell"])
        >>> counts.loc["cell"].tolist()
        [1, 0, 1, 1]
    """
    return one_against_rest(confusion_matrix(truth, prediction, classes=classes))


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


def f_beta(counts: pd.DataFrame, beta: float) -> pd.Series:
    """F-beta per class: weighted harmonic mean of precision and sensitivity; NaN for a class nobody has.

    Args:
        counts: Counts of `one_against_rest`.
        beta: How many times as much sensitivity counts as precision; 1 is Dice.

    Returns:
        (1 + beta²) tp / ((1 + beta²) tp + beta² fn + fp) of each class (van Rijsbergen 1979).

    Example:
        >>> counts = confusion_counts(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=["a", "b"])
        >>> f_beta(counts, 2).round(3).tolist()
        [0.833, 0.556]
    """
    hits = (1 + beta**2) * counts["tp"]
    return _ratio(hits, hits + beta**2 * counts["fn"] + counts["fp"], f"f{beta:g}")


BY_CLASS: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "dice": dice,
    "iou": iou,
    "sensitivity": sensitivity,
    "specificity": specificity,
    "false_positive_rate": false_positive_rate,
    "precision": precision,
}
"""Metrics of each class by name; `f1.5` and the like are `f_beta`."""


def class_scores(counts: pd.DataFrame, metric: str) -> pd.Series:
    """A metric of each class by its name: one of `BY_CLASS`, or `f1.5` and the like.

    Raises:
        ValueError: There is no such metric.
    """
    if metric in BY_CLASS:
        return BY_CLASS[metric](counts)
    number = metric.removeprefix("f")
    if number == metric or not number.replace(".", "", 1).isdigit():
        msg = f"{metric!r} does not follow from counts of pixels; {', '.join(BY_CLASS)} or f1, f1.5, … do"
        raise ValueError(msg)
    return f_beta(counts, float(number))


def score(
    counts: pd.DataFrame, metric: str, class_name: str = EVERY_CLASS, *, mean_classes: Sequence[str] = ()
) -> float:
    """A metric by the name that metric files give it.

    Args:
        counts: Counts of `one_against_rest`.
        metric: One that `class_scores` knows, of a class; of all together `mean_` and one of these (the macro
            mean), or `accuracy`.
        class_name: The class, or `EVERY_CLASS`.
        mean_classes: Classes of the macro mean; all by default. Those without a value are left out.

    Returns:
        The value, NaN where it is not defined.

    Raises:
        ValueError: There is no such metric, or none of that class.

    Example:
        >>> counts = confusion_counts(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=["a", "b", "c"])
        >>> [round(score(counts, name), 3) for name in ("mean_dice", "mean_iou", "accuracy")]
        [0.667, 0.5, 0.667]
    """
    is_mean = metric.startswith(MEAN)
    if metric == "accuracy" and class_name == EVERY_CLASS:
        return 1 - pixel_error(counts)
    values = class_scores(counts, metric.removeprefix(MEAN))
    if is_mean != (class_name == EVERY_CLASS):
        msg = f"{metric!r} of class {class_name!r}: {MEAN}… is of {EVERY_CLASS!r}, others are of a class"
        raise ValueError(msg)
    return float(values[list(mean_classes or values.index)].mean() if is_mean else values[class_name])


def scores_of(
    matrices: npt.NDArray[np.float64],
    classes: Sequence[str],
    metric: str,
    class_name: str = EVERY_CLASS,
    *,
    mean_classes: Sequence[str] = (),
) -> npt.NDArray[np.float64]:
    """`score` of many confusion matrices at once.

    Args:
        matrices: Pixels by true and predicted class, (..., K, K).
        classes: Names of the classes, in order.
        metric: As of `score`.
        class_name: As of `score`.
        mean_classes: As of `score`.

    Returns:
        A value of each matrix, (...), NaN where it is not defined.

    Example:
        >>> matrices = np.array([[[1.0, 0.0], [1.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]]])
        >>> scores_of(matrices, ["a", "b"], "accuracy").round(3).tolist()
        [0.667, 1.0]
        >>> scores_of(matrices, ["a", "b"], "dice", "b").round(3).tolist()
        [0.667, 1.0]
    """
    hits, every = np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(axis=(-2, -1))
    if metric == "accuracy" and class_name == EVERY_CLASS:
        return _mean(hits.sum(axis=-1), every)
    extra, missed = matrices.sum(axis=-2) - hits, matrices.sum(axis=-1) - hits
    counts = np.stack([hits, extra, missed, every[..., None] - hits - extra - missed], axis=-1)
    frame = pd.DataFrame(counts.reshape(-1, len(COUNTS)), columns=list(COUNTS))
    of_class = class_scores(frame, metric.removeprefix(MEAN)).to_numpy(float).reshape(hits.shape)
    if not metric.startswith(MEAN):
        return of_class[..., list(classes).index(class_name)]
    chosen = of_class[..., np.isin(classes, list(mean_classes or classes))]
    return _mean(np.nansum(chosen, axis=-1), (~np.isnan(chosen)).sum(axis=-1))


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
        raise UndefinedMetricError(msg)
    return used


def _validate_classes(name: str, values: npt.NDArray[np.int64], classes: Sequence[str]) -> None:
    if values.min() < 0 or values.max() >= len(classes):
        found = sorted(set(np.unique(values).tolist()) - set(range(len(classes))))
        allowed = f"{len(classes)} classes ({', '.join(classes)}) allow 0 to {len(classes) - 1}"
        msg = f"{name} has classes {found[:5]}; {allowed}"
        raise ValueError(msg)


def _mean(
    sums: npt.NDArray[np.float64], counts: npt.NDArray[np.integer] | npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Sums by counts, NaN where nothing is counted."""
    return np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=np.asarray(counts) > 0)


def _ratio(numerator: pd.Series, denominator: pd.Series, name: str) -> pd.Series:
    return (numerator / denominator.where(denominator > 0)).rename(name)
