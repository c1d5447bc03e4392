# SPDX-License-Identifier: MIT
"""Tversky loss (Salehi et al., MLMI 2017, doi:10.1007/978-3-319-67389-9_44)."""

from functools import partial

from microtome.config.losses.tversky import Tversky
from microtome.losses._classes import ClassLoss, class_region_loss
from microtome.losses._regions import MaskedLoss, region_loss


def build(options: Tversky) -> MaskedLoss | ClassLoss:
    """Build the loss 1 - (TP + s) / (TP + alpha·FP + beta·FN + s) over the flattened batch, soft counts.

    The thesis' equation 7 prints the index; the loss is one minus it. With the activation `softmax` it
    is the mean of that of each class.

    Example:
        >>> import torch
        >>> round(build(Tversky())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.3836
    """
    counts = {"alpha": options.alpha, "beta": options.beta, "smooth": options.smooth}
    if options.activation == "softmax":
        return ClassLoss(partial(class_region_loss, settings=options, **counts), "tversky")
    return MaskedLoss(partial(region_loss, **counts))
