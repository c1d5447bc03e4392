# SPDX-License-Identifier: MIT
"""Options of the loss `tversky`."""

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from microtome.config.losses._classes import Regions
from microtome.config.section import option


class Tversky(Regions):
    """Tversky loss; alpha weighs false positives, beta false negatives."""

    LABEL: ClassVar = "Tversky"
    TARGET: ClassVar = "sigmoid"
    name: Literal["tversky"] = option("tversky", "this loss")
    alpha: NonNegativeFloat = option(0.3, "weight of false positives")
    beta: NonNegativeFloat = option(0.7, "weight of false negatives")
    smooth: PositiveFloat = option(1.0, "added to numerator and denominator")
