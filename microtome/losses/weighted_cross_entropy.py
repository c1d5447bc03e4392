# SPDX-License-Identifier: MIT
"""Cross entropy in which the weights of classes follow the errors of the batch.

For the study `melanoma`: missed melanoma weighs more the more of the errors it makes up.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from microtome.config.losses.weighted_cross_entropy import WeightedCrossEntropy
from microtome.losses._classes import Labelled, indicators, labelled, of_each_class


class WeightedCrossEntropyLoss(nn.Module):
    """Mean of -w_y·ln softmax(logits)_y, w = α for the positive classes and 1 for the others; see `build`.

    Attributes:
        alpha: weight α in the last batch without gradient, a scalar tensor, or (P,) of P positive classes;
            None before the first.
    """

    def __init__(self, options: WeightedCrossEntropy) -> None:
        super().__init__()
        self.positive, self.counts = options.positive, options.counts
        self.momentum, self.largest = options.momentum, options.largest
        self.alpha: torch.Tensor | None = None
        # NaN until the first batch; only with momentum there is something to save
        self.register_buffer("smoothed", torch.tensor(torch.nan), persistent=options.momentum > 0)

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments.

        Raises:
            ValueError: shapes or dtypes that do not fit, or no logits for the positive class.
        """
        given = labelled(logits, target, valid, owner="weighted_cross_entropy")
        if isinstance(self.positive, int) and self.positive >= logits.shape[1]:
            found = f"weighted_cross_entropy: positive={self.positive}"
            msg = f"{found} is no class of logits {tuple(logits.shape)}, which has {logits.shape[1]} classes."
            raise ValueError(msg)
        return self.of_labelled(given)

    def of_labelled(self, given: Labelled) -> torch.Tensor:
        """The loss of checked input, see `microtome.losses._classes.labelled`; sets `alpha`."""
        classes = given.logits.shape[1]
        positive = self._positive(classes)
        self.alpha = self._smooth(self._batch_alpha(given)[positive].squeeze(0))
        weights = torch.ones(classes, dtype=self.alpha.dtype, device=self.alpha.device)
        weights[positive] = self.alpha
        entropy = functional.cross_entropy(given.logits, given.classes, reduction="none")
        weight = given.mask.to(entropy.dtype)
        weighted = weights[given.classes] * weight * entropy
        return weighted.sum() / weight.sum().clamp_min(1)

    def logged(self) -> dict[str, torch.Tensor]:
        """What the history of training has beside the loss: α of the last batch."""
        if self.alpha is None or not self.alpha.ndim:
            return {} if self.alpha is None else {"alpha": self.alpha}
        first = self.positive != "all"
        return {f"alpha_{number}": value for number, value in enumerate(self.alpha.unbind(), first)}

    def _positive(self, classes: int) -> slice:
        """The classes whose weight follows their errors."""
        if isinstance(self.positive, int):
            return slice(self.positive, self.positive + 1)
        return slice(0 if self.positive == "all" else 1, classes)

    @torch.no_grad()
    def _batch_alpha(self, given: Labelled) -> torch.Tensor:
        """(FN + FP + 1) / (FP + 1) of each class in the batch, at most `largest`: (K,)."""
        truth, mask = of_each_class(given), given.mask.unsqueeze(1)
        if self.counts == "hard":
            predicted = indicators(given.logits.argmax(1), given.logits.shape[1]).to(given.logits.dtype)
        else:
            predicted = given.logits.softmax(1)
        axes = [axis for axis in range(truth.ndim) if axis != 1]
        false_positive = (predicted * (mask & ~truth)).sum(axes)
        false_negative = ((1 - predicted) * (mask & truth)).sum(axes)
        return ((false_negative + false_positive + 1) / (false_positive + 1)).clamp(1, self.largest)

    @torch.no_grad()
    def _smooth(self, alpha: torch.Tensor) -> torch.Tensor:
        """The running mean, which only training changes."""
        if not self.momentum:
            return alpha
        before = self.smoothed.to(alpha)
        before = torch.where(before.isnan(), alpha, before)
        if not self.training:
            return before
        self.smoothed = self.momentum * before + (1 - self.momentum) * alpha
        return self.smoothed

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *others: Any) -> None:
        """Take the running means of as many classes as were trained on."""
        if self.momentum and f"{prefix}smoothed" in state:
            self.smoothed = torch.empty_like(state[f"{prefix}smoothed"], device=self.smoothed.device)
        super()._load_from_state_dict(state, prefix, *others)


def build(options: WeightedCrossEntropy) -> WeightedCrossEntropyLoss:
    """Build the cross entropy with adaptive weight.

    With the false negatives FN and false positives FP of a positive class among the labelled pixels of the
    batch, its α = (FN + FP + 1) / (FP + 1) = 1 + FN / (FP + 1), at most `largest`: the weight as the
    publication of Hyper-net prints it (its equation 3), with 1 added to both sides against 0/0. (Its text
    describes the inverse, under which missed pixels would weigh less the more they are.) No gradient passes
    through α. The loss is the sum over the pixels, divided by their number and not by their weights. With
    `momentum`, the mean of earlier batches is used in evaluation mode and stays as it is.

    Example:
        >>> loss = build(WeightedCrossEntropy())
        >>> logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
        >>> value = loss(logits, torch.tensor([1, 1, 0]))
        >>> loss.logged()["alpha"].item()  # two missed, one falsely found: 4 / 2
        2.0
    """
    return WeightedCrossEntropyLoss(options)
