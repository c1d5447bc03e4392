# SPDX-License-Identifier: MIT
"""Parts that several networks share."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

KERNEL = 3
LEAST_CHANNELS = 8
"""The last stages of a decoder keep at least this many (or as many as the first convolution has)."""


class Stage(nn.Sequential):
    """Blocks of one resolution. Drawings show it as one step.

    Attributes:
        label: what its blocks are called.
    """

    def __init__(self, label: str, blocks: Iterable[nn.Module]) -> None:
        super().__init__(*blocks)
        self.label = label


def conv_bn_relu(
    in_channels: int, out_channels: int, *, bias: bool = True, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """3×3 convolution with zero padding, batch normalisation, ReLU: "CBR" in the papers' tables.

    It maps (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride), rounded up. A `bias` of the
    convolution is redundant before batch normalisation, but counted in the published layouts that have it.
    """
    padding = dilation * (KERNEL // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, KERNEL, stride, padding, dilation, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


@contextmanager
def hooked(layers: Iterable[nn.Module], record: Callable[..., None]) -> Iterator[None]:
    """Have `record(layer, inputs, output)` called after each call of some layers, as long as it lasts."""
    hooks = [layer.register_forward_hook(record) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def conv_bn_relu_chain(*channels: int, bias: bool = True, dilation: int = 1) -> nn.Sequential:
    """Several `conv_bn_relu` in a row, given the channels before the first and after each convolution.

    Raises:
        ValueError: fewer than two numbers.
    """
    if len(channels) < 2:
        msg = f"A chain of convolutions needs at least two channel numbers, found {channels}."
        raise ValueError(msg)
    settings = {"bias": bias, "dilation": dilation}
    return nn.Sequential(*(conv_bn_relu(before, after, **settings) for before, after in pairwise(channels)))


def he_normal(network: nn.Module) -> None:
    """Draw the weights of all 2-D convolutions anew: normal, variance 2 / fan_in, biases 0.

    He et al., ICCV 2015 (doi:10.1109/ICCV.2015.123). Other layers keep what they have.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def pad_to_multiple(images: torch.Tensor, multiple: int) -> torch.Tensor:
    """Extend images at the bottom and the right so that both sizes divide by `multiple`.

    The image is mirrored at its border; where it is too small to be mirrored that far, its last row or column
    is repeated. The top left corner stays in place, so cropping `[..., :H, :W]` undoes it, and an image whose
    size divides already is returned as it is.

    Args:
        images: (N, C, H, W), H and W at least 1.
        multiple: at least 1.

    Returns:
        (N, C, H', W') of the same dtype.
    """
    height, width = images.shape[-2:]
    for axis_pad, size in (((0, 0, 0, -height % multiple), height), ((0, -width % multiple, 0, 0), width)):
        extra = max(axis_pad)
        if extra:
            images = functional.pad(images, axis_pad, mode="reflect" if extra < size else "replicate")
    return images


def require_images(images: torch.Tensor, channels: int, *, owner: str) -> None:
    """Check that a batch of 2-D images fits a network, which the message calls `owner`.

    Raises:
        ValueError: not of shape (N, channels, H, W), or without pixels.
    """
    if images.ndim != 4 or images.shape[1] != channels or 0 in images.shape:
        found = f"{owner} takes images of shape (N, {channels}, H, W), found {tuple(images.shape)}"
        msg = f"{found}. Set in_channels to the channels of the data, or add the missing axis."
        raise ValueError(msg)
