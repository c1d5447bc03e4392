# SPDX-License-Identifier: MIT
"""Options of the loss `compound`."""

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat

from microtome.config.losses.weighted_cross_entropy import WeightedCrossEntropy


class Compound(WeightedCrossEntropy):
    """Weighted cross entropy plus Lovász-Softmax (Hyper-net)."""

    LABEL: ClassVar = "compound"
    name: Literal["compound"] = Field("compound", description="this loss")
    weight: NonNegativeFloat = Field(1.0, description="weight of Lovász-Softmax; 1 in the paper")
