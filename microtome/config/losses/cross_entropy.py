# SPDX-License-Identifier: MIT
"""Options of the loss `cross_entropy`."""

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, field_validator

from microtome.config.section import Section, option, refuse


class CrossEntropy(Section):
    """Softmax cross entropy over integer classes."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "cross entropy"
    name: Literal["cross_entropy"] = option("cross_entropy", "this loss")
    class_weight: tuple[NonNegativeFloat, ...] | None = option(
        None, "one weight for each of data.classes, not all 0; null: all 1", min_length=1
    )
    normalize: Literal["weights", "count"] = option(
        "weights", "divide by the weights of the labelled pixels (as PyTorch) or by their count"
    )

    @field_validator("class_weight")
    @classmethod
    def _counts(cls, class_weight: tuple[float, ...] | None) -> tuple[float, ...] | None:
        """Something has to be learnt."""
        if class_weight is not None and not any(class_weight):
            refuse("weights of which one at least is above 0")
        return class_weight
