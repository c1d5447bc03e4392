# SPDX-License-Identifier: MIT
"""Options of the loss `mdsc_tv`."""

from typing import ClassVar, Literal

from microtome.config.losses._variation import Variation
from microtome.config.section import option


class MDSCTV(Variation):
    """Dice of each class and of all that is not of it, and the total variation of the probabilities."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "MDSC + TV"
    name: Literal["mdsc_tv"] = option("mdsc_tv", "this loss")
    complements: bool = option(
        True, "whether what is not of a class counts as the class does; false: as in `softmax_dice`"
    )
