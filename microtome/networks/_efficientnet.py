# SPDX-License-Identifier: MIT
"""EfficientNet-Lite0 without its classifier, as an encoder.

EfficientNet-B0 (Tan and Le, ICML 2019, arXiv:1905.11946) without squeeze and excitation, with ReLU6 in place
of swish: the variant that its authors published for devices that count in whole numbers
(github.com/tensorflow/tpu, models/official/efficientnet/lite). A block is an inverted bottleneck (Sandler et
al., CVPR 2018, doi:10.1109/CVPR.2018.00474): a 1×1 convolution to six times the channels (the first block has
none), a depthwise convolution, and a 1×1 convolution back without activation, added to the block's input
where the shapes allow.

Weights of TensorFlow expect its padding: where a convolution of stride 2 meets an even size, there is one row
of zeros more below than above, and one column more on the right. The constant of batch normalisation is
theirs, too; its running statistics move as in PyTorch's default. Stochastic depth is left out.
"""

import math
import re
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn

from microtome.networks._blocks import Stage
from microtome.networks._depthwise import Depthwise

STEM = 32
"""Channels of the first convolution of the published network."""
EPSILON = 1e-3
"""Added to the variance in batch normalisation."""
STRIDE = 2


@dataclass(frozen=True)
class Group:
    """Like blocks in a row; only the first has the stride.

    Attributes:
        count: number of blocks.
        kernel: side of the depthwise convolution.
        stride: of the first block.
        expansion: channels inside a block over those of its input.
        channels: of each block's output, at the published width.
    """

    count: int
    kernel: int
    stride: int
    expansion: int
    channels: int


RESOLUTIONS = (
    (Group(1, 3, 1, 1, 16),),
    (Group(2, 3, 2, 6, 24),),
    (Group(2, 5, 2, 6, 40),),
    (Group(3, 3, 2, 6, 80), Group(3, 5, 1, 6, 112)),
    (Group(4, 5, 2, 6, 192), Group(1, 3, 1, 6, 320)),
)
"""The groups at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution."""

PLACES = tuple(
    f"stages.{stage}.{block}"
    for stage, groups in enumerate(RESOLUTIONS)
    for block in range(sum(group.count for group in groups))
)
"""Where the blocks are that the public weights number from 0."""
PARTS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}
"""Layers of a block by their public names."""
STEM_PARTS = {"_conv_stem": "stem.conv", "_bn0": "stem.norm"}
PUBLIC = re.compile(r"(?:_blocks\.(?P<block>\d+)\.)?(?P<layer>_\w+)\.(?P<tensor>\w+)")


def convolution(
    before: int, after: int, kernel: int, stride: int = 1, *, groups: int = 1, activates: bool = True
) -> nn.Sequential:
    """Convolution without bias, batch normalisation and, unless it is the last of a block, ReLU6.

    It maps (N, before, H, W) to (N, after, H / stride, W / stride), of even H and W if the stride is 2.
    """
    layers: dict[str, nn.Module] = {}
    padding = kernel // 2
    if stride == STRIDE:
        least, most = (kernel - STRIDE) // 2, (kernel - STRIDE + 1) // 2
        layers["pad"], padding = nn.ZeroPad2d((least, most, least, most)), 0
    layers["conv"] = nn.Conv2d(before, after, kernel, stride, padding, groups=groups, bias=False)
    layers["norm"] = nn.BatchNorm2d(after, eps=EPSILON)
    if activates:
        layers["relu"] = nn.ReLU6(inplace=True)  # only the activation uses what the normalisation gives
    return (nn.Sequential if groups == 1 else Depthwise)(OrderedDict(layers))


class InvertedBottleneck(nn.Module):
    """Expansion, depthwise convolution and projection, with a residual where the shapes allow."""

    label = "inverted bottleneck"

    def __init__(self, before: int, after: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        hidden = before * expansion
        self.expand = convolution(before, hidden, 1) if expansion > 1 else None
        self.depthwise = convolution(hidden, hidden, kernel, stride, groups=hidden)
        self.project = convolution(hidden, after, 1, activates=False)
        self.is_residual = stride == 1 and before == after

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, before, H, W) to (N, after, H / stride, W / stride)."""
        inner = maps if self.expand is None else self.expand(maps)
        inner = self.project(self.depthwise(inner))
        return inner + maps if self.is_residual else inner


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 without its classifier.

    Attributes:
        CLASSIFIER: how the names of the public weights begin that belong to the classifier.
        channels: channels of the five feature maps that `forward` returns: 16, 24, 40, 112 and 320 at the
            published width of 32, else in proportion to it.
    """

    CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")

    def __init__(self, *, width: int, in_channels: int) -> None:
        super().__init__()
        self.stem = convolution(in_channels, width, 3, STRIDE)
        self.stages, channels = nn.ModuleList(), [width]
        for groups in RESOLUTIONS:
            blocks: list[nn.Module] = []
            for group in groups:
                after = max(round(group.channels * width / STEM), 1)
                blocks += _blocks(group, channels[-1], after)
                channels.append(after)
            self.stages.append(Stage(InvertedBottleneck.label, blocks))
        self.channels = tuple(stage[-1].project.conv.out_channels for stage in self.stages)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                _draw(module)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution.

        Args:
            images: (N, in_channels, H, W), H and W divisible by 32.

        Returns:
            The last maps of each resolution, (N, channels, H / 2, W / 2) and so on.
        """
        maps, features = self.stem(images), []
        for stage in self.stages:
            maps = stage(maps)
            features.append(maps)
        return features

    @staticmethod
    def own_name(public: str) -> str:
        """What a tensor is called here that has a name in the public weights; other names stay.

        Example:
            >>> EfficientNetLite.own_name("_blocks.15._bn2.running_mean")
            'stages.4.4.project.norm.running_mean'
        """
        found = PUBLIC.fullmatch(public)
        if found is None:
            return public
        block, layer = found["block"], found["layer"]
        known, place = (STEM_PARTS, "") if block is None else (PARTS, _place(int(block)))
        return f"{place}{known[layer]}.{found['tensor']}" if layer in known else public


def _place(block: int) -> str:
    """Where a block is, by its public number; more blocks than there are keep theirs."""
    return f"{PLACES[block] if block < len(PLACES) else block}."


def _blocks(group: Group, before: int, after: int) -> list[InvertedBottleneck]:
    """The blocks of a group."""
    same = {"expansion": group.expansion, "kernel": group.kernel}
    first = InvertedBottleneck(before, after, stride=group.stride, **same)
    return [first, *(InvertedBottleneck(after, after, stride=1, **same) for _ in range(group.count - 1))]


def _draw(layer: nn.Conv2d) -> None:
    """Draw weights as the authors do: normal, of the variance 2 / fan_out, which is that of one group."""
    fan_out = math.prod(layer.kernel_size) * layer.out_channels // layer.groups
    nn.init.normal_(layer.weight, std=math.sqrt(2 / fan_out))
