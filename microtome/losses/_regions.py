# SPDX-License-Identifier: MIT
"""What the sigmoid losses share: checked and masked input, soft counts of a batch, mean binary cross entropy.

"Flattened over the whole batch": sums run over all images, channels and pixels at once, not image by image.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


class Masked(NamedTuple):
    """Input in at least float32, zero wherever it is not valid.

    Attributes:
        logits: any shape.
        target: same shape.
        weight: same shape, 1 where valid, else 0; None if all is valid.
    """

    logits: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor | None


class MaskedLoss(nn.Module):
    """A sigmoid loss: a function that makes a scalar of the masked input."""

    def __init__(self, compute: Callable[[Masked], torch.Tensor]) -> None:
        super().__init__()
        self.compute = compute

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments."""
        return self.compute(mask(logits, target, valid))


def mask(logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None) -> Masked:
    """Check the input of a sigmoid loss and take out what is not valid.

    Invalid entries are replaced by zero before anything is computed from them, so that whatever they hold
    (255, NaN) reaches neither value nor gradient.

    Args:
        logits: (N, C, *S) of a floating dtype; the result is in float32, or float64 if they are.
        target: same shape, 0 or 1 (or in between).
        valid: bool, broadcastable to that shape; None: all is valid.

    Raises:
        ValueError: shapes or dtypes that do not fit.
    """
    if logits.shape != target.shape or not logits.is_floating_point():
        msg = (
            f"Sigmoid losses take floating logits and a target of the same shape, found logits "
            f"{tuple(logits.shape)} of {logits.dtype} and a target {tuple(target.shape)}. "
            f"A target of class numbers needs cross_entropy."
        )
        raise ValueError(msg)
    dtype = torch.promote_types(logits.dtype, torch.float32)
    logits, target = logits.to(dtype), target.to(dtype)
    if valid is None:  # in the order that a mask would leave, so that rounding is the same with and without
        return Masked(logits.contiguous(), target.contiguous(), None)
    valid = expand_valid(valid, logits.shape)
    zero = torch.zeros((), dtype=dtype, device=logits.device)
    return Masked(torch.where(valid, logits, zero), torch.where(valid, target, zero), valid.to(dtype))


def expand_valid(valid: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Broadcast a bool mask to a shape: a view.

    Raises:
        ValueError: not bool, or not broadcastable.
    """
    fits = valid.ndim <= len(shape) and all(
        found in (1, wanted) for found, wanted in zip(reversed(valid.shape), reversed(shape), strict=False)
    )
    if valid.dtype != torch.bool or not fits:
        msg = (
            f"valid must be bool and broadcastable to {tuple(shape)}, found {valid.dtype} of shape "
            f"{tuple(valid.shape)}. Add the missing axes, e.g. valid[:, None], and compare to make it bool."
        )
        raise ValueError(msg)
    return valid.expand(shape)


def map_sums(values: torch.Tensor) -> torch.Tensor:
    """Sum (N, C) over the pixels of each map of (N, C, *S)."""
    return values.flatten(2).sum(2) if values.ndim > 2 else values


def mean(values: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Mean over the entries of weight 1 of the two, of any shape, 0 if there are none; None: all count."""
    if weight is None:
        return values.sum() / max(values.numel(), 1)
    return (values * weight).sum() / weight.sum().clamp_min(1)


def mean_bce(masked: Masked) -> torch.Tensor:
    """Binary cross entropy -q·ln p - (1 - q)·ln(1 - p), mean over the valid entries: a scalar."""
    values = functional.binary_cross_entropy_with_logits(masked.logits, masked.target, reduction="none")
    return mean(values, masked.weight)


def region_loss(
    masked: Masked, *, alpha: float, beta: float, smooth: float, each_map: bool = False
) -> torch.Tensor:
    """1 - (TP + smooth) / (TP + alpha·FP + beta·FN + smooth), without cancellation.

    TP = Σpq, FP = Σp(1 - q) and FN = Σ(1 - p)q with p = sigmoid(logit) and the truth q. False counts are
    summed themselves rather than taken as differences of large sums, which keeps small losses exact in
    float32.

    Args:
        masked: see `mask`.
        alpha: weight of false positives.
        beta: weight of false negatives.
        smooth: added to both sides of the fraction; positive.
        each_map: count in each channel of each sample, instead of in the whole batch.

    Returns:
        From 0 to below 1: a scalar; (N, C) if `each_map`.
    """
    positive, negative = masked.logits.sigmoid(), (-masked.logits).sigmoid()
    if masked.weight is not None:
        positive, negative = positive * masked.weight, negative * masked.weight
    total = map_sums if each_map else torch.sum
    hits = total(positive * masked.target)
    wrong = alpha * total(positive * (1 - masked.target)) + beta * total(negative * masked.target)
    return wrong / (hits + wrong + smooth)


def soft_dice(masked: Masked, *, smooth: float) -> torch.Tensor:
    """Dice loss of masked input, a scalar: Tversky's with both weights ½ and half the smoothing."""
    return region_loss(masked, alpha=0.5, beta=0.5, smooth=smooth / 2)
