# SPDX-License-Identifier: MIT
"""Soft Dice loss."""

from functools import partial

from microtome.config.losses.dice import Dice
from microtome.losses._classes import ClassLoss, class_region_loss
from microtome.losses._regions import MaskedLoss, soft_dice


def build(options: Dice) -> MaskedLoss | ClassLoss:
    """Build the Dice loss: 1 - (2Σpq + s) / (Σp + Σq + s) over the flattened batch, p = sigmoid(logit).

    With the activation `softmax` it is the mean of that of each class. Of two classes, logits 0 and z give
    without the background what z gives by itself.

    Example:
        >>> import torch
        >>> round(build(Dice())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.32
    """
    if options.activation == "softmax":
        counts = {"alpha": 0.5, "beta": 0.5, "smooth": options.smooth / 2}
        return ClassLoss(partial(class_region_loss, settings=options, **counts), "dice")
    return MaskedLoss(partial(soft_dice, smooth=options.smooth))
