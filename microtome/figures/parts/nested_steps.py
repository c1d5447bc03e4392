# SPDX-License-Identifier: MIT
"""What each subnetwork of a nested network does to the shape of its input, seen by hooks on its layers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from microtome import networks
from microtome.figures.parts.network_steps import Step, layers_drawn, steps_of_call
from microtome.networks._blocks import hooked
from microtome.networks._nested import Nested


@dataclass(frozen=True)
class Scale:
    """A subnetwork.

    Attributes:
        reduction: Size of the network's image over that of the subnetwork's.
        steps: The input first, the scores last; of the input's channels those that come from the next coarser
            subnetwork are `copied`.
        bottleneck: Which of the steps makes the bottleneck.
        parameters: Of the subnetwork, of its scores and of its gate.
    """

    reduction: int
    steps: tuple[Step, ...]
    bottleneck: int
    parameters: int


@dataclass(frozen=True)
class TracedNested:
    """A nested network.

    Attributes:
        scales: Coarse to fine.
        gate: How bottlenecks are joined: ``sigmoid``, ``product`` or ``residual``; empty with one subnetwork.
        pyramid: How coarser images are made: ``average`` or ``nearest``.
        parameters: Of all.
    """

    scales: tuple[Scale, ...]
    gate: str
    pyramid: str
    parameters: int


def trace_nested(network: Mapping[str, Any], *, size: int) -> TracedNested | None:
    """Build a network and follow an image through its subnetworks; None if it has none.

    Args:
        network: Name and options.
        size: Side of the image, pixels.

    Raises:
        ValueError: The network is unknown, or its bottleneck is no whole number of pixels at this size.

    Example:
        >>> traced = trace_nested({"name": "mednet", "scales": 2, "width": 4}, size=64)
        >>> [(scale.steps[0].size, scale.steps[scale.bottleneck].channels) for scale in traced.scales]
        [(32, 16), (64, 32)]
        >>> trace_nested({"name": "unet", "width": 2}, size=64) is None
        True
    """
    options = dict(network)
    with torch.device("meta"):
        model = networks.build(options.pop("name"), **options).eval()
    if not isinstance(model, Nested):
        return None
    if size % model.multiple:
        msg = (
            f"found an image of {size} pixels; expected a multiple of {model.multiple} for {network['name']}"
        )
        raise ValueError(msg)
    scales = tuple(_scale(model, level, size) for level in range(len(model.heads)))
    gate = model.gates[0].form if len(model.gates) else ""
    return TracedNested(scales, gate, model.pyramid, networks.parameter_count(model))


def _scale(model: Nested, level: int, size: int) -> Scale:
    """The subnetwork of a level, and what an image of its size becomes in it."""
    subnetwork, head, reduction = model.subnetworks[level], model.heads[level], model.reductions[level]
    side, taken = size // reduction, subnetwork.in_channels
    steps = [Step("input", taken, side, 0, taken, copied=taken - model.in_channels)]

    def record(layer: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        steps.extend(steps_of_call(steps[-1], layer, given[0].shape[1:3], made.shape[1:3]))

    with torch.no_grad(), hooked([*layers_drawn(subnetwork), head], record):
        maps = subnetwork.encode(torch.zeros(1, taken, side, side, device="meta"))
        bottleneck = len(steps) - 1
        head(subnetwork.decode(maps))
    parts = [subnetwork, head, *(model.gates[level - 1 : level] if level else ())]
    parameters = sum(networks.parameter_count(part) for part in parts)
    return Scale(reduction, (*steps[:-1], replace(steps[-1], kind="output")), bottleneck, parameters)
