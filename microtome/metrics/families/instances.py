# SPDX-License-Identifier: MIT
"""Objects of the segmentation against the true objects, by the definitions in `microtome.metrics.instances`.

The measures are of the image (class `all`); where there are several classes of objects, also of each class
but the first, which is the background: an object matches objects of its class alone. An image without any
object, true or predicted, has no value (NaN); one with objects on one side alone scores 0, `sq` stays NaN
without a match. The counts always have a value. Pixels that are not labelled belong to no object.
"""

import numpy as np

from microtome.metrics.families._context import Context, Measure
from microtome.metrics.instances import score

OF_IMAGE = (
    "aji",
    "aji_plus",
    "pq",
    "dq",
    "sq",
    "object_f1",
    "object_precision",
    "object_recall",
    "dice",
    "truth_objects",
    "predicted_objects",
)
OF_OBJECT_CLASS = ("pq", "dq", "sq", "truth_objects", "predicted_objects", "iou_sum")
OF_OBJECT_CLASSES = ("mpq",)
"""Of each class of objects, and of all together, where there are several."""


def measure(context: Context) -> list[Measure]:
    """AJI, AJI+, panoptic, detection and segmentation quality, F1, precision, recall and counts of objects.

    `dice` is of the pixels in any object.

    Raises:
        ValueError: The truth or the segmentation has no map of objects.
    """
    truth = _objects(context.truth_instances, "the target", "labels with one value per object")
    segmented = _objects(context.segmented_instances, "the segmentation", "segment.kind watershed")
    valid = context.valid
    if not valid.all():
        truth, segmented = np.where(valid, truth, 0), np.where(valid, segmented, 0)
    scores = score(truth, segmented)
    values = vars(scores) | vars(scores.panoptic)
    values |= {f"object_{name}": values[name] for name in ("precision", "recall")}
    values["object_f1"] = scores.panoptic.dq
    found = [Measure("all", name, float(values[name])) for name in OF_IMAGE]
    return [*found, *_by_class(context, truth, segmented)] if len(context.classes) > 2 else found


def _by_class(context: Context, truth: np.ndarray, segmented: np.ndarray) -> list[Measure]:
    """The measures of each class; `mpq` as PanNuke's: the mean PQ over the classes with true objects."""
    found, of_truth = [], []
    for index, name in enumerate(context.classes[1:], start=1):
        scores = score(
            np.where(context.truth == index, truth, 0), np.where(context.segmentation == index, segmented, 0)
        )
        matched = scores.panoptic.true_positives
        values = vars(scores) | vars(scores.panoptic)
        values["iou_sum"] = scores.panoptic.sq * matched if matched else 0.0
        found += [Measure(name, metric, float(values[metric])) for metric in OF_OBJECT_CLASS]
        of_truth += [scores.panoptic.pq] if scores.truth_objects else []
    mean = float(np.mean(of_truth)) if of_truth else float("nan")
    return [*found, Measure("all", "mpq", mean)]


def _objects(instances: np.ndarray | None, side: str, remedy: str) -> np.ndarray:
    """The map of objects, if there is one."""
    if instances is None:
        msg = f"{side} has no map of objects, which the metrics 'instances' need; use {remedy}"
        raise ValueError(msg)
    return instances
