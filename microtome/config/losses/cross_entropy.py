# SPDX-License-Identifier: MIT
"""Options of the loss `cross_entropy`."""

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat, field_validator
from pydantic_core import PydanticCustomError

from microtome.config.section import Section


class CrossEntropy(Section):
    """Softmax cross entropy over integer classes."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "cross entropy"
    name: Literal["cross_entropy"] = Field("cross_entropy", description="this loss")
    class_weight: tuple[NonNegativeFloat, ...] | None = Field(
        None, min_length=1, description="one weight for each of data.classes, not all 0; null: all 1"
    )
    normalize: Literal["weights", "count"] = Field(
        "weights",
        description="divide by the weights of the labelled pixels (as PyTorch) or by their count",
    )

    @field_validator("class_weight")
    @classmethod
    def _counts(cls, class_weight: tuple[float, ...] | None) -> tuple[float, ...] | None:
        """Something has to be learnt."""
        if class_weight is not None and not any(class_weight):
            kind, text = "class_weight", "weights of which one at least is above 0"
            raise PydanticCustomError(kind, text)
        return class_weight
