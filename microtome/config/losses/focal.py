# SPDX-License-Identifier: MIT
"""Options of the loss `focal`."""

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat

from microtome.config.section import Section


class Focal(Section):
    """Focal loss; `batch_mean` reproduces the thesis' Table 3, `per_pixel` is its equation 4."""

    TARGET: ClassVar = "sigmoid"
    name: Literal["focal"] = Field("focal", description="this loss")
    form: Literal["batch_mean", "per_pixel"] = Field(
        "batch_mean", description="batch_mean: of the thesis' Table 3; per_pixel: its equation 4"
    )
    alpha: float = Field(0.8, ge=0, le=1, description="weight of the positive class")
    gamma: NonNegativeFloat = Field(2.0, description="how much well-predicted pixels are played down")
