# SPDX-License-Identifier: MIT
"""Options of the loss `bce`."""

from typing import ClassVar, Literal

from pydantic import Field

from microtome.config.section import Section


class BCE(Section):
    """Binary cross entropy on logits, mean."""

    TARGET: ClassVar = "sigmoid"
    LABEL: ClassVar = "BCE"
    name: Literal["bce"] = Field("bce", description="this loss")
