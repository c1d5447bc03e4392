# SPDX-License-Identifier: MIT
"""Binary cross entropy on logits."""

import torch
from torch import nn

from microtome.config.losses.bce import BCE
from microtome.losses._regions import mask, mean_bce


class BCELoss(nn.Module):
    """Mean of -q·ln p - (1 - q)·ln(1 - p) over all valid entries, p = sigmoid(logit)."""

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments."""
        return mean_bce(mask(logits, target, valid))


def build(_: BCE) -> BCELoss:
    """Build the binary cross entropy.

    Example:
        >>> round(build(BCE())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.6931
    """
    return BCELoss()
