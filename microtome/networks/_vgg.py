# SPDX-License-Identifier: MIT
"""The encoder of VGG-16 with batch normalisation (Simonyan and Zisserman, ICLR 2015, arXiv:1409.1556), of any
width: five stages of two or three 3×3 convolutions, without what makes their maps smaller.
"""

from collections.abc import Sequence

from torch import nn

from microtome.networks._blocks import conv_bn_relu_chain

CONVS = (2, 2, 3, 3, 3)
"""Convolutions of each stage."""
MULTIPLES = (1, 2, 4, 8, 8)
"""Channels of each stage over the width."""
FACTOR = 2
"""Of a pooling."""


def widths(width: int) -> list[int]:
    """Channels of each stage; VGG-16 has width 64."""
    return [width * multiple for multiple in MULTIPLES]


def stages(in_channels: int, width: int, dilations: Sequence[int] = (1,) * len(CONVS)) -> nn.ModuleList:
    """The five stages, (N, channels before, H, W) to (N, channels, H, W) each; no convolution has a bias.

    Args:
        in_channels: channels of an image.
        width: channels of the first stage.
        dilations: of the convolutions of each stage.
    """
    outputs = widths(width)
    before = [in_channels, *outputs[:-1]]
    sizes = zip(before, outputs, CONVS, dilations, strict=True)
    return nn.ModuleList(
        conv_bn_relu_chain(taken, *[given] * convs, bias=False, dilation=dilation)
        for taken, given, convs, dilation in sizes
    )
