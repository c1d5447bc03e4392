# SPDX-License-Identifier: MIT
"""Soft Dice loss."""

from functools import partial

from microtome.config.losses.dice import Dice
from microtome.losses._regions import MaskedLoss, soft_dice


def build(options: Dice) -> MaskedLoss:
    """Build the Dice loss: 1 - (2Σpq + s) / (Σp + Σq + s) over the flattened batch, p = sigmoid(logit).

    Example:
        >>> import torch
        >>> round(build(Dice())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.32
    """
    return MaskedLoss(partial(soft_dice, smooth=options.smooth))
