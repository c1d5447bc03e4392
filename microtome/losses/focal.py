# SPDX-License-Identifier: MIT
"""Focal loss (Lin et al., ICCV 2017, doi:10.1109/ICCV.2017.324) in two forms.

The thesis' equation 4 is the focal loss of each pixel. Its published value, .0045, cannot come from that form
at the cross entropy of its other models (which would give about .07); it is what the public loss libraries
compute, the focal weight applied once to the mean cross entropy B of the batch: alpha·(1 - exp(-B))^gamma·B
with B ≈ .19.
"""

import torch
from torch import nn
from torch.nn import functional

from microtome.config.losses.focal import Focal
from microtome.losses._regions import Masked, mask, mean, mean_bce


class FocalLoss(nn.Module):
    """Focal loss; see `build` for the two forms."""

    def __init__(self, options: Focal) -> None:
        super().__init__()
        self.form, self.alpha, self.gamma = options.form, options.alpha, options.gamma

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments."""
        masked = mask(logits, target, valid)
        return self._batch_mean(masked) if self.form == "batch_mean" else self._per_pixel(masked)

    def _batch_mean(self, masked: Masked) -> torch.Tensor:
        entropy = mean_bce(masked)
        tiny = torch.finfo(entropy.dtype).tiny  # a root of 0 has no gradient
        miss = (-torch.expm1(-entropy)).clamp_min(tiny)
        return self.alpha * miss**self.gamma * entropy

    def _per_pixel(self, masked: Masked) -> torch.Tensor:
        logits, target, weight = masked
        surprise_positive, surprise_negative = functional.softplus(-logits), functional.softplus(logits)
        positive = self.alpha * torch.exp(-self.gamma * surprise_negative) * surprise_positive
        negative = (1 - self.alpha) * torch.exp(-self.gamma * surprise_positive) * surprise_negative
        return mean(target * positive + (1 - target) * negative, weight)


def build(options: Focal) -> FocalLoss:
    """Build the focal loss.

    With B the mean binary cross entropy of the batch, `batch_mean` is alpha·(1 - exp(-B))^gamma·B. The form
    `per_pixel` is the mean of alpha_t·(1 - p_t)^gamma·(-ln p_t), where p_t is the probability of the true
    class and alpha_t is alpha for positive and 1 - alpha for negative pixels; gamma 0 leaves the entropy.

    Example:
        >>> round(build(Focal())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.1386
    """
    return FocalLoss(options)
