# SPDX-License-Identifier: MIT
"""Every loss of the study on every run's prediction, so that runs can be compared at all (SPEC F4.3)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from microtome import losses
from microtome.config.entries import model
from microtome.config.losses import activation_of
from microtome.metrics.families._context import Context, Measure

OF_IMAGE = ("loss_{loss}",)
LOWER_IS_BETTER = ("loss_{loss}",)
OF_PROBABILITIES = True
EPSILON = 1e-7


def measure(context: Context) -> list[Measure]:
    """One value a loss, `loss_<name>`; logits are taken back from probabilities, clipped to 1e-7."""
    return [
        Measure("all", f"loss_{name}", _value(context, options)) for name, options in context.losses.items()
    ]


def _value(context: Context, options: Mapping[str, Any]) -> float:
    """A loss of one image; losses by softmax see all classes, those by sigmoid the second, or the mask."""
    loss, of_classes = losses.build(**options), context.activation == "softmax"
    valid, positive = torch.from_numpy(context.valid[None]), _clipped(context.positive[None])
    if activation_of(model("microtome.config.losses", options["name"])(**options)) == "softmax":
        maps = _clipped(context.probability) if of_classes else torch.cat([1 - positive, positive], 1)
        return float(loss(maps.log(), torch.from_numpy(context.truth[None]), valid))
    target = torch.from_numpy((context.truth == 1)[None, None]).float()
    return float(loss(positive.logit(), target, valid[:, None]))


def _clipped(maps: np.ndarray) -> torch.Tensor:
    """Maps (K, H, W) as a batch of one, away from 0 and 1."""
    return torch.from_numpy(maps[None]).float().clamp(EPSILON, 1 - EPSILON)
