# SPDX-License-Identifier: MIT
"""Dice loss plus binary cross entropy.

The thesis prints an "exponential logarithmic loss" under this name; with its exponent 1 the two differ only
by -ln(Dice) against 1 - Dice, and its published values fit both. The plain sum is what the public loss
libraries compute.
"""

import torch
from torch import nn

from microtome.config.losses.dicebce import DiceBCE
from microtome.losses._regions import mask, mean_bce
from microtome.losses.dice import soft_dice


class DiceBCELoss(nn.Module):
    """Dice loss plus mean binary cross entropy, with equal weights."""

    def __init__(self, options: DiceBCE) -> None:
        super().__init__()
        self.smooth = options.smooth

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments."""
        masked = mask(logits, target, valid)
        return soft_dice(masked, smooth=self.smooth) + mean_bce(masked)


def build(options: DiceBCE) -> DiceBCELoss:
    """Build the sum of Dice loss and binary cross entropy.

    Example:
        >>> round(build(DiceBCE())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        1.0131
    """
    return DiceBCELoss(options)
