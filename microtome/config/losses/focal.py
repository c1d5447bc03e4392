# SPDX-License-Identifier: MIT
"""Options of the loss `focal`."""

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat

from microtome.config.losses._classes import Activated
from microtome.config.section import option


class Focal(Activated):
    """Focal loss; `batch_mean` reproduces the thesis' Table 3, `per_pixel` is its equation 4."""

    TARGET: ClassVar = "sigmoid"
    name: Literal["focal"] = option("focal", "this loss")
    form: Literal["batch_mean", "per_pixel"] = option(
        "batch_mean", "batch_mean: of the thesis' Table 3; per_pixel: its equation 4"
    )
    alpha: float = option(
        0.8,
        "weight of the positive class; softmax: of all classes but the first, which has the rest",
        ge=0,
        le=1,
    )
    gamma: NonNegativeFloat = option(2.0, "how much well-predicted pixels are played down")
