# SPDX-License-Identifier: MIT
"""Deep supervision: the loss of every level of a network, against labels at the level's resolution.

Le'Clerc Arrastia et al., J. Imaging 2021 (doi:10.3390/jimaging7040071), section 2.3.1: the sum over levels of
a loss that is a mean over the level's own pixels. Labels are reduced to labels, never averaged.
"""

import copy
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from microtome.class_maps import IGNORE
from microtome.config.training import Supervision


class LevelLosses(nn.Module):
    """The weighted sum of the loss of each level, coarse to fine.

    Each level has a loss of its own, as a loss may remember earlier batches.

    Attributes:
        losses: One for each level.
        reductions: Size of an image over that of each level.
        weights: Of each level in the sum.
    """

    def __init__(self, loss: nn.Module, reductions: Sequence[int], settings: Supervision) -> None:
        """See the class.

        Raises:
            ValueError: There is not one weight for each level.
        """
        super().__init__()
        self.reductions, self.how = tuple(reductions), settings.targets
        self.weights = settings.weights or (1.0,) * len(self.reductions)
        if len(self.weights) != len(self.reductions):
            msg = f"supervision.weights has {len(self.weights)} numbers, expected one for each of "
            msg += f"{len(self.reductions)} levels"
            raise ValueError(msg)
        self.losses = nn.ModuleList(copy.deepcopy(loss) for _ in self.reductions)
        self.values: tuple[Tensor, ...] = ()

    def forward(self, outputs: Sequence[Tensor], target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Scalar loss.

        Args:
            outputs: Logits of each level, (N, K, ceil(H / r), ceil(W / r)).
            target: (N, H, W) class numbers, or (N, T, H, W) with values 0 and 1.
            valid: bool, as the target: where a label is known; None: everywhere.
        """
        values = [
            loss(logits, *reduced(target, valid, reduction, how=self.how, classes=logits.shape[1]))
            for loss, logits, reduction in zip(self.losses, outputs, self.reductions, strict=True)
        ]
        self.values = tuple(value.detach() for value in values)
        return sum(weight * value for weight, value in zip(self.weights, values, strict=True))

    def logged(self) -> dict[str, Tensor]:
        """Of the last batch, the loss of each level without its weight, and what the levels' losses log.

        Levels are numbered coarse to fine, from 0: `level_0_loss`, `level_0_mdsc`. What the finest one logs,
        which is the result, has its own name, too.
        """
        found = {}
        for number, (loss, value) in enumerate(zip(self.losses, self.values, strict=False)):
            own = getattr(loss, "logged", dict)()
            named = {"loss": value} | own
            found |= {f"level_{number}_{name}": one for name, one in named.items()}
        return getattr(self.losses[-1], "logged", dict)() | found


def reduced(
    target: Tensor,
    valid: Tensor | None,
    reduction: int,
    *,
    how: Literal["nearest", "majority"],
    classes: int,
) -> tuple[Tensor, Tensor | None]:
    """Labels at a coarser resolution, and where they are known.

    An image that `reduction` does not divide goes on without labels at the bottom and the right.

    Args:
        target: (N, H, W) integer class numbers, or (N, T, H, W) floating, values 0 and 1.
        valid: bool, of the same shape; None: every label is known.
        reduction: Pixels of the side of a cell.
        how: `nearest`: of the pixel at (r // 2, r // 2) of a cell, which is in its centre (PyTorch's
            "nearest-exact"); `majority`: the most frequent of its labelled pixels, of several the last class.
        classes: K, above all class numbers.

    Returns:
        Both, (…, ceil(H / r), ceil(W / r)); a class that is not known is `IGNORE`. The second is
        None if all are known.

    Example:
        >>> labels = torch.tensor([[[0, 0, 2], [1, 1, 2]]])
        >>> reduced(labels, labels >= 0, 2, how="majority", classes=3)[0].tolist()
        [[[1, 2]]]
    """
    if reduction == 1:
        return target, valid
    if valid is None and (how == "majority" or any(side % reduction for side in target.shape[-2:])):
        valid = torch.ones_like(target, dtype=torch.bool)
    target, valid = (values if values is None else _padded(values, reduction) for values in (target, valid))
    if how == "nearest":
        centre = (..., slice(reduction // 2, None, reduction), slice(reduction // 2, None, reduction))
        return target[centre], None if valid is None else valid[centre]
    if target.is_floating_point():
        return _majority_of_two(target, valid, reduction)
    return _majority_of_classes(target, valid, reduction, classes)


def _padded(values: Tensor, multiple: int) -> Tensor:
    """Extend maps at the bottom and the right so that `multiple` divides their sides; with 0, or False."""
    height, width = values.shape[-2:]
    return functional.pad(values, (0, -width % multiple, 0, -height % multiple))


def _share(mask: Tensor, reduction: int) -> Tensor:
    """The share of each cell where a mask is true, (N, T, H / r, W / r); exact for powers of two."""
    return functional.avg_pool2d(mask.float(), reduction)


def _majority_of_two(target: Tensor, valid: Tensor, reduction: int) -> tuple[Tensor, Tensor]:
    """1 where at least half of the labelled pixels of a cell are."""
    known = _share(valid, reduction)
    ones = _share(valid & (target > 0.5), reduction)
    return (2 * ones >= known).to(target.dtype), known > 0


def _majority_of_classes(
    target: Tensor, valid: Tensor, reduction: int, classes: int
) -> tuple[Tensor, Tensor]:
    """The most frequent class of the labelled pixels of a cell, class by class to save memory."""
    most, found = None, None
    for number in range(classes):
        share = _share((valid & (target == number))[:, None], reduction)[:, 0]
        if most is None:
            most, found = share, torch.zeros_like(share, dtype=target.dtype)
        found = found.masked_fill(share >= most, number)
        most = torch.maximum(share, most)
    return found.masked_fill(most == 0, IGNORE), most > 0
