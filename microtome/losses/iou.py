# SPDX-License-Identifier: MIT
"""Soft intersection over union (Jaccard) loss."""

from functools import partial

from microtome.config.losses.iou import IoU
from microtome.losses._classes import ClassLoss, class_region_loss
from microtome.losses._regions import MaskedLoss, region_loss


def build(options: IoU) -> MaskedLoss | ClassLoss:
    """Build the loss 1 - (Σpq + s) / (Σp + Σq - Σpq + s) over the flattened batch, p = sigmoid(logit).

    With the activation `softmax` it is the mean of that of each class.

    Example:
        >>> import torch
        >>> round(build(IoU())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.4706
    """
    if options.activation == "softmax":
        counts = {"alpha": 1.0, "beta": 1.0, "smooth": options.smooth}
        return ClassLoss(partial(class_region_loss, settings=options, **counts), "iou")
    return MaskedLoss(partial(region_loss, alpha=1.0, beta=1.0, smooth=options.smooth))
