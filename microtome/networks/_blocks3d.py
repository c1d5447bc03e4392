# SPDX-License-Identifier: MIT
"""Parts of networks that take the bands of an image as the depth of a volume (N, C, D, H, W)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import fx, nn

from microtome.networks._blocks import pad_to_multiple, require_images

# looks at the device, which the tracer of `microtome.inference.fold_batch_norm` cannot
fx.wrap("with_channel")

Triple = tuple[int, int, int]
FLAT: Triple = (1, 1, 1)
STRIDE = 2
"""Each level has half the depth, height and width of the one above."""


def bn_conv_relu(
    in_channels: int, out_channels: int, kernel: int, *, dilation: Triple = FLAT, halves: bool = False
) -> nn.Sequential:
    """Batch normalisation, 3-D convolution with bias, ReLU: "BN before each convolution, ReLU after".

    The normalisation cannot be folded into the convolution: the zeros of the padding are not normalised.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: side of the kernel; odd, unless `halves`.
        dilation: distances of the kernel's taps along bands, rows and columns.
        halves: whether the convolution has no padding and a stride of 2; else sizes stay.
    """
    padding = (0, 0, 0) if halves else tuple(kernel // 2 * step for step in dilation)
    stride = STRIDE if halves else 1
    return nn.Sequential(
        nn.BatchNorm3d(in_channels),
        *([OneChannel()] if in_channels == 1 else []),
        nn.Conv3d(in_channels, out_channels, kernel, stride=stride, padding=padding, dilation=dilation),
        nn.ReLU(inplace=True),  # nothing needs the convolution's output, and volumes are large
    )


def bn_conv_relu_chain(
    *channels: int, kernel: int, dilations: Sequence[Triple] | None = None
) -> nn.Sequential:
    """Several `bn_conv_relu` in a row, given the channels before the first and after each convolution.

    `dilations` are those of each convolution; None: no dilation.
    """
    pairs = list(pairwise(channels))
    steps = [FLAT] * len(pairs) if dilations is None else dilations
    paired = zip(pairs, steps, strict=True)
    return nn.Sequential(*(bn_conv_relu(*pair, kernel, dilation=dilation) for pair, dilation in paired))


class OneChannel(nn.Module):
    """Volumes of one channel as they are, laid out as `with_channel` does; normalisation forgets it."""

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """(N, 1, D, H, W)."""
        return with_channel(volumes.squeeze(1))


class Residual(nn.Module):
    """x + body(x); an x with a single channel counts for every channel of the body."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """The sum, of the shape of the body's output."""
        return volumes + self.body(volumes)


class BandHead(nn.Module):
    """From features of every band to logits of every pixel: Conv3d 1³ to one channel, then Conv2d over bands.

    The bands, of which each is one map then, become the channels of the 2-D convolution.
    """

    def __init__(self, in_channels: int, bands: int, classes: int, *, kernel: int = 1) -> None:
        super().__init__()
        self.out = nn.Conv3d(in_channels, 1, 1)
        self.head = nn.Conv2d(bands, classes, kernel, padding=kernel // 2)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, bands, H, W) to (N, classes, H, W)."""
        return self.head(self.out(volumes).squeeze(1))


def as_volumes(images: torch.Tensor, bands: int, multiple: int, *, owner: str) -> torch.Tensor:
    """Check images (N, bands, H, W) and make them volumes (N, 1, bands, H', W') that divide by `multiple`.

    On a CPU the volumes, and by that all features, are laid out channels last, in which 3-D convolutions of
    few channels take half the time in training and two thirds in prediction. The message calls the network
    `owner`.

    Raises:
        ValueError: another number of axes or bands, or no pixels.
    """
    require_images(images, bands, owner=owner)
    return with_channel(pad_to_multiple(images, multiple))


def with_channel(maps: torch.Tensor) -> torch.Tensor:
    """Give maps (N, D, H, W) a channel axis, (N, 1, D, H, W), as the last in memory on a CPU.

    PyTorch tells by the strides whether the one channel is the first or the last.
    """
    if maps.device.type != "cpu":
        return maps.unsqueeze(1)
    return maps.contiguous().unsqueeze(-1).movedim(-1, 1)
