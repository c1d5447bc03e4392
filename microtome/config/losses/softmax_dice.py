# SPDX-License-Identifier: MIT
"""Options of the loss `softmax_dice`."""

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat

from microtome.config.losses._variation import Variation
from microtome.config.section import option


class SoftmaxDice(Variation):
    """Dice of each class, summed, with squared denominators; total variation if it is asked for."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "Dice, softmax"
    name: Literal["softmax_dice"] = option("softmax_dice", "this loss")
    tv_weight: NonNegativeFloat = option(0.0, "weight of the total variation; 0: none")
