# SPDX-License-Identifier: MIT
"""Options of the loss `iou`."""

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from microtome.config.losses._classes import Regions
from microtome.config.section import option


class IoU(Regions):
    """Soft Jaccard loss over the flattened batch, or of several classes."""

    LABEL: ClassVar = "IoU"
    TARGET: ClassVar = "sigmoid"
    name: Literal["iou"] = option("iou", "this loss")
    smooth: PositiveFloat = option(1.0, "added to numerator and denominator")
