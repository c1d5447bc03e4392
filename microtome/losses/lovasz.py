# SPDX-License-Identifier: MIT
"""Lovász-Softmax: the Lovász extension of the Jaccard loss (Berman et al., doi:10.1109/CVPR.2018.00464)."""

import torch
from torch import nn

from microtome.config.losses.lovasz import Lovasz
from microtome.losses._classes import Labelled, labelled, of_each_class

BEHIND = -1.0
"""Below every error, so that it is sorted to the end."""


class LovaszLoss(nn.Module):
    """Mean over the classes in the batch of the extended Jaccard loss of their errors; see `build`."""

    def __init__(self, *, include_background: bool = True) -> None:
        super().__init__()
        self.include_background = include_background

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scalar loss; see `microtome.losses` for the arguments.

        Raises:
            ValueError: shapes or dtypes that do not fit.
        """
        given = labelled(logits, target, valid, owner="lovasz")
        return lovasz_softmax(given, include_background=self.include_background)


def lovasz_softmax(given: Labelled, *, include_background: bool = True) -> torch.Tensor:
    """Mean of the losses of the classes that are present.

    Args:
        given: see `microtome.losses._classes.labelled`.
        include_background: whether class 0 counts.

    Returns:
        A scalar; 0 if nothing is labelled.
    """
    truth, probabilities = _of_pixels(of_each_class(given)), _of_pixels(given.logits.softmax(1))
    errors = torch.where(truth, 1 - probabilities, probabilities)
    # what is not labelled goes behind all that is, where no pixel of a class is left and nothing is added
    errors = errors.masked_fill(~given.mask.flatten().unsqueeze(1), BEHIND)
    errors, order = errors.sort(dim=0, descending=True)
    losses = (errors * jaccard_gradient(truth.gather(0, order), errors.dtype)).sum(0)
    present = truth.any(0).to(losses.dtype)
    if not include_background:
        losses, present = losses[1:], present[1:]
    return (losses * present).sum() / present.sum().clamp_min(1)


def _of_pixels(maps: torch.Tensor) -> torch.Tensor:
    """Maps (N, K, *S) as (M, K), the pixels of a class next to each other in memory."""
    return maps.movedim(1, 0).flatten(1).T


def jaccard_gradient(truth: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """How much the Jaccard loss grows as pixel after pixel becomes an error.

    With I pixels of the class left without error and the union U of the class and the errors so far, the loss
    is 1 - I / U. An error on the class takes one from I, so the loss grows by 1 / U; any other adds one to U,
    and it grows by I / (U·(U - 1)). The usual difference of two losses is the same but for rounding, which in
    float32 is as large as the difference itself where pixels are many.

    Args:
        truth: (M, K) bool, pixels in the order of their errors, largest first; whether they are of the class.
        dtype: of the result.

    Returns:
        (M, K); the sums over pixels are 1 for classes that are present.

    Example:
        >>> jaccard_gradient(torch.tensor([[True], [False], [True]])).flatten().tolist()  # 0, 1/2, 2/3, 1
        [0.5, 0.1666666716337204, 0.3333333432674408]
    """
    total = truth.sum(0)
    left = (total - truth.cumsum(0)).to(dtype)
    union = (total + (~truth).cumsum(0)).to(dtype)
    return torch.where(truth, 1 / union, left / (union * (union - 1)).clamp_min(1))


def build(options: Lovasz) -> LovaszLoss:
    """Build the Lovász-Softmax loss.

    The error of a pixel for a class is 1 - p where it is of the class and p elsewhere, p from the softmax.
    The pixels of the whole batch are taken together, classes without a pixel in the batch do not count, and
    pixels that are not labelled are left out before anything else.

    Example:
        >>> build(Lovasz())(torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])).item()  # every error is ½
        0.5
    """
    return LovaszLoss(include_background=options.include_background)
