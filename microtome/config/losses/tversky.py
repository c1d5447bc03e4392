# SPDX-License-Identifier: MIT
"""Options of the loss `tversky`."""

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from microtome.config.section import Section


class Tversky(Section):
    """Tversky loss; alpha weighs false positives, beta false negatives."""

    TARGET: ClassVar = "sigmoid"
    name: Literal["tversky"] = Field("tversky", description="this loss")
    alpha: NonNegativeFloat = Field(0.3, description="weight of false positives")
    beta: NonNegativeFloat = Field(0.7, description="weight of false negatives")
    smooth: PositiveFloat = Field(1.0, description="added to numerator and denominator")
