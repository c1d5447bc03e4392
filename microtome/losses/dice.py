# SPDX-License-Identifier: MIT
"""Soft Dice loss."""

import torch
from torch import nn

from microtome.config.losses.dice import Dice
from microtome.losses._regions import Masked, mask, region_loss, soft_counts


class DiceLoss(nn.Module):
    """1 - (2Σpq + s) / (Σp + Σq + s) over the flattened batch, p = sigmoid(logit)."""

    def __init__(self, options: Dice) -> None:
        super().__init__()
        self.smooth = options.smooth

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments."""
        return soft_dice(mask(logits, target, valid), smooth=self.smooth)


def soft_dice(masked: Masked, *, smooth: float) -> torch.Tensor:
    """Dice loss of masked input, as the Tversky loss with both weights ½ and half the smoothing.

    Args:
        masked: see `microtome.losses._regions.mask`.
        smooth: s in the formula.

    Returns:
        A scalar.
    """
    return region_loss(soft_counts(masked), alpha=0.5, beta=0.5, smooth=smooth / 2)


def build(options: Dice) -> DiceLoss:
    """Build the Dice loss.

    Example:
        >>> round(build(Dice())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.32
    """
    return DiceLoss(options)
