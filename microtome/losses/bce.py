# SPDX-License-Identifier: MIT
"""Binary cross entropy on logits, of outputs by themselves or of each class against the others."""

import torch

from microtome.config.losses.bce import BCE
from microtome.losses._classes import ClassLoss, Labelled, of_each_class
from microtome.losses._regions import MaskedLoss, mean, mean_bce


def _each_class(given: Labelled) -> torch.Tensor:
    """Mean over classes and labelled entries; ln(1 - p) from the other logits, which loses no digits."""
    logits, whole = given.logits, given.logits.logsumexp(1, keepdim=True)
    others = [
        torch.cat([logits[:, :number], logits[:, number + 1 :]], 1).logsumexp(1)
        for number in range(logits.shape[1])
    ]
    logarithms = torch.where(of_each_class(given), logits, torch.stack(others, 1)) - whole
    return mean(-logarithms.mean(1), given.mask.to(logits.dtype))


def build(options: BCE) -> MaskedLoss | ClassLoss:
    """Build the binary cross entropy: mean of -q·ln p - (1 - q)·ln(1 - p) over all valid entries.

    With the activation `softmax`, p is the probability of a class among all, q whether the entry is of it,
    and the mean is over the classes, too; with two classes that is the value of one output by itself.

    Example:
        >>> import torch
        >>> round(build(BCE())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.6931
    """
    return ClassLoss(_each_class, "bce") if options.activation == "softmax" else MaskedLoss(mean_bce)
