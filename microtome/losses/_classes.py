# SPDX-License-Identifier: MIT
"""What the softmax losses share: checked input, and which entries are labelled."""

from typing import NamedTuple

import torch

from microtome.class_maps import IGNORE
from microtome.losses._regions import expand_valid


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
