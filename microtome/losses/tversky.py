# SPDX-License-Identifier: MIT
"""Tversky loss (Salehi et al., MLMI 2017, doi:10.1007/978-3-319-67389-9_44)."""

from functools import partial

from microtome.config.losses.tversky import Tversky
from microtome.losses._regions import MaskedLoss, region_loss


def build(options: Tversky) -> MaskedLoss:
    """Build the loss 1 - (TP + s) / (TP + alpha·FP + beta·FN + s) over the flattened batch, soft counts.

    The thesis' equation 7 prints the index; the loss is one minus it.

    Example:
        >>> import torch
        >>> round(build(Tversky())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.3836
    """
    return MaskedLoss(partial(region_loss, alpha=options.alpha, beta=options.beta, smooth=options.smooth))
