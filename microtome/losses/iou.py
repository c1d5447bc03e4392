# SPDX-License-Identifier: MIT
"""Soft intersection over union (Jaccard) loss."""

import torch
from torch import nn

from microtome.config.losses.iou import IoU
from microtome.losses._regions import mask, region_loss, soft_counts


class IoULoss(nn.Module):
    """1 - (Σpq + s) / (Σp + Σq - Σpq + s) over the flattened batch, p = sigmoid(logit)."""

    def __init__(self, options: IoU) -> None:
        super().__init__()
        self.smooth = options.smooth

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments."""
        return region_loss(soft_counts(mask(logits, target, valid)), alpha=1.0, beta=1.0, smooth=self.smooth)


def build(options: IoU) -> IoULoss:
    """Build the intersection over union loss.

    Example:
        >>> round(build(IoU())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.4706
    """
    return IoULoss(options)
