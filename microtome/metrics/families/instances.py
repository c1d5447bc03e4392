# SPDX-License-Identifier: MIT
"""Objects of the segmentation against the true objects, by the definitions in `microtome.metrics.instances`.

The measures are of the image (class `all`). An image without any object, true or predicted, has no value
(NaN); one with objects on one side alone scores 0, `sq` stays NaN without a match. The counts always have a
value. Pixels that are not labelled belong to no object.
"""

import numpy as np

from microtome.metrics.families._context import Context, Measure
from microtome.metrics.instances import InstanceScores, score

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
    values = _values(score(truth, segmented))
    return [Measure("all", name, float(value)) for name, value in values.items()]


def _values(scores: InstanceScores) -> dict[str, float]:
    """Metric name to value."""
    return {
        "aji": scores.aji,
        "aji_plus": scores.aji_plus,
        "pq": scores.panoptic.pq,
        "dq": scores.panoptic.dq,
        "sq": scores.panoptic.sq,
        "object_f1": scores.panoptic.dq,
        "object_precision": scores.precision,
        "object_recall": scores.recall,
        "dice": scores.dice,
        "truth_objects": scores.truth_objects,
        "predicted_objects": scores.predicted_objects,
    }


def _objects(instances: np.ndarray | None, side: str, remedy: str) -> np.ndarray:
    """The map of objects, if there is one."""
    if instances is None:
        msg = f"{side} has no map of objects, which the metrics 'instances' need; use {remedy}"
        raise ValueError(msg)
    return instances
