# SPDX-License-Identifier: MIT
"""Options of the loss `dicebce`."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveFloat

from microtome.config.section import Section


class DiceBCE(Section):
    """Dice plus binary cross entropy ("ELL" of the thesis)."""

    TARGET: ClassVar = "sigmoid"
    LABEL: ClassVar = "Dice + BCE"
    name: Literal["dicebce"] = Field("dicebce", description="this loss")
    smooth: PositiveFloat = Field(1.0, description="added to numerator and denominator")
