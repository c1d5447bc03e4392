# SPDX-License-Identifier: MIT
"""Options of the loss `bce`."""

from typing import ClassVar, Literal

from microtome.config.section import Section, option


class BCE(Section):
    """Binary cross entropy on logits, mean."""

    TARGET: ClassVar = "sigmoid"
    LABEL: ClassVar = "BCE"
    name: Literal["bce"] = option("bce", "this loss")
