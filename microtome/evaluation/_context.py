# SPDX-License-Identifier: MIT
"""What an evaluation sees of one image, and what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from microtome.targets import IGNORE


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
        probability: (K, H, W) float32; K = 1 is the probability of class 1.
        segmentation: (H, W) uint8 class indices.
        classes: Class names in order.
        thresholds: For sweeps.
        losses: Loss name to its options.
    """

    truth: np.ndarray
    probability: np.ndarray
    segmentation: np.ndarray
    classes: Sequence[str]
    thresholds: Sequence[float] = ()
    losses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def valid(self) -> np.ndarray:
        """Where the truth is known, (H, W) bool."""
        return self.truth != IGNORE
