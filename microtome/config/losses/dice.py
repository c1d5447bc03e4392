# SPDX-License-Identifier: MIT
"""Options of the loss `dice`."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveFloat

from microtome.config.section import Section


class Dice(Section):
    """Soft Dice loss over the flattened batch."""

    TARGET: ClassVar = "sigmoid"
    LABEL: ClassVar = "Dice"
    name: Literal["dice"] = Field("dice", description="this loss")
    smooth: PositiveFloat = Field(1.0, description="added to numerator and denominator")
