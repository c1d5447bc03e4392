# SPDX-License-Identifier: MIT
"""Options of each loss. The name of a model's `name` is the module in `microtome.losses` that builds it."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat

from microtome.config.section import Section


class BCE(Section):
    """Binary cross entropy on logits, mean."""

    name: Literal["bce"] = Field("bce", description="this loss")


class Dice(Section):
    """Soft Dice loss over the flattened batch."""

    name: Literal["dice"] = Field("dice", description="this loss")
    smooth: PositiveFloat = Field(1.0, description="added to numerator and denominator")


class DiceBCE(Section):
    """Dice plus binary cross entropy ("ELL" of the thesis)."""

    name: Literal["dicebce"] = Field("dicebce", description="this loss")
    smooth: PositiveFloat = Field(1.0, description="added to numerator and denominator")


class BCEDice(Section):
    """Binary cross entropy plus a Dice loss of each output map of each sample (USE-Net)."""

    name: Literal["bce_dice"] = Field("bce_dice", description="this loss")
    weight: float = Field(
        0.5, ge=0, le=1, description="weight of the cross entropy; the Dice loss has the rest"
    )
    squared: bool = Field(
        False, description="squared denominators, as the paper's equation has them; its code has not"
    )


class IoU(Section):
    """Soft Jaccard loss over the flattened batch."""

    name: Literal["iou"] = Field("iou", description="this loss")
    smooth: PositiveFloat = Field(1.0, description="added to numerator and denominator")


class Tversky(Section):
    """Tversky loss; alpha weighs false positives, beta false negatives."""

    name: Literal["tversky"] = Field("tversky", description="this loss")
    alpha: NonNegativeFloat = Field(0.3, description="weight of false positives")
    beta: NonNegativeFloat = Field(0.7, description="weight of false negatives")
    smooth: PositiveFloat = Field(1.0, description="added to numerator and denominator")


class Focal(Section):
    """Focal loss; `batch_mean` reproduces the thesis' Table 3, `per_pixel` is its equation 4."""

    name: Literal["focal"] = Field("focal", description="this loss")
    form: Literal["batch_mean", "per_pixel"] = Field(
        "batch_mean", description="batch_mean: of the thesis' Table 3; per_pixel: its equation 4"
    )
    alpha: NonNegativeFloat = Field(0.8, description="weight of the positive class")
    gamma: NonNegativeFloat = Field(2.0, description="how much well-predicted pixels are played down")


class CrossEntropy(Section):
    """Softmax cross entropy over integer classes."""

    name: Literal["cross_entropy"] = Field("cross_entropy", description="this loss")


class WeightedCrossEntropy(Section):
    """Softmax cross entropy; the weight of the positive class follows each batch's errors (Hyper-net)."""

    name: Literal["weighted_cross_entropy"] = Field("weighted_cross_entropy", description="this loss")
    positive: NonNegativeInt = Field(1, description="number of the positive class")
    counts: Literal["hard", "soft"] = Field(
        "hard", description="errors of the most probable class, or sums of probabilities"
    )
    momentum: float = Field(
        0.0, ge=0, lt=1, description="share of the mean of earlier batches in the weight; 0: this batch alone"
    )
    largest: float = Field(10.0, ge=1, description="upper limit of the weight")


class Lovasz(Section):
    """Lovász-Softmax over the whole batch, mean of the classes that are present."""

    name: Literal["lovasz"] = Field("lovasz", description="this loss")


class Compound(WeightedCrossEntropy):
    """Weighted cross entropy plus Lovász-Softmax (Hyper-net)."""

    name: Literal["compound"] = Field("compound", description="this loss")
    weight: NonNegativeFloat = Field(1.0, description="weight of Lovász-Softmax; 1 in the paper")


Loss = Annotated[
    BCE
    | BCEDice
    | Dice
    | DiceBCE
    | IoU
    | Tversky
    | Focal
    | CrossEntropy
    | WeightedCrossEntropy
    | Lovasz
    | Compound,
    Field(discriminator="name"),
]
SIGMOID_LOSSES = frozenset({"bce", "bce_dice", "dice", "dicebce", "iou", "tversky", "focal"})
SOFTMAX_LOSSES = frozenset({"cross_entropy", "weighted_cross_entropy", "lovasz", "compound"})
