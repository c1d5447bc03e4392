# SPDX-License-Identifier: MIT
"""What a built network does to the shape of its input, seen by hooks on its layers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from microtome import networks
from microtome.networks._blocks import Stage, hooked

Kind = Literal["input", "convolution", "stage", "pool", "up", "output"]
COMPANIONS = {
    nn.BatchNorm2d: "batch normalisation",
    nn.InstanceNorm2d: "instance normalisation",
    nn.GroupNorm: "group normalisation",
    nn.ReLU: "ReLU",
    nn.ReLU6: "ReLU6",
    nn.LeakyReLU: "leaky ReLU",
    nn.Tanh: "tanh",
}
KINDS: Mapping[type[nn.Module], Kind] = {
    nn.Conv2d: "convolution",
    nn.ConvTranspose2d: "up",
    nn.Upsample: "up",
    Stage: "stage",
    nn.MaxPool2d: "pool",
    nn.AvgPool2d: "pool",
}
"""Layers that are steps; stages, chains of blocks, are one step: the layers inside are not looked at."""


@dataclass(frozen=True)
class Step:
    """One step of a network.

    Attributes:
        kind: What it does.
        channels: Channels of its output.
        size: Height of its output, pixels.
        kernel: Side of its kernel; 0 where there is none.
        taken: Channels of its input.
        copied: Of these, channels that come by a skip connection.
        blocks: Number of blocks of a stage.
        label: What the blocks of a stage are called, or how an up-sampling interpolates.
    """

    kind: Kind
    channels: int
    size: int
    kernel: int
    taken: int
    copied: int = 0
    blocks: int = 0
    label: str = ""


@dataclass(frozen=True)
class Traced:
    """A network's steps, the input first, its parameters, and what stands beside the convolutions."""

    steps: list[Step]
    parameters: int
    companions: tuple[str, ...]


def trace(network: Mapping[str, Any], *, size: int) -> Traced:
    """Build a network (``name`` and options) and follow an image of `size` pixels through it."""
    options = dict(network)
    with torch.device("meta"):
        model = networks.build(options.pop("name"), **options)
        image = torch.zeros(1, int(getattr(model, "in_channels", 1)), size, size)
    found = {type(layer) for layer in model.modules()}
    companions = tuple(name for kind, name in COMPANIONS.items() if kind in found)
    return Traced(trace_model(model.eval(), image), networks.parameter_count(model), companions)


def trace_model(model: nn.Module, image: torch.Tensor) -> list[Step]:
    """Follow an image through a network.

    Convolutions, transposed convolutions, up-sampling and pooling layers and stages of residual blocks are
    seen by hooks; a change of size between two layers is a pooling or up-sampling that is no layer. More
    channels going in than came out just before mean a skip connection by concatenation.

    Args:
        model: The network.
        image: (1, C, H, W), on the device of the network.

    Returns:
        The steps, the input first; the last convolution is the output.

    Raises:
        ValueError: The network has no convolution, or joins maps otherwise than by concatenation.
    """
    steps = [Step("input", image.shape[1], image.shape[2], 0, 0)]

    def record(layer: nn.Module, taken: tuple[torch.Tensor, ...], given: Any) -> None:
        made = given[0] if isinstance(given, tuple) else given  # pooling may give the places of maxima, too
        steps.extend(steps_of_call(steps[-1], layer, taken[0].shape[1:3], made.shape[1:3]))

    with torch.no_grad(), hooked(layers_drawn(model), record):
        model(image)
    if not any(step.kind == "convolution" for step in steps):
        msg = f"{type(model).__name__} has no 2-D convolution to draw; name a fully convolutional network"
        raise ValueError(msg)
    _require_concatenation(steps, type(model).__name__)
    last = steps[-1]
    return [*steps[:-1], Step("output", last.channels, last.size, last.kernel, last.taken, last.copied)]


def _require_concatenation(steps: Sequence[Step], owner: str) -> None:
    """Check that what a layer takes beside the maps before it is an earlier map of their size, as a whole.

    Sums and parallel branches look otherwise: a layer takes an earlier map alone.

    Raises:
        ValueError: It is not.
    """
    for number, step in enumerate(steps):
        size = steps[number - 1].size
        if step.copied and step.copied not in {one.channels for one in steps[:number] if one.size == size}:
            found = f"a layer of {owner} takes {step.taken} maps of {size}×{size} pixels after a layer of "
            found += f"{steps[number - 1].channels}, and none of {step.copied} to be appended"
            msg = f"{found}; sums and branches are not drawn: name a network of one path with concatenations"
            raise ValueError(msg)


def layers_drawn(module: nn.Module) -> Iterator[nn.Module]:
    """The layers that are steps, without those inside another."""
    for part in module.children():
        if isinstance(part, tuple(KINDS)):
            yield part
        else:
            yield from layers_drawn(part)


def steps_of_call(
    before: Step, layer: nn.Module, entering: Sequence[int], leaving: Sequence[int]
) -> list[Step]:
    """The step of a call of a layer, between shapes (channels, height); a change of size unseen before it."""
    (taken, taken_size), (given, given_size) = entering, leaving
    kernel = getattr(layer, "kernel_size", 0) or 0
    side = kernel[0] if isinstance(kernel, tuple) else int(kernel)
    steps = []
    if taken_size != before.size and abs(taken_size - before.size) > before.size // 4:
        unseen = "pool" if taken_size < before.size else "up"
        steps.append(Step(unseen, before.channels, taken_size, 0, before.channels))
        before = steps[-1]
    copied = max(taken - before.channels, 0)
    kind = next(kind for known, kind in KINDS.items() if isinstance(layer, known))
    blocks = len(layer) if kind == "stage" else 0
    label = str(getattr(layer, "label", getattr(layer, "mode", "")))
    return [*steps, Step(kind, given, given_size, side, taken, copied, blocks, label)]
