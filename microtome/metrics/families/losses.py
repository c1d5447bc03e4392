# SPDX-License-Identifier: MIT
"""Every loss of the study on every run's prediction, so that runs can be compared at all (SPEC F4.3)."""

import torch

from microtome import losses
from microtome.metrics.families._context import Context, Measure

OF_IMAGE = ("loss_{loss}",)
EPSILON = 1e-7


def measure(context: Context) -> list[Measure]:
    """One value a loss, `loss_<name>`; logits are taken back from probabilities, clipped to 1e-7."""
    probability = torch.from_numpy(context.probability[None]).float().clamp(EPSILON, 1 - EPSILON)
    target = torch.from_numpy((context.truth == 1)[None, None]).float()
    valid = torch.from_numpy(context.valid[None, None])
    return [
        Measure("all", f"loss_{name}", float(losses.build(**options)(probability.logit(), target, valid)))
        for name, options in context.losses.items()
    ]
