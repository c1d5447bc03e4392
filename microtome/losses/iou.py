# SPDX-License-Identifier: MIT
"""Soft intersection over union (Jaccard) loss."""

from functools import partial

from microtome.config.losses.iou import IoU
from microtome.losses._regions import MaskedLoss, region_loss


def build(options: IoU) -> MaskedLoss:
    """Build the loss 1 - (Σpq + s) / (Σp + Σq - Σpq + s) over the flattened batch, p = sigmoid(logit).

    Example:
        >>> import torch
        >>> round(build(IoU())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.4706
    """
    return MaskedLoss(partial(region_loss, alpha=1.0, beta=1.0, smooth=options.smooth))
