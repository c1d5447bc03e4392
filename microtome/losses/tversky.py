# SPDX-License-Identifier: MIT
"""Tversky loss (Salehi et al., MLMI 2017, doi:10.1007/978-3-319-67389-9_44)."""

import torch
from torch import nn

from microtome.config.losses.tversky import Tversky
from microtome.losses._regions import mask, region_loss, soft_counts


class TverskyLoss(nn.Module):
    """1 - (TP + s) / (TP + alpha·FP + beta·FN + s) over the flattened batch, soft counts."""

    def __init__(self, options: Tversky) -> None:
        super().__init__()
        self.weights = options.model_dump(include={"alpha", "beta", "smooth"})

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments."""
        return region_loss(soft_counts(mask(logits, target, valid)), **self.weights)


def build(options: Tversky) -> TverskyLoss:
    """Build the Tversky loss. The thesis' equation 7 prints the index; the loss is one minus it.

    Example:
        >>> round(build(Tversky())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.3836
    """
    return TverskyLoss(options)
