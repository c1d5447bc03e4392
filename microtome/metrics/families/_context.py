# SPDX-License-Identifier: MIT
"""What an evaluation sees of one image, and what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from microtome.class_maps import IGNORE


class Measure(NamedTuple):
    """One number: the class (`all` where it is of the image), the metric's name, the value."""

    class_name: str
    metric: str
    value: float


@dataclass(frozen=True)
class Context:
    """One image with its truth and its prediction.

    Attributes:
        truth: (H, W) uint8 class indices, `IGNORE` where unlabelled.
        probability: (K, H, W) float32, of the classes, or of the outputs, of which the first is of class 1.
        segmentation: (H, W) uint8 class indices.
        classes: Class names in order.
        thresholds: For sweeps.
        losses: Loss name to its options.
        betas: Of F-beta, how many times as much sensitivity counts as precision.
        mean_classes: Classes that macro means are over; none named: all.
        activation: `softmax` if the K maps are of the classes, which sum to 1; else `sigmoid`.
        truth_instances: (H, W) int32 ids of the true objects, 0 = background; None: it has no objects.
        segmented_instances: The same of the segmentation.
        full: (H, W) uint8 class indices of labels that are complete; None: the image has none.
        mpp: Side of a pixel in µm; None: it is not known.
        step: Distance of the probabilities that can be kept, 1/255 of maps of bytes; 0: any is kept.
        tolerance: Pixels within which a boundary counts as found.
    """

    truth: np.ndarray
    probability: np.ndarray
    segmentation: np.ndarray
    classes: Sequence[str]
    thresholds: Sequence[float] = ()
    losses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    betas: Sequence[float] = ()
    mean_classes: Sequence[str] = ()
    activation: str = "sigmoid"
    truth_instances: np.ndarray | None = None
    segmented_instances: np.ndarray | None = None
    full: np.ndarray | None = None
    mpp: float | None = None
    step: float = 0.0
    tolerance: float = 2.0

    @property
    def positive(self) -> np.ndarray:
        """The probability of class 1, (H, W): of maps of classes the second, else the first, the mask."""
        return self.probability[1 if self.activation == "softmax" else 0]

    @property
    def valid(self) -> np.ndarray:
        """Where the truth is known, (H, W) bool."""
        return self.truth != IGNORE
