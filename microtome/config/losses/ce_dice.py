# SPDX-License-Identifier: MIT
"""Options of the loss `ce_dice`."""

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from microtome.config.losses._classes import ClassRegions, ClassWeights
from microtome.config.section import option


class CEDice(ClassWeights, ClassRegions):
    """Softmax cross entropy plus the Dice loss of several classes."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "cross entropy + Dice"
    name: Literal["ce_dice"] = option("ce_dice", "this loss")
    weight: float = option(0.5, "weight of the cross entropy; the Dice loss has the rest", ge=0, le=1)
    smooth: PositiveFloat = option(1.0, "Dice: added to numerator and denominator")
