# SPDX-License-Identifier: MIT
"""Options of the loss `iou`."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveFloat

from microtome.config.section import Section


class IoU(Section):
    """Soft Jaccard loss over the flattened batch."""

    TARGET: ClassVar = "sigmoid"
    name: Literal["iou"] = Field("iou", description="this loss")
    smooth: PositiveFloat = Field(1.0, description="added to numerator and denominator")
