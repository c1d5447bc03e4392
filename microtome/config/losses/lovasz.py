# SPDX-License-Identifier: MIT
"""Options of the loss `lovasz`."""

from typing import ClassVar, Literal

from pydantic import Field

from microtome.config.section import Section


class Lovasz(Section):
    """Lovász-Softmax over the whole batch, mean of the classes that are present."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "Lovász-Softmax"
    name: Literal["lovasz"] = Field("lovasz", description="this loss")
