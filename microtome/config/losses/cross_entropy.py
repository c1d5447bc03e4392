# SPDX-License-Identifier: MIT
"""Options of the loss `cross_entropy`."""

from typing import ClassVar, Literal

from microtome.config.losses._classes import ClassWeights
from microtome.config.section import option


class CrossEntropy(ClassWeights):
    """Softmax cross entropy over integer classes."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "cross entropy"
    name: Literal["cross_entropy"] = option("cross_entropy", "this loss")
    normalize: Literal["weights", "count"] = option(
        "weights", "divide by the weights of the labelled pixels (as PyTorch) or by their count"
    )
