# SPDX-License-Identifier: MIT
"""Softmax cross entropy over class numbers, with class weights and labels that do not count."""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from microtome.losses._classes import IGNORE, labelled
from microtome.registry import require_choice

NORMALIZATIONS = ("weights", "count")


class CrossEntropyLoss(nn.Module):
    """Mean of -w_y·ln softmax(logits)_y over the labelled entries."""

    def __init__(self, *, class_weight: Sequence[float] | None, normalize: str, ignore: int | None) -> None:
        super().__init__()
        require_choice("normalize", normalize, NORMALIZATIONS, owner="cross_entropy")
        self.normalize, self.ignore = normalize, ignore
        weight = None if class_weight is None else torch.tensor(_checked(class_weight), dtype=torch.float32)
        self.register_buffer("class_weight", weight, persistent=False)

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss.

        Args:
            logits: (N, K, *S) of a floating dtype.
            target: (N, *S) integers from 0 to K - 1, or `ignore`.
            valid: bool, broadcastable to (N, *S); None: all but `ignore` is valid.

        Returns:
            The loss, 0 if nothing is labelled.

        Raises:
            ValueError: shapes or dtypes that do not fit, or another number of classes than class weights.
        """
        given = labelled(logits, target, valid, ignore=self.ignore, owner="cross_entropy")
        self._check_weights(logits.shape[1])
        weight = given.mask.to(given.logits.dtype)
        entropy = functional.cross_entropy(given.logits, given.classes, reduction="none")
        count = weight.sum().clamp_min(1)
        if self.class_weight is None:
            return (entropy * weight).sum() / count
        weight = weight * self.class_weight.to(weight)[given.classes]
        total = weight.sum()
        divisor = (
            torch.where(total > 0, total, torch.ones_like(total)) if self.normalize == "weights" else count
        )
        return (entropy * weight).sum() / divisor

    def _check_weights(self, classes: int) -> None:
        if self.class_weight is not None and len(self.class_weight) != classes:
            msg = f"cross_entropy has {len(self.class_weight)} class weights for {classes} classes."
            raise ValueError(msg)


def _checked(class_weight: Sequence[float]) -> list[float]:
    weights = [float(weight) for weight in class_weight]
    if (
        not weights
        or not all(math.isfinite(weight) and weight >= 0 for weight in weights)
        or not any(weights)
    ):
        msg = f"cross_entropy: class_weight={weights} must be finite, not negative and not all 0."
        raise ValueError(msg)
    return weights


def build(
    *, class_weight: Sequence[float] | None = None, normalize: str = "weights", ignore: int | None = IGNORE
) -> CrossEntropyLoss:
    """Build the softmax cross entropy.

    Args:
        class_weight: one number of at least 0 for each class; None: all 1.
        normalize: divide the sum by the `weights` of the labelled entries (as PyTorch does) or by their
            `count`.
        ignore: class number that means "not labelled"; None: there is none.

    Returns:
        A module called as `loss(logits, target, valid=None)` with logits (N, K, *S) and target (N, *S).

    Raises:
        ValueError: an option outside its range.

    Example:
        >>> round(build()(torch.zeros(2, 4), torch.tensor([0, 3])).item(), 4)
        1.3863
    """
    return CrossEntropyLoss(class_weight=class_weight, normalize=normalize, ignore=ignore)
