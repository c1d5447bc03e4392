# SPDX-License-Identifier: MIT
"""Cross entropy with adaptive weight plus Lovász-Softmax: the compound loss of Hyper-net."""

import torch
from torch import nn

from microtome.losses._classes import IGNORE
from microtome.losses._regions import require_number
from microtome.losses.lovasz import LovaszLoss
from microtome.losses.weighted_cross_entropy import LARGEST, WeightedCrossEntropyLoss


class CompoundLoss(nn.Module):
    """Weighted cross entropy + weight·Lovász-Softmax; see `build`."""

    def __init__(self, entropy: WeightedCrossEntropyLoss, lovasz: LovaszLoss, *, weight: float) -> None:
        super().__init__()
        require_number("compound", weight=weight)
        self.entropy, self.lovasz, self.weight = entropy, lovasz, weight

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

    def logged(self) -> dict[str, float]:
        """What the history of training has beside the loss: α of the last batch."""
        return self.entropy.logged()


def build(
    *,
    weight: float = 1.0,
    positive: int = 1,
    counts: str = "hard",
    momentum: float = 0.0,
    largest: float = LARGEST,
    ignore: int | None = IGNORE,
) -> CompoundLoss:
    """Build the sum of `weighted_cross_entropy` and `lovasz`.

    Args:
        weight: of Lovász-Softmax; 1 in the publication (its equation 4).
        positive: see `weighted_cross_entropy`, as for the rest.
        counts: `hard` or `soft`.
        momentum: share of the mean of earlier batches in α.
        largest: upper limit of α.
        ignore: class number that means "not labelled"; None: there is none.

    Returns:
        A module called as `loss(logits, target, valid=None)` with logits (N, K, *S) and target (N, *S).

    Raises:
        ValueError: an option outside its range.

    Example:
        >>> round(build()(torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])).item(), 4)  # α = 3, ln 2·2 + ½
        1.8863
    """
    entropy = WeightedCrossEntropyLoss(
        positive=positive, counts=counts, momentum=momentum, largest=largest, ignore=ignore
    )
    return CompoundLoss(entropy, LovaszLoss(ignore=ignore), weight=weight)
