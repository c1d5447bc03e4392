# SPDX-License-Identifier: MIT
"""Options of the loss `weighted_cross_entropy`."""

from typing import ClassVar, Literal

from pydantic import NonNegativeInt

from microtome.config.section import Section, option


class WeightedCrossEntropy(Section):
    """Softmax cross entropy; the weight of a class follows each batch's errors (Hyper-net)."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "weighted cross entropy"
    name: Literal["weighted_cross_entropy"] = option("weighted_cross_entropy", "this loss")
    positive: NonNegativeInt | Literal["foreground", "all"] = option(
        "foreground",
        "number of the class whose weight follows its errors; foreground: each but the first; all: each",
    )
    counts: Literal["hard", "soft"] = option(
        "hard", "errors of the most probable class, or sums of probabilities"
    )
    momentum: float = option(
        0.0, "share of the mean of earlier batches in the weight; 0: this batch alone", ge=0, lt=1
    )
    largest: float = option(10.0, "upper limit of the weight", ge=1)
