# SPDX-License-Identifier: MIT
"""Softmax cross entropy over class numbers, with class weights and labels that do not count."""

import torch
from torch import nn
from torch.nn import functional

from microtome.config.losses.cross_entropy import CrossEntropy
from microtome.losses._classes import labelled


class CrossEntropyLoss(nn.Module):
    """Mean of -w_y·ln softmax(logits)_y over the labelled entries."""

    def __init__(self, options: CrossEntropy) -> None:
        super().__init__()
        self.normalize = options.normalize
        if isinstance(options.class_weight, str):
            msg = f"class_weight is '{options.class_weight}', expected numbers, which training counts first"
            raise ValueError(msg)
        weight = None if options.class_weight is None else torch.tensor(options.class_weight)
        self.register_buffer("class_weight", weight, persistent=False)

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss.

        Args:
            logits: (N, K, *S) of a floating dtype.
            target: (N, *S) integers from 0 to K - 1, or `IGNORE`.
            valid: bool, broadcastable to (N, *S); None: all but `IGNORE` is valid.

        Returns:
            The loss, 0 if nothing is labelled.

        Raises:
            ValueError: shapes or dtypes that do not fit, or another number of classes than class weights.
        """
        given = labelled(logits, target, valid, owner="cross_entropy")
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


def build(options: CrossEntropy) -> CrossEntropyLoss:
    """Build the softmax cross entropy.

    Example:
        >>> round(build(CrossEntropy())(torch.zeros(2, 4), torch.tensor([0, 3])).item(), 4)
        1.3863
    """
    return CrossEntropyLoss(options)
