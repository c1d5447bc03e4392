# SPDX-License-Identifier: MIT
"""Tasks: from a batch of windows to what a network and its loss take."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from microtome.class_maps import IGNORE
from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.inference.resize import zoomed, zoomed_classes
from microtome.networks.windows import WindowTransform, transform_windows
from microtome.training.augment import augment, round_targets, without
from microtome.training.batches import Batch

CENTRE_MOVING = ("translate", "elastic_alpha")
"""Augmentations after which another pixel is in the centre."""


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
    return (images / settings.scale).sub_(settings.mean).div_(settings.std)


def _augmented(
    batch: Batch, settings: Input, augmentation: Augment, seed: int | None, *, by_class: bool = False
) -> tuple[Tensor, Tensor]:
    """Augment the pixels in 0..1, resize and normalise them; `by_class`, labels are resized as numbers."""
    images, labels = batch.images.float() / settings.scale, batch.labels.long()
    if batch.draws:
        images, labels = _fixed_copies(images, labels, augmentation, batch)
    elif seed is not None:
        images, labels = augment(images, labels, augmentation, seed=seed, margin=batch.margin)
    else:
        images, labels = without(images, batch.margin), without(labels, batch.margin)
    if settings.zoom != 1:
        images = zoomed(images, settings.zoom)
        if by_class:
            labels = zoomed_classes(labels, settings.zoom)
        else:
            labels = round_targets(zoomed(labels.float(), settings.zoom), augmentation.target_rounding)
    return normalize(images * settings.scale, settings), labels


def _fixed_copies(
    images: Tensor, labels: Tensor, augmentation: Augment, batch: Batch
) -> tuple[Tensor, Tensor]:
    """Augment each window with a seed of its own, those without one not at all."""
    margin = batch.margin
    pairs = [
        (without(image, margin), without(label, margin))
        if seed is None
        else augment(image, label, augmentation, seed=seed, margin=margin)
        for image, label, seed in zip(images.split(1), labels.split(1), batch.draws, strict=True)
    ]
    return torch.cat([image for image, _ in pairs]), torch.cat([label for _, label in pairs])


@dataclass(frozen=True)
class BinaryTask:
    """Sigmoid outputs, each of the class `positive` against the rest: a mask, or a mask and a marker."""

    settings: Input
    augmentation: Augment
    positive: int = 1

    def prepare(self, batch: Batch, *, seed: int | None) -> Prepared:
        """Targets are float (N, T, H, W)."""
        inputs, labels = _augmented(batch, self.settings, self.augmentation, seed)
        return Prepared(inputs, (labels == self.positive).float(), labels != IGNORE)


@dataclass(frozen=True)
class SoftmaxTask:
    """One of several classes for each pixel."""

    settings: Input
    augmentation: Augment

    def prepare(self, batch: Batch, *, seed: int | None) -> Prepared:
        """Targets are int64 (N, H, W).

        Raises:
            ValueError: There is more than one map of labels.
        """
        if batch.labels.shape[1] != 1:
            expected = "one: a softmax output says which class a pixel is of; set outputs to [mask]"
            msg = f"found {batch.labels.shape[1]} label maps, expected {expected}"
            raise ValueError(msg)
        inputs, labels = _augmented(batch, self.settings, self.augmentation, seed, by_class=True)
        classes = labels[:, 0].long()
        return Prepared(inputs, classes, classes != IGNORE)


@dataclass(frozen=True)
class WindowTask:
    """A class for the centre of each window (Ciresan et al. 2012).

    Attributes:
        settings: Scaling of the pixels.
        augmentation: What may happen to a window; its central pixel must stay in the centre.
        transform: From the raw window to the network's.
        window: Side of the network's window.
    """

    settings: Input
    augmentation: Augment
    transform: WindowTransform
    window: int

    def __post_init__(self) -> None:
        """Check that the label stays true.

        Raises:
            ValueError: The augmentation moves the central pixel, whose class is the label of the window.
        """
        moving = [name for name in CENTRE_MOVING if getattr(self.augmentation, name)]
        if moving:
            found = f"augment.{' and augment.'.join(moving)} would move the central pixel of a window"
            remedy = "set it to 0 for networks that classify windows."
            msg = f"{found}, whose class is the window's label; {remedy}"
            raise ValueError(msg)

    def prepare(self, batch: Batch, *, seed: int | None) -> Prepared:
        """Targets are int64 (N,)."""
        unused = torch.zeros(1, dtype=torch.uint8).expand(len(batch.images), 1, *batch.images.shape[2:])
        inputs, _ = _augmented(replace(batch, labels=unused), self.settings, self.augmentation, seed)
        labels = batch.labels[:, 0, 0, 0].long()
        return Prepared(transform_windows(inputs, self.window, self.transform), labels, labels != IGNORE)


def to_device(prepared: Prepared, device: torch.device, *, channels_last: bool) -> Prepared:
    """Move to the device, in the memory format of the network."""
    layout = torch.channels_last if channels_last and prepared.inputs.dim() == 4 else torch.contiguous_format
    inputs = prepared.inputs.to(device, non_blocking=True, memory_format=layout)
    return Prepared(inputs, prepared.target.to(device), prepared.valid.to(device))
