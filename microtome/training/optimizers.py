# SPDX-License-Identifier: MIT
"""Optimizers, and the learning rate as a function of the epoch."""

import math
from collections.abc import Iterable

import torch

from microtome.config.training import Optimizer, Schedule


def build_optimizer(
    parameters: Iterable[torch.nn.Parameter], settings: Optimizer, *, fused: bool = False
) -> torch.optim.Optimizer:
    """Make the optimizer.

    Args:
        parameters: What it changes.
        settings: Its options.
        fused: Adam and AdamW change all parameters in one kernel and count the steps on the device; for CUDA,
            where nothing is faster. Otherwise PyTorch chooses.
    """
    options = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    if settings.name == "sgd":
        return torch.optim.SGD(parameters, momentum=settings.momentum, **options)
    options |= {"fused": True} if fused else {}
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.name](parameters, **options)


def learning_rate_factor(schedule: Schedule, epoch: int, epochs: int) -> float:
    """The factor on the learning rate in an epoch.

    Args:
        schedule: The schedule.
        epoch: From 0.
        epochs: Of the whole run.

    Example:
        >>> learning_rate_factor(Schedule(name="step", every=30, factor=0.1), 30, 60)
        0.1
    """
    if epoch < schedule.warmup:
        return (epoch + 1) / (schedule.warmup + 1)
    done = (epoch - schedule.warmup) / max(epochs - schedule.warmup, 1)
    factors = {
        "constant": 1.0,
        "step": schedule.factor ** (epoch // schedule.every),
        "exponential": schedule.factor**done,
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
    }
    return factors[schedule.name]


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
