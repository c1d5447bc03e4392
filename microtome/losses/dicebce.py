# SPDX-License-Identifier: MIT
"""Dice loss plus binary cross entropy.

The thesis prints an "exponential logarithmic loss" under this name; with its exponent 1 the two differ only
by -ln(Dice) against 1 - Dice, and its published values fit both. The plain sum is what the public loss
libraries compute.
"""

from microtome.config.losses.dicebce import DiceBCE
from microtome.losses._regions import MaskedLoss, mean_bce, soft_dice


def build(options: DiceBCE) -> MaskedLoss:
    """Build the sum of Dice loss and mean binary cross entropy, with equal weights.

    Example:
        >>> import torch
        >>> round(build(DiceBCE())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        1.0131
    """
    return MaskedLoss(lambda masked: soft_dice(masked, smooth=options.smooth) + mean_bce(masked))
