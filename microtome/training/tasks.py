# SPDX-License-Identifier: MIT
"""Tasks: from a batch of windows to what a network and its loss take."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from microtome.augment import Augmentation, augment
from microtome.config.sampling import Input
from microtome.training.batches import IGNORE, Batch
from microtome.windows import WindowTransform, transform_windows


@dataclass(frozen=True)
class Prepared:
    """Inputs of a network and its loss.

    Attributes:
        inputs: (N, C, H, W) float32, normalised.
        target: As the loss takes it.
        valid: bool, where a label is known.
    """

    inputs: Tensor
    target: Tensor
    valid: Tensor


class Task(Protocol):
    """Turns batches into network inputs and targets."""

    def prepare(self, batch: Batch, *, seed: int | None) -> Prepared:
        """Prepare a batch; with a seed it is augmented."""
        ...


def normalize(images: Tensor, settings: Input) -> Tensor:
    """Scale pixel values as the network takes them: (x / scale - mean) / std."""
    return (images / settings.scale - settings.mean) / settings.std


def _augmented(
    batch: Batch, settings: Input, augmentation: Augmentation, seed: int | None
) -> tuple[Tensor, Tensor]:
    """Augment the pixels in 0..1 and normalise them."""
    images, labels = batch.images / settings.scale, batch.labels
    if seed is not None:
        images, labels = augment(images, labels, augmentation, seed=seed)
    return normalize(images * settings.scale, settings), labels


@dataclass(frozen=True)
class BinaryTask:
    """One sigmoid output: the class `positive` against the rest (SPEC B.5: cell against membrane)."""

    settings: Input
    augmentation: Augmentation
    positive: int = 1

    def prepare(self, batch: Batch, *, seed: int | None) -> Prepared:
        """Targets are float (N, 1, H, W)."""
        inputs, labels = _augmented(batch, self.settings, self.augmentation, seed)
        return Prepared(inputs, (labels == self.positive).float(), labels != IGNORE)


@dataclass(frozen=True)
class WindowTask:
    """A class for the centre of each window (Ciresan et al. 2012)."""

    settings: Input
    augmentation: Augmentation
    transform: WindowTransform
    window: int

    def prepare(self, batch: Batch, *, seed: int | None) -> Prepared:
        """Targets are int64 (N,)."""
        inputs, _ = _augmented(
            replace(batch, labels=batch.labels.expand(-1, -1, *batch.images.shape[2:])),
            self.settings,
            self.augmentation,
            seed,
        )
        labels = batch.labels[:, 0, 0, 0]
        return Prepared(transform_windows(inputs, self.window, self.transform), labels, labels != IGNORE)


def to_device(prepared: Prepared, device: torch.device, *, channels_last: bool) -> Prepared:
    """Move to the device, in the memory format of the network."""
    layout = torch.channels_last if channels_last and prepared.inputs.dim() == 4 else torch.contiguous_format
    inputs = prepared.inputs.to(device, non_blocking=True, memory_format=layout)
    return Prepared(inputs, prepared.target.to(device), prepared.valid.to(device))
