# SPDX-License-Identifier: MIT
"""Options of the loss `dicebce`."""

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from microtome.config.section import Section, option


class DiceBCE(Section):
    """Dice plus binary cross entropy ("ELL" of the thesis)."""

    TARGET: ClassVar = "sigmoid"
    LABEL: ClassVar = "Dice + BCE"
    name: Literal["dicebce"] = option("dicebce", "this loss")
    smooth: PositiveFloat = option(1.0, "added to numerator and denominator")
