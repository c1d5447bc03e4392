# SPDX-License-Identifier: MIT
"""Tversky loss (Salehi et al., MLMI 2017, doi:10.1007/978-3-319-67389-9_44)."""

import torch
from torch import nn

from microtome.losses._regions import mask, region_loss, require_number, require_smooth, soft_counts


class TverskyLoss(nn.Module):
    """1 - (TP + s) / (TP + alpha·FP + beta·FN + s) over the flattened batch, soft counts."""

    def __init__(self, *, alpha: float, beta: float, smooth: float) -> None:
        super().__init__()
        require_number("tversky", alpha=alpha, beta=beta)
        require_smooth("tversky", smooth)
        self.weights = {"alpha": alpha, "beta": beta, "smooth": smooth}

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments."""
        return region_loss(soft_counts(mask(logits, target, valid)), **self.weights)


def build(*, alpha: float = 0.3, beta: float = 0.7, smooth: float = 1.0) -> TverskyLoss:
    """Build the Tversky loss. The thesis' equation 7 prints the index; the loss is one minus it.

    Args:
        alpha: weight of false positives, at least 0.
        beta: weight of false negatives, at least 0.
        smooth: added to both sides of the fraction; positive.

    Returns:
        A module called as `loss(logits, target, valid=None)`.

    Raises:
        ValueError: a weight is negative or `smooth` is not positive.

    Example:
        >>> round(build()(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.3836
    """
    return TverskyLoss(alpha=alpha, beta=beta, smooth=smooth)
