# SPDX-License-Identifier: MIT
"""Options of the loss `bce_dice`."""

from typing import ClassVar, Literal

from microtome.config.section import Section, option


class BCEDice(Section):
    """Binary cross entropy plus a Dice loss of each output map of each sample (USE-Net)."""

    TARGET: ClassVar = "sigmoid"
    LABEL: ClassVar = "BCE + Dice"
    name: Literal["bce_dice"] = option("bce_dice", "this loss")
    weight: float = option(0.5, "weight of the cross entropy; the Dice loss has the rest", ge=0, le=1)
    squared: bool = option(False, "squared denominators, as the paper's equation has them; its code has not")
