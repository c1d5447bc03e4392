# SPDX-License-Identifier: MIT
"""Focal loss of class probabilities by softmax, without class weights (Lin et al., ICCV 2017,
doi:10.1109/ICCV.2017.324), as Le'Clerc Arrastia et al. train (J. Imaging 2021, doi:10.3390/jimaging7040071).
"""

from functools import partial

import torch

from microtome.config.losses.softmax_focal import SoftmaxFocal
from microtome.losses._classes import ClassLoss, Labelled, focal_entropies
from microtome.losses._regions import mean


def _mean(given: Labelled, gamma: float) -> torch.Tensor:
    focused = focal_entropies(given, gamma)
    return mean(focused, given.mask.to(focused.dtype))


def build(options: SoftmaxFocal) -> ClassLoss:
    """Build the focal loss: the mean over labelled pixels of (1 - p)^gamma·(-ln p), p of the true class.

    Gamma 0 leaves the cross entropy. It is twice what `focal` is in the form `per_pixel` with alpha 0.5.

    Example:
        >>> loss = build(SoftmaxFocal())  # ¼ ln 2
        >>> round(loss(torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4, dtype=torch.long)).item(), 4)
        0.1733
    """
    return ClassLoss(partial(_mean, gamma=options.gamma), "softmax_focal")
