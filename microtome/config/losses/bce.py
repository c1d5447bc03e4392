# SPDX-License-Identifier: MIT
"""Options of the loss `bce`."""

from typing import ClassVar, Literal

from microtome.config.losses._classes import Activated
from microtome.config.section import option


class BCE(Activated):
    """Binary cross entropy on logits, mean; of several classes, that of each against the others."""

    TARGET: ClassVar = "sigmoid"
    LABEL: ClassVar = "BCE"
    name: Literal["bce"] = option("bce", "this loss")
