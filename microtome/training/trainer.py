# SPDX-License-Identifier: MIT
"""What stays the same from epoch to epoch: model, loss, task, settings, device, and how they compute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from microtome.config.training import Training
from microtome.devices import supports_fast_bf16
from microtome.training.batch_norm import synchronize
from microtome.training.processes import SOLO, Team
from microtome.training.selection import BY_LOSS, Criterion
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import Prepared, Task

Loss = Callable[..., Tensor]
REGISTER = 8
"""Single-precision numbers in a register of AVX2."""
IMAGE_DIMENSIONS, VOLUME_DIMENSIONS = 4, 5
LAYOUTS = {IMAGE_DIMENSIONS: torch.channels_last, VOLUME_DIMENSIONS: torch.channels_last_3d}
"""Channels last, by the dimensions of what is laid out so."""


@dataclass(frozen=True)
class Trainer:
    """Everything that stays the same from epoch to epoch.

    Attributes:
        loss: Of the result; if it is a `LevelLosses`, of all levels of the model.
        team: The processes that train together.
        criterion: Which epoch is the best.
        readers: Threads that read batches while the device computes; on a CPU batches are read between steps.
    """

    model: torch.nn.Module
    loss: Loss
    task: Task
    settings: Training
    device: torch.device
    seed: int = 0
    team: Team = SOLO
    criterion: Criterion = BY_LOSS
    readers: int = 1

    @property
    def precision(self) -> Literal["fp32", "bf16"]:
        """Number format of the forward pass.

        `auto` is bf16 on GPUs that compute in it, fp32 elsewhere; `fast` is bf16 on such CPUs, too, where
        the model is safe in it (`place`).
        """
        asked = self.settings.precision
        if asked not in ("auto", "fast"):
            return asked
        on_cpu = self.device.type == "cpu"
        allowed = not on_cpu or (asked == "fast" and not is_volumetric(self.model))
        return "bf16" if allowed and supports_fast_bf16(self.device) else "fp32"

    @property
    def autocast(self) -> torch.autocast:
        """Context in which the model computes."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    @property
    def channels_last(self) -> bool:
        """Whether the model and its inputs are channels last: where asked for, unless that would harm.

        3-D models are slower so on CPUs. And on CPUs without AVX-512, oneDNN (3.12, of torch 2.13) writes
        beyond its buffers in the backward pass of strided 1x1 convolutions of fewer channels than a register
        holds.
        """
        is_cpu = self.device.type == "cpu"
        harmed = (is_volumetric(self.model) and self.device.type != "cuda") or (
            is_cpu and _has_narrow_strides(self.model)
        )
        return self.settings.channels_last and not harmed

    @cached_property
    def outputs(self) -> Callable[[Tensor], Tensor | Sequence[Tensor]]:
        """The model, or its levels if all of them are trained, compiled where that is asked for."""
        compute = self.model.levels if self.trains_levels else self.model
        return torch.compile(compute) if self.settings.compile else compute

    @property
    def trains_levels(self) -> bool:
        """Whether all levels of the model are trained."""
        return isinstance(self.loss, LevelLosses)

    @property
    def is_repeatable(self) -> bool:
        """Whether the same run gives the same weights: always on a CPU."""
        return self.settings.deterministic or self.device.type == "cpu"

    def place(self) -> None:
        """Move the model and the loss to the device, in their memory format; the team shares normalisation.

        Raises:
            ValueError: The precision is unsafe here.
        """
        if self.precision == "bf16" and self.device.type == "cpu" and is_volumetric(self.model):
            found = "training.precision is bf16 for a 3-D network on a CPU, where PyTorch crashes"
            msg = f"{found}; set fp32, fast or auto"
            raise ValueError(msg)
        synchronize(self.model, self.team)
        self.model.to(self.device)
        if isinstance(self.loss, torch.nn.Module):
            self.loss.to(self.device)
        if self.channels_last:
            for value in (*self.model.parameters(), *self.model.buffers()):
                value.data = value.data.to(memory_format=_layout(value))

    def loss_on(self, prepared: Prepared) -> Tensor:
        """The loss of a prepared batch, all of it, though the team shares the work of the network."""
        return self.loss_of(self.outputs_of(prepared), prepared)

    def outputs_of(self, prepared: Prepared) -> list[Tensor]:
        """The outputs of a prepared batch, all of it, the result last."""
        own = prepared.inputs[self.team.share(len(prepared.inputs))]
        layout = _layout(own) if self.channels_last else torch.contiguous_format
        with self.autocast:
            found = self.outputs(own.to(memory_format=layout))
        levels = list(found) if self.trains_levels else [found]
        return [self.team.whole(output.float()) for output in levels]

    def loss_of(self, outputs: list[Tensor], prepared: Prepared) -> Tensor:
        """The loss of outputs of `outputs_of`."""
        measured = outputs if self.trains_levels else outputs[-1]
        return self.loss(measured, prepared.target, prepared.valid)

    def set_mode(self, *, training: bool) -> None:
        """Training or evaluation mode of the model, and of the loss if it is a module."""
        for part in (self.model, self.loss):
            if isinstance(part, torch.nn.Module):
                part.train(training)


def is_volumetric(model: torch.nn.Module) -> bool:
    """Whether the model has weights of 3-D convolutions."""
    return any(parameter.dim() > IMAGE_DIMENSIONS for parameter in model.parameters())


def _layout(values: Tensor) -> torch.memory_format:
    """Channels last for images and volumes, the usual order for all else."""
    return LAYOUTS.get(values.dim(), torch.contiguous_format)


def _has_narrow_strides(model: torch.nn.Module) -> bool:
    """Whether a strided 1x1 convolution of the model has fewer input channels than `REGISTER`."""
    layers = (layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d))
    return any(c.kernel_size == (1, 1) and c.stride != (1, 1) and c.in_channels < REGISTER for c in layers)
