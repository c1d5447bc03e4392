# SPDX-License-Identifier: MIT
"""Tasks: from a batch of windows to what a network and its loss take."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from microtome.class_maps import IGNORE
from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.inference.resize import zoomed, zoomed_classes
from microtome.networks.windows import WindowTransform, transform_windows
from microtome.training.augment import changed
from microtome.training.batches import Batch
from microtome.training.draws import Draws, draw, draw_copies
from microtome.training.resampling import require_masks, round_targets
from microtome.training.turns import turned

CENTRE_MOVING = ("translate", "elastic_alpha")
"""Augmentations after which another pixel is in the centre."""


@dataclass(frozen=True)
class Prepared:
    """Inputs of a network and its loss.

    Attributes:
        inputs: (N, C, H, W) float32, normalised.
        target: As the loss takes it.
        valid: bool, where a label is known; None: everywhere.
    """

    inputs: Tensor
    target: Tensor
    valid: Tensor | None


class Task(Protocol):
    """Turns batches into network inputs and targets."""

    def draw(self, batch: Batch, *, seed: int | None) -> Draws | None:
        """Draw all that is random in a batch, and check it: on the CPU, where the batch was read.

        Args:
            batch: As it was read.
            seed: Of its augmentation, where it has no draws of its own; None: it is not augmented.

        Returns:
            What `prepare` takes, to be moved with the batch; None if nothing is changed.

        Raises:
            ValueError: The batch does not fit the augmentation, or labels of more than 0 and 1 would be
                interpolated.
        """
        ...

    def prepare(self, batch: Batch, draws: Draws | None) -> Prepared:
        """Prepare a batch on the device where it lies, without letting the host wait for it."""
        ...


def normalize(images: Tensor, settings: Input) -> Tensor:
    """Scale pixel values as the network takes them: (x / scale - mean) / std."""
    return (images / settings.scale).sub_(settings.mean).div_(settings.std)


def _drawn(batch: Batch, augmentation: Augment, seed: int | None) -> Draws | None:
    """The draws of a batch: of the fixed copies that it holds, or of all its windows."""
    shape, margin = tuple(batch.images.shape), batch.margin
    if batch.draws:
        return draw_copies(shape, augmentation, seeds=batch.draws, margin=margin)
    return None if seed is None else draw(shape, augmentation, seed=seed, margin=margin)


def _augmented(
    batch: Batch, labels: Tensor | None, settings: Input, augmentation: Augment, draws: Draws | None
) -> tuple[Tensor, Tensor | None]:
    """Augment pixels in 0..1 and labels; the pixels are resized and normalised, too.

    What moves whole pixels is done to pixels as they are stored.
    """
    draws, images = draws or Draws(), batch.images
    images, labels = turned(images, draws.turns), None if labels is None else turned(labels, draws.turns)
    images, labels = changed(
        _scaled(images, settings.scale), labels, augmentation, draws, margin=batch.margin
    )
    images = zoomed(images, settings.zoom) if settings.zoom != 1 else images
    return normalize(images * settings.scale, settings), labels


def _scaled(images: Tensor, scale: float) -> Tensor:
    """Pixels as stored over `scale`, float32, in one pass where PyTorch divides pixels of their type."""
    direct = images.dtype in (torch.uint8, torch.float32)
    return (images if direct else images.float()) / scale


def _interpolates_labels(draws: Draws | None, augmentation: Augment) -> bool:
    return draws is not None and draws.warps and augmentation.target_rounding != "nearest"


def _require_masks(batch: Batch) -> None:
    """Make sure that labels can be interpolated."""
    if not batch.binary:
        require_masks(batch.labels)


def _valid(batch: Batch, labels: Tensor, augmentation: Augment, draws: Draws | None) -> Tensor | None:
    """Where a label is known; None if it is certain that all are, without a look at them."""
    fills = draws is not None and draws.warps and augmentation.target_fill == "ignore"
    return None if batch.known and not fills else labels != IGNORE


@dataclass(frozen=True)
class BinaryTask:
    """Sigmoid outputs, each of the class `positive` against the rest: a mask, or a mask and a marker."""

    settings: Input
    augmentation: Augment
    positive: int = 1

    def draw(self, batch: Batch, *, seed: int | None) -> Draws | None:
        """See `Task.draw`."""
        draws = _drawn(batch, self.augmentation, seed)
        if self.settings.zoom != 1 or _interpolates_labels(draws, self.augmentation):
            _require_masks(batch)
        return draws

    def prepare(self, batch: Batch, draws: Draws | None) -> Prepared:
        """Targets are float (N, T, H, W)."""
        inputs, labels = _augmented(batch, batch.labels, self.settings, self.augmentation, draws)
        if self.settings.zoom != 1:
            rounding = self.augmentation.target_rounding
            labels = round_targets(zoomed(labels.float(), self.settings.zoom), rounding).to(labels.dtype)
        valid = _valid(batch, labels, self.augmentation, draws)
        return Prepared(inputs, (labels == self.positive).float(), valid)


@dataclass(frozen=True)
class SoftmaxTask:
    """One of several classes for each pixel."""

    settings: Input
    augmentation: Augment

    def draw(self, batch: Batch, *, seed: int | None) -> Draws | None:
        """See `Task.draw`.

        Raises:
            ValueError: There is more than one map of labels.
        """
        if batch.labels.shape[1] != 1:
            expected = "one: a softmax output says which class a pixel is of; set outputs to [mask]"
            msg = f"found {batch.labels.shape[1]} label maps, expected {expected}"
            raise ValueError(msg)
        draws = _drawn(batch, self.augmentation, seed)
        if _interpolates_labels(draws, self.augmentation):
            _require_masks(batch)
        return draws

    def prepare(self, batch: Batch, draws: Draws | None) -> Prepared:
        """Targets are int64 (N, H, W)."""
        inputs, labels = _augmented(batch, batch.labels, self.settings, self.augmentation, draws)
        if self.settings.zoom != 1:
            labels = zoomed_classes(labels, self.settings.zoom)
        valid = _valid(batch, labels[:, 0], self.augmentation, draws)
        return Prepared(inputs, labels[:, 0].long(), valid)


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

    def draw(self, batch: Batch, *, seed: int | None) -> Draws | None:
        """See `Task.draw`."""
        return _drawn(batch, self.augmentation, seed)

    def prepare(self, batch: Batch, draws: Draws | None) -> Prepared:
        """Targets are int64 (N,)."""
        raw, _ = _augmented(batch, None, self.settings, self.augmentation, draws)
        inputs = transform_windows(raw, self.window, self.transform)
        labels = batch.labels[:, 0, 0, 0]
        return Prepared(inputs, labels.long(), None if batch.known else labels != IGNORE)
