# SPDX-License-Identifier: MIT
"""What MED-Net's losses share: Dice of classes and of their complements, and total variation.

Kose et al., Medical Image Analysis 2021 (doi:10.1016/j.media.2020.101841), section 2.2.
"""

from math import prod

import torch
from torch import nn

from microtome.config.losses._variation import Variation
from microtome.losses._classes import Labelled, labelled, of_each_class

PUBLISHED_WINDOWS = 48
"""Windows of the batches for which the paper's weight of the total variation is."""


class DiceVariationLoss(nn.Module):
    """A Dice loss of classes, and the weighted total variation of their probabilities.

    Attributes:
        options: ε, and what of the total variation counts.
        complements: whether what is not of a class counts as the class does.
        owner: name of the loss, for messages.
        dice: name of the first term in the history.
    """

    def __init__(self, options: Variation, *, complements: bool, owner: str, dice: str) -> None:
        super().__init__()
        self.options, self.complements, self.owner, self.dice = options, complements, owner, dice
        self.terms: dict[str, torch.Tensor] = {}

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments.

        With the option `tv_pixels: all` the logits of every pixel count, labelled or not, in the total
        variation alone.

        Raises:
            ValueError: shapes or dtypes that do not fit.
        """
        options, given = self.options, labelled(logits, target, valid, owner=self.owner)
        dice = mdsc(given, epsilon=options.epsilon, complements=self.complements)
        self.terms = {self.dice: dice.detach()}
        if not options.tv_weight:
            return dice
        everywhere = options.tv_pixels == "all"
        probabilities = (logits.to(given.logits.dtype) if everywhere else given.logits).softmax(1)
        variation = total_variation(probabilities, None if everywhere else given.mask)
        term = options.tv_weight * _per(options.tv, probabilities) * variation
        self.terms["tv"] = term.detach()
        return dice + term

    def logged(self) -> dict[str, torch.Tensor]:
        """Both terms of the last batch, the total variation with its weight."""
        return dict(self.terms)


def mdsc(given: Labelled, *, epsilon: float, complements: bool = True) -> torch.Tensor:
    """1 - 2·Σqp / (Σq² + Σp² + ε), summed over classes, and the same of 1 - q and 1 - p.

    q is the truth, p the softmax, and sums run over all labelled pixels of the batch. Each term is computed
    as (Σ(q - p)² + ε) / (Σq² + Σp² + ε), its numerator the same for both, which keeps small losses exact in
    float32. A class that the batch does not show has the first term 1, whatever is predicted, as in the
    paper.

    Args:
        given: see `microtome.losses._classes.labelled`; K classes.
        epsilon: ε, positive.
        complements: whether the second term counts.

    Returns:
        A scalar from 0 to 2·K, or to K without complements; 0 if nothing is labelled.
    """
    known = given.mask.unsqueeze(1)
    probabilities = given.logits.softmax(1)
    truth = of_each_class(given).to(probabilities.dtype)

    def total(values: torch.Tensor) -> torch.Tensor:  # of squares, of each class
        return (values.square() * known).transpose(0, 1).flatten(1).sum(1)

    wrong = total(truth - probabilities) + epsilon
    losses = wrong / (total(truth) + total(probabilities) + epsilon)
    if complements:
        losses = losses + wrong / (total(1 - truth) + total(1 - probabilities) + epsilon)
    return losses.sum() * given.mask.any()


def total_variation(maps: torch.Tensor, known: torch.Tensor | None = None) -> torch.Tensor:
    """Sum of the absolute differences of neighbours along each axis of space, over all maps.

    Args:
        maps: (N, K, *S).
        known: (N, *S) bool: neighbours count where both are known; None: all do.

    Returns:
        A scalar; 0 of maps without an axis of space.

    Example:
        >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 0.5]]]])).item()
        2.0
    """
    found = maps.new_zeros(())
    for axis in range(2, maps.ndim):
        count = maps.shape[axis] - 1
        steps = (maps.narrow(axis, 1, count) - maps.narrow(axis, 0, count)).abs()
        if known is not None:
            both = known.narrow(axis - 1, 1, count) & known.narrow(axis - 1, 0, count)
            steps = steps * both.unsqueeze(1)
        found = found + steps.sum()
    return found


def _per(how: str, probabilities: torch.Tensor) -> float:
    """Factor of the sum over a batch."""
    if how == "sum":
        return 1.0
    windows, _, *sides = probabilities.shape
    if how == "windows":
        return PUBLISHED_WINDOWS / max(windows, 1)
    return 1 / max(windows * prod(sides), 1)
