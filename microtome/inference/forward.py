# SPDX-License-Identifier: MIT
"""From a batch of windows to probabilities: views, precision, activation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from microtome.inference.precision import Network, Precision, autocast
from microtome.inference.test_time_views import VIEWS, View

Activation = Literal["sigmoid", "softmax", "none"]
Prepare = Callable[[torch.Tensor], torch.Tensor]
Part = tuple[slice, slice]
"""Rows and columns of a window."""

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda logits: logits.softmax(dim=1),
    "none": lambda logits: logits,
}


@dataclass(frozen=True)
class Forward:
    """A network with everything around it that happens per batch.

    Attributes:
        model: Maps (N, C, h + 2 margin, w + 2 margin) to logits (N, K, h, w).
        activation: From logits to probabilities.
        views: Their probabilities are averaged.
        prepare: Last step before the network, e.g. bands to depth; None: nothing.
        precision: Number format of the network.
        margin: Pixels of context that the network consumes on each side.
        reduction: Input pixels for each output pixel, along either axis.
        seen: Rows and columns of the maps that are wanted; None: all. A network with a method `within` is
            asked for these alone (see `microtome.networks.mednet`).
    """

    model: Network
    activation: Activation
    views: tuple[View, ...]
    prepare: Prepare | None
    precision: Precision
    margin: int
    reduction: int = 1
    seen: Part | None = None

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Probabilities, float32, of windows (N, C, h + 2 margin, w + 2 margin).

        Returns:
            (N, K, h / reduction, w / reduction), or of these the part `seen`.
        """
        if self.views == (VIEWS["identity"],):
            return self._probabilities(windows, self.seen)
        total = None
        for view in self.views:
            maps = view.undo(self._probabilities(view.apply(windows), None))
            total = maps if total is None else total + maps
        return self._cut(total if len(self.views) == 1 else total / len(self.views))

    def _probabilities(self, windows: torch.Tensor, seen: Part | None) -> torch.Tensor:
        inputs = windows if self.prepare is None else self.prepare(windows)
        with autocast(windows.device, self.precision):
            if seen is not None and hasattr(self.model, "within"):
                logits, size = self.model.within(inputs, *seen), tuple(one.stop - one.start for one in seen)
                check_logits(logits, windows.shape[0], size)
                return ACTIVATIONS[self.activation](logits.float())
            logits = self.model(inputs)
        height, width = ((side - 2 * self.margin) // self.reduction for side in windows.shape[-2:])
        check_logits(logits, windows.shape[0], (height, width))
        return ACTIVATIONS[self.activation]((logits if seen is None else self._cut(logits)).float())

    def _cut(self, maps: torch.Tensor) -> torch.Tensor:
        """The part that is wanted."""
        return maps if self.seen is None else maps[..., self.seen[0], self.seen[1]]


def check_logits(logits: object, count: int, size: tuple[int, int]) -> None:
    """Refuse what is not one map per class for each window.

    Raises:
        TypeError: The network returned something other than a tensor.
        ValueError: Its shape does not fit the windows.
    """
    expected = f"(N={count}, K, {size[0]}, {size[1]})"
    if not isinstance(logits, torch.Tensor):
        msg = f"the network returned {type(logits).__name__}, expected a tensor {expected}; wrap it to do so"
        raise TypeError(msg)
    if logits.ndim != 4 or logits.shape[0] != count or tuple(logits.shape[2:]) != size:
        msg = (
            f"the network returned {tuple(logits.shape)}, expected {expected}; check window (does the "
            "network need a multiple of some number?) and margin (context that valid convolutions consume)"
        )
        raise ValueError(msg)


def check_model(model: Network, device: torch.device) -> None:
    """Refuse a network that is in training mode or on another device.

    Raises:
        ValueError: Either of the two.
    """
    if not isinstance(model, nn.Module):
        return
    leaves = [part for part in model.modules() if next(part.children(), None) is None]
    if model.training and any(part.training for part in leaves):
        msg = "the network is in training mode, where outputs depend on the batch; call model.eval() first"
        raise ValueError(msg)
    parameter = next(model.parameters(), None)
    if parameter is not None and parameter.device.type != device.type:
        msg = f"the network is on {parameter.device}, prediction on {device}; call model.to(device) first"
        raise ValueError(msg)
