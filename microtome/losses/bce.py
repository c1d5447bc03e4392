# SPDX-License-Identifier: MIT
"""Binary cross entropy on logits."""

from microtome.config.losses.bce import BCE
from microtome.losses._regions import MaskedLoss, mean_bce


def build(_: BCE) -> MaskedLoss:
    """Build the binary cross entropy: mean of -q·ln p - (1 - q)·ln(1 - p) over all valid entries.

    Example:
        >>> import torch
        >>> round(build(BCE())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.6931
    """
    return MaskedLoss(mean_bce)
