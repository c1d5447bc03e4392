# SPDX-License-Identifier: MIT
"""Options of each loss. The name of a model's `name` is the module in `microtome.losses` that builds it."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from microtome.config.base import Section


class BCE(Section):
    """Binary cross entropy on logits, mean."""

    name: Literal["bce"] = "bce"


class Dice(Section):
    """Soft Dice loss over the flattened batch."""

    name: Literal["dice"] = "dice"
    smooth: PositiveFloat = 1.0


class DiceBCE(Section):
    """Dice plus binary cross entropy ("ELL" of the thesis)."""

    name: Literal["dicebce"] = "dicebce"
    smooth: PositiveFloat = 1.0


class IoU(Section):
    """Soft Jaccard loss over the flattened batch."""

    name: Literal["iou"] = "iou"
    smooth: PositiveFloat = 1.0


class Tversky(Section):
    """Tversky loss; alpha weighs false positives, beta false negatives."""

    name: Literal["tversky"] = "tversky"
    alpha: NonNegativeFloat = 0.3
    beta: NonNegativeFloat = 0.7
    smooth: PositiveFloat = 1.0


class Focal(Section):
    """Focal loss; `batch_mean` reproduces the thesis' Table 3, `per_pixel` is its equation 4."""

    name: Literal["focal"] = "focal"
    form: Literal["batch_mean", "per_pixel"] = "batch_mean"
    alpha: NonNegativeFloat = 0.8
    gamma: NonNegativeFloat = 2.0


class CrossEntropy(Section):
    """Softmax cross entropy over integer classes."""

    name: Literal["cross_entropy"] = "cross_entropy"


Loss = Annotated[
    BCE | Dice | DiceBCE | IoU | Tversky | Focal | CrossEntropy,
    Field(discriminator="name"),
]
SIGMOID_LOSSES = frozenset({"bce", "dice", "dicebce", "iou", "tversky", "focal"})
