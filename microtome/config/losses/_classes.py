# SPDX-License-Identifier: MIT
"""Options that several losses of classes share."""

from typing import Literal

from pydantic import NonNegativeFloat, field_validator

from microtome.config.section import Section, option, refuse

INVERSE_FREQUENCY = "inverse_frequency"


class ClassWeights(Section):
    """Weights of the classes in a cross entropy."""

    class_weight: tuple[NonNegativeFloat, ...] | Literal["inverse_frequency"] | None = option(
        None,
        "one weight for each of data.classes, not all 0; inverse_frequency: N / (K n) of the labelled pixels "
        "of the training part, N in all and n of the class; null: all 1",
        min_length=1,
    )

    @field_validator("class_weight")
    @classmethod
    def _counts(cls, class_weight: tuple[float, ...] | str | None) -> tuple[float, ...] | str | None:
        """Something has to be learnt."""
        if isinstance(class_weight, tuple) and not any(class_weight):
            refuse("weights of which one at least is above 0")
        return class_weight


class ClassRegions(Section):
    """How the soft counts of several classes become one number."""

    include_background: bool = option(True, "softmax: whether the first of data.classes counts")
    average: Literal["macro", "present", "micro"] = option(
        "macro",
        "softmax: mean over the classes (macro), over those with a labelled pixel (present), "
        "or of the counts of all classes together (micro)",
    )
    batch: bool = option(True, "softmax: count in the whole batch; false: in each image, then take the mean")


class Activated(Section):
    """Of a loss with a form for outputs by themselves and one for classes."""

    activation: Literal["sigmoid", "softmax"] | None = option(
        None,
        "sigmoid: each output by itself; softmax: all of data.classes; null: softmax if there are more than "
        "two, or if the network has the option `classes`",
    )


class Regions(ClassRegions, Activated):
    """Of a loss of regions in both forms."""
