# SPDX-License-Identifier: MIT
"""Cross entropy with adaptive weight plus Lovász-Softmax: the compound loss of Hyper-net."""

import torch
from torch import nn

from microtome.config.losses.compound import Compound
from microtome.losses.lovasz import LovaszLoss
from microtome.losses.weighted_cross_entropy import WeightedCrossEntropyLoss


class CompoundLoss(nn.Module):
    """Weighted cross entropy + weight·Lovász-Softmax; see `build`."""

    def __init__(self, options: Compound) -> None:
        super().__init__()
        self.entropy, self.lovasz = WeightedCrossEntropyLoss(options), LovaszLoss()
        self.weight = options.weight

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments.

        Raises:
            ValueError: shapes or dtypes that do not fit, or no logits for the positive class.
        """
        return self.entropy(logits, target, valid) + self.weight * self.lovasz(logits, target, valid)

    @property
    def alpha(self) -> torch.Tensor | None:
        """Weight α of the cross entropy in the last batch; None before the first."""
        return self.entropy.alpha

    def logged(self) -> dict[str, torch.Tensor]:
        """What the history of training has beside the loss: α of the last batch."""
        return self.entropy.logged()


def build(options: Compound) -> CompoundLoss:
    """Build the sum of `weighted_cross_entropy` and `lovasz`.

    Example:
        >>> loss = build(Compound())  # α = 3: ln 2·2 + ½
        >>> round(loss(torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])).item(), 4)
        1.8863
    """
    return CompoundLoss(options)
