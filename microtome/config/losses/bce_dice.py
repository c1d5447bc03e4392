# SPDX-License-Identifier: MIT
"""Options of the loss `bce_dice`."""

from typing import ClassVar, Literal

from pydantic import Field

from microtome.config.section import Section


class BCEDice(Section):
    """Binary cross entropy plus a Dice loss of each output map of each sample (USE-Net)."""

    TARGET: ClassVar = "sigmoid"
    LABEL: ClassVar = "BCE + Dice"
    name: Literal["bce_dice"] = Field("bce_dice", description="this loss")
    weight: float = Field(
        0.5, ge=0, le=1, description="weight of the cross entropy; the Dice loss has the rest"
    )
    squared: bool = Field(
        False, description="squared denominators, as the paper's equation has them; its code has not"
    )
