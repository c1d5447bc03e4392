# SPDX-License-Identifier: MIT
"""Options of the loss `dice`."""

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from microtome.config.losses._classes import Regions
from microtome.config.section import option


class Dice(Regions):
    """Soft Dice loss over the flattened batch, or of several classes."""

    TARGET: ClassVar = "sigmoid"
    LABEL: ClassVar = "Dice"
    name: Literal["dice"] = option("dice", "this loss")
    smooth: PositiveFloat = option(1.0, "added to numerator and denominator")
