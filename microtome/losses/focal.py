# SPDX-License-Identifier: MIT
"""Focal loss (Lin et al., ICCV 2017, doi:10.1109/ICCV.2017.324) in two forms.

The thesis' equation 4 is the focal loss of each pixel. Its published value, .0045, cannot come from that form
at the cross entropy of its other models (which would give about .07); it is what the public loss libraries
compute, the focal weight applied once to the mean cross entropy B of the batch: alpha·(1 - exp(-B))^gamma·B
with B ≈ .19.
"""

from functools import partial

import torch
from torch.nn import functional

from microtome.config.losses.focal import Focal
from microtome.losses._classes import ClassLoss, Labelled, entropies, focal_entropies
from microtome.losses._regions import Masked, MaskedLoss, mean, mean_bce


def _batch_mean(masked: Masked, alpha: float, gamma: float) -> torch.Tensor:
    return _focused(mean_bce(masked), alpha, gamma)


def _focused(entropy: torch.Tensor, alpha: float, gamma: float) -> torch.Tensor:
    """alpha·(1 - exp(-B))^gamma·B of a mean entropy B."""
    tiny = torch.finfo(entropy.dtype).tiny  # a root of 0 has no gradient
    miss = (-torch.expm1(-entropy)).clamp_min(tiny)
    return alpha * miss**gamma * entropy


def _per_pixel(masked: Masked, alpha: float, gamma: float) -> torch.Tensor:
    logits, target, weight = masked
    surprise_positive, surprise_negative = functional.softplus(-logits), functional.softplus(logits)
    positive = alpha * torch.exp(-gamma * surprise_negative) * surprise_positive
    negative = (1 - alpha) * torch.exp(-gamma * surprise_positive) * surprise_negative
    return mean(target * positive + (1 - target) * negative, weight)


def _classes_batch_mean(given: Labelled, alpha: float, gamma: float) -> torch.Tensor:
    return _focused(entropies(given).sum() / given.mask.sum().clamp_min(1), alpha, gamma)


def _classes_per_pixel(given: Labelled, alpha: float, gamma: float) -> torch.Tensor:
    focused = focal_entropies(given, gamma)
    weight = torch.full_like(focused, alpha).masked_fill(given.classes == 0, 1 - alpha)
    return mean(weight * focused, given.mask.to(focused.dtype))


FORMS = {
    "sigmoid": {"batch_mean": _batch_mean, "per_pixel": _per_pixel},
    "softmax": {"batch_mean": _classes_batch_mean, "per_pixel": _classes_per_pixel},
}


def build(options: Focal) -> MaskedLoss | ClassLoss:
    """Build the focal loss.

    With B the mean binary cross entropy of the batch, `batch_mean` is alpha·(1 - exp(-B))^gamma·B. The form
    `per_pixel` is the mean of alpha_t·(1 - p_t)^gamma·(-ln p_t), where p_t is the probability of the true
    class and alpha_t is alpha for positive and 1 - alpha for negative pixels; gamma 0 leaves the entropy.

    With the activation `softmax` the entropy is that of the classes, and alpha_t is alpha for all classes but
    the first, as MONAI has it.

    Example:
        >>> round(build(Focal())(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item(), 4)
        0.1386
    """
    chosen = FORMS[options.activation or "sigmoid"][options.form]
    compute = partial(chosen, alpha=options.alpha, gamma=options.gamma)
    return ClassLoss(compute, "focal") if options.activation == "softmax" else MaskedLoss(compute)
