# SPDX-License-Identifier: MIT
"""Options of the loss `weighted_cross_entropy`."""

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeInt

from microtome.config.section import Section


class WeightedCrossEntropy(Section):
    """Softmax cross entropy; the weight of the positive class follows each batch's errors (Hyper-net)."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "weighted cross entropy"
    name: Literal["weighted_cross_entropy"] = Field("weighted_cross_entropy", description="this loss")
    positive: NonNegativeInt = Field(1, description="number of the positive class")
    counts: Literal["hard", "soft"] = Field(
        "hard", description="errors of the most probable class, or sums of probabilities"
    )
    momentum: float = Field(
        0.0, ge=0, lt=1, description="share of the mean of earlier batches in the weight; 0: this batch alone"
    )
    largest: float = Field(10.0, ge=1, description="upper limit of the weight")
