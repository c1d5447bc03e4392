# SPDX-License-Identifier: MIT
"""What the softmax losses share: checked input, which entries are labelled, soft counts of each class."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from microtome.class_maps import IGNORE
from microtome.config.losses._classes import ClassRegions
from microtome.losses._regions import expand_valid, mean


class Labelled(NamedTuple):
    """Input in at least float32, zero wherever it is not labelled.

    Attributes:
        logits: (N, K, *S).
        classes: (N, *S) int64.
        mask: (N, *S) bool, true where labelled.
    """

    logits: torch.Tensor
    classes: torch.Tensor
    mask: torch.Tensor


def labelled(
    logits: torch.Tensor,
    target: torch.Tensor,
    valid: torch.Tensor | None = None,
    *,
    owner: str,
) -> Labelled:
    """Check the input of a softmax loss and take out what is not labelled.

    What is not labelled is replaced by zero before anything is computed from it, so that whatever it holds
    (NaN) reaches neither value nor gradient.

    Args:
        logits: (N, K, *S) of a floating dtype; the result is in float32, or float64 if they are.
        target: (N, *S) integers from 0 to K - 1, or `IGNORE`, "not labelled".
        valid: bool, broadcastable to (N, *S); None: all but `IGNORE` is valid.
        owner: name of the loss, for the message.

    Raises:
        ValueError: shapes or dtypes that do not fit.
    """
    wanted = (logits.shape[0], *logits.shape[2:]) if logits.ndim > 1 else None
    if tuple(target.shape) != wanted or target.is_floating_point() or target.dtype == torch.bool:
        found = f"{owner} takes logits (N, K, *S) and integer classes (N, *S), found"
        msg = f"{found} logits {tuple(logits.shape)} and a target {tuple(target.shape)} of {target.dtype}."
        raise ValueError(msg)
    mask = torch.ones_like(target, dtype=torch.bool) if valid is None else expand_valid(valid, target.shape)
    mask = mask & (target != IGNORE)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    zero = torch.zeros((), dtype=logits.dtype, device=logits.device)
    classes = torch.where(mask, target, torch.zeros((), dtype=target.dtype, device=target.device))
    return Labelled(torch.where(mask.unsqueeze(1), logits, zero), classes.long(), mask)


class ClassLoss(nn.Module):
    """A softmax loss: a function that makes a scalar of the labelled input; `owner` is its name."""

    def __init__(self, compute: Callable[[Labelled], torch.Tensor], owner: str) -> None:
        super().__init__()
        self.compute, self.owner = compute, owner

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments.

        Raises:
            ValueError: shapes or dtypes that do not fit.
        """
        return self.compute(labelled(logits, target, valid, owner=self.owner))


def of_each_class(given: Labelled) -> torch.Tensor:
    """Whether an entry is labelled and of the class, (N, K, *S) bool."""
    return indicators(given.classes, given.logits.shape[1]) & given.mask.unsqueeze(1)


def indicators(classes: torch.Tensor, count: int) -> torch.Tensor:
    """Whether an entry is of a class, (N, K, *S) bool, of class numbers (N, *S) int64 below `count`, K.

    What `one_hot` gives, which first waits for the numbers, to look at them.

    Example:
        >>> indicators(torch.tensor([[0, 2]]), 3).int().tolist()
        [[[1, 0], [0, 0], [0, 1]]]
    """
    found = torch.zeros((*classes.shape, count), dtype=torch.bool, device=classes.device)
    return found.scatter_(-1, classes.unsqueeze(-1), True).movedim(-1, 1)


def entropies(given: Labelled) -> torch.Tensor:
    """-ln p of the class of each entry, (N, *S); 0 where it is not labelled."""
    found = functional.cross_entropy(given.logits, given.classes, reduction="none")
    return found * given.mask.to(found.dtype)


def focal_entropies(given: Labelled, gamma: float) -> torch.Tensor:
    """(1 - p)^gamma·(-ln p), p of the class of each entry, (N, *S); 0 where it is not labelled.

    1 - p is taken from the logits of the other classes, so that it is exact where p is nearly 1.
    """
    truth = indicators(given.classes, given.logits.shape[1])
    others = given.logits.masked_fill(truth, -torch.inf).logsumexp(1) - given.logits.logsumexp(1)
    return torch.exp(gamma * others) * entropies(given)


def class_region_loss(
    given: Labelled, settings: ClassRegions, *, alpha: float, beta: float, smooth: float
) -> torch.Tensor:
    """The loss of `_regions.region_loss` of each class, p from the softmax, averaged.

    Args:
        given: see `labelled`.
        settings: which classes count, and what is averaged.
        alpha: weight of false positives.
        beta: weight of false negatives.
        smooth: added to both sides of the fraction; positive.

    Returns:
        A scalar; 0 if nothing is labelled.
    """
    first = 0 if settings.include_background else 1
    surprise, truth = -given.logits.log_softmax(1)[:, first:], of_each_class(given)[:, first:]
    others = given.mask.unsqueeze(1) & ~truth
    each = [axis for axis in range(truth.ndim) if axis > 1 or (settings.batch and axis == 0)]
    positive, negative = torch.exp(-surprise), -torch.expm1(-surprise)
    counts = [positive * truth, alpha * positive * others + beta * negative * truth, truth.to(positive.dtype)]
    hits, wrong, size = (values.sum(each) if each else values for values in counts)
    if settings.average == "micro":
        hits, wrong, size = (values.sum(-1, keepdim=True) for values in (hits, wrong, size))
    losses = wrong / (hits + wrong + smooth)
    return mean(losses, _counted(given, losses, size, settings))


def _counted(
    given: Labelled, losses: torch.Tensor, size: torch.Tensor, settings: ClassRegions
) -> torch.Tensor:
    """1 for the losses that are averaged: of images with a label, and of classes that are there."""
    if settings.batch:
        counted = torch.ones_like(losses)
    else:
        counted = given.mask.flatten(1).any(1) if given.mask.ndim > 1 else given.mask
        counted = counted.to(losses.dtype).unsqueeze(1).expand_as(losses)
    return counted * (size > 0) if settings.average == "present" else counted
