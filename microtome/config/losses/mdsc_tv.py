# SPDX-License-Identifier: MIT
"""Options of the loss `mdsc_tv`."""

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from microtome.config.section import Section, option


class MDSCTV(Section):
    """Dice of each class and of all that is not of it, and the total variation of the probabilities."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "MDSC + TV"
    name: Literal["mdsc_tv"] = option("mdsc_tv", "this loss")
    complements: bool = option(
        True, "whether what is not of a class counts as the class does; false: the Dice loss of the classes"
    )
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
