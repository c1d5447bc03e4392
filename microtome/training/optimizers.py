# SPDX-License-Identifier: MIT
"""Optimizers, and the learning rate as a function of the epoch or the step."""

import math
from collections.abc import Iterable

import torch

from microtome.config.training import Optimizer, Schedule

FIRST, LAST = 1 / 25, 1 / 250_000
"""Factors of the first and of the last step of a cycle."""


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
        momentum = {"momentum": settings.momentum, "nesterov": settings.nesterov}
        return torch.optim.SGD(parameters, **momentum, **options)
    options |= {"fused": True} if fused else {}
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.name](parameters, **options)


def learning_rate_factor(schedule: Schedule, number: int, total: int, *, per_epoch: int = 1) -> float:
    """The factor on the learning rate in an epoch, or in a step.

    Args:
        schedule: The schedule.
        number: Of the epoch, from 0; or of the step, counted through all epochs.
        total: Epochs of the whole run; or its steps.
        per_epoch: Steps of an epoch, where steps are counted.

    Example:
        >>> learning_rate_factor(Schedule(name="step", every=30, factor=0.1), 30, 60)
        0.1
        >>> learning_rate_factor(Schedule(name="poly", power=2), 30, 60)
        0.25
    """
    warmup = schedule.warmup * per_epoch
    if number < warmup:
        return (number + 1) / (warmup + 1)
    done = (number - warmup) / max(total - warmup, 1)
    factors = {
        "constant": lambda: 1.0,
        "step": lambda: schedule.factor ** (number // (schedule.every * per_epoch)),
        "exponential": lambda: schedule.factor**done,
        "cosine": lambda: _between(1.0, 0.0, done),
        "poly": lambda: (1 - done) ** schedule.power,
        "one_cycle": lambda: _one_cycle(number, total, schedule.rise),
    }
    return factors[schedule.name]()


def _one_cycle(step: int, total: int, rise: float) -> float:
    """The factor of a cycle as `torch.optim.lr_scheduler.OneCycleLR` has it; momentum is left alone."""
    last = max(total - 1, 1)
    top = min(max(rise * total - 1, 0.0), last)
    if step < top:
        return _between(FIRST, 1.0, step / top)
    return _between(1.0, LAST, (step - top) / max(last - top, 1.0))


def _between(start: float, end: float, done: float) -> float:
    """From one value to another along half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
