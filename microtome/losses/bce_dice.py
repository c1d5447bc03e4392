# SPDX-License-Identifier: MIT
"""Weighted sum of binary cross entropy and a Dice loss that is taken map by map.

`dicebce` flattens the batch before it takes the Dice loss; here each output map of each sample has its own,
and their mean is taken, so that a map with few positive pixels (markers) counts as much as one with many.
"""

import torch

from microtome.config.losses.bce_dice import BCEDice
from microtome.losses._regions import Masked, MaskedLoss, map_sums, mean, mean_bce, region_loss

SMOOTH = 1.0
"""Added to the true positives, and to the whole of which they are a part (CIVA-Lab/USE-Net)."""


def _map_dice(masked: Masked, *, squared: bool) -> torch.Tensor:
    """Mean of the Dice losses of the maps that have any valid pixel; 0 if nothing is valid."""
    if squared:
        losses = _squared_dice(masked)
    else:
        losses = region_loss(masked, alpha=0.5, beta=0.5, smooth=SMOOTH, each_map=True)
    counted = None if masked.weight is None else (map_sums(masked.weight) > 0).to(losses.dtype)
    return mean(losses, counted)


def _squared_dice(masked: Masked) -> torch.Tensor:
    """1 - (Σpq + s) / (½Σp² + ½Σq² + s) of each map, as ½Σ(p - q)² over the same denominator."""
    positive, negative = masked.logits.sigmoid(), (-masked.logits).sigmoid()
    error = positive * (1 - masked.target) - negative * masked.target
    size = positive.square() + masked.target.square()
    if masked.weight is not None:
        error, size = error * masked.weight, size * masked.weight
    return map_sums(error.square()) / (map_sums(size) + 2 * SMOOTH)


def build(options: BCEDice) -> MaskedLoss:
    """Build λ·BCE + (1 - λ)·Dice.

    With p = sigmoid(logit), truth q, and TP = Σpq, FP = Σp(1 - q), FN = Σ(1 - p)q over the valid pixels of
    one map of one sample, the Dice loss is 1 - (TP + 1) / (TP + ½FP + ½FN + 1), averaged over samples and
    channels, and the cross entropy is averaged over samples, channels and pixels. That is what the code of
    CIVA-Lab/USE-Net computes. The equation printed in the publication has squared denominators,
    1 - (2Σpq + 2) / (Σp² + Σq² + 2), and leaves out the "1 -" and the smoothing.

    Example:
        >>> round(build(BCEDice())(torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)).item(), 4)
        0.5004
    """
    weight = options.weight

    def compute(masked: Masked) -> torch.Tensor:
        dice = _map_dice(masked, squared=options.squared)
        return weight * mean_bce(masked) + (1 - weight) * dice

    return MaskedLoss(compute)
