# SPDX-License-Identifier: MIT
"""Weighted sum of softmax cross entropy and the Dice loss of the classes, as nnU-Net and MONAI train."""

import torch
from torch import nn

from microtome.config.losses.ce_dice import CEDice
from microtome.config.losses.cross_entropy import CrossEntropy
from microtome.losses._classes import class_region_loss, labelled
from microtome.losses.cross_entropy import CrossEntropyLoss


class CEDiceLoss(nn.Module):
    """λ·cross entropy + (1 - λ)·Dice; see `build`."""

    def __init__(self, options: CEDice) -> None:
        super().__init__()
        self.options = options
        self.entropy = CrossEntropyLoss(CrossEntropy(class_weight=options.class_weight))

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments.

        Raises:
            ValueError: shapes or dtypes that do not fit, or another number of classes than class weights.
        """
        given, weight = labelled(logits, target, valid, owner="ce_dice"), self.options.weight
        smooth = self.options.smooth / 2
        dice = class_region_loss(given, self.options, alpha=0.5, beta=0.5, smooth=smooth)
        return weight * self.entropy(logits, target, valid) + (1 - weight) * dice


def build(options: CEDice) -> CEDiceLoss:
    """Build λ·cross entropy + (1 - λ)·Dice.

    The Dice loss is that of `dice` in its softmax form. Of two classes, with logits 0 and z, without the
    background, of each image by itself and with smooth 2, it is what `bce_dice` is of z.

    Example:
        >>> round(build(CEDice())(torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4, dtype=torch.long)).item(), 4)
        0.6488
    """
    return CEDiceLoss(options)
