# SPDX-License-Identifier: MIT
"""Options of the loss `compound`."""

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat

from microtome.config.losses.weighted_cross_entropy import WeightedCrossEntropy
from microtome.config.section import option


class Compound(WeightedCrossEntropy):
    """Weighted cross entropy plus Lovász-Softmax (Hyper-net)."""

    LABEL: ClassVar = "compound"
    name: Literal["compound"] = option("compound", "this loss")
    weight: NonNegativeFloat = option(1.0, "weight of Lovász-Softmax; 1 in the paper")
