# SPDX-License-Identifier: MIT
"""Options of the loss `iou`."""

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from microtome.config.section import Section, option


class IoU(Section):
    """Soft Jaccard loss over the flattened batch."""

    LABEL: ClassVar = "IoU"
    TARGET: ClassVar = "sigmoid"
    name: Literal["iou"] = option("iou", "this loss")
    smooth: PositiveFloat = option(1.0, "added to numerator and denominator")
