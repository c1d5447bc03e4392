# SPDX-License-Identifier: MIT
"""Options of losses with the total variation of the classes' probabilities."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat

from microtome.config.section import Section, option


class Variation(Section):
    """A Dice loss with squared denominators, and the total variation beside it."""

    epsilon: PositiveFloat = option(1e-6, "added to denominators")
    tv_weight: NonNegativeFloat = option(1e-6, "weight of the total variation; 0: none")
    tv: Literal["sum", "windows", "mean"] = option(
        "sum",
        "total variation of a batch. sum: of all its pixels, as published with 48 windows; windows: the "
        "same as of 48 windows, however many there are; mean: of a pixel",
    )
    tv_pixels: Literal["all", "labelled"] = option(
        "all", "pixels whose probabilities are to vary little; labelled: pairs of neighbours with a label"
    )
