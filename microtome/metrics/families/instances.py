# SPDX-License-Identifier: MIT
"""Objects of the segmentation against the true objects, by the definitions in `microtome.metrics.instances`.

The measures are of the image (class `all`). An image without any object, true or predicted, has no value
(NaN); one with objects on one side alone scores 0, `sq` stays NaN without a match. The counts always have a
value. Pixels that are not labelled belong to no object.
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
    return [Measure("all", name, float(values[name])) for name in OF_IMAGE]


def _objects(instances: np.ndarray | None, side: str, remedy: str) -> np.ndarray:
    """The map of objects, if there is one."""
    if instances is None:
        msg = f"{side} has no map of objects, which the metrics 'instances' need; use {remedy}"
        raise ValueError(msg)
    return instances
