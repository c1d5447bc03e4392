# SPDX-License-Identifier: MIT
"""Options of the loss `lovasz`."""

from typing import ClassVar, Literal

from microtome.config.section import Section, option


class Lovasz(Section):
    """Lovász-Softmax over the whole batch, mean of the classes that are present."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "Lovász-Softmax"
    name: Literal["lovasz"] = option("lovasz", "this loss")
    include_background: bool = option(True, "whether the first of data.classes counts")
