# SPDX-License-Identifier: MIT
"""Residual encoders: ResNet-18, -34 and -50, and ResNet-50 with squeeze and excitation.

He et al., CVPR 2016 (doi:10.1109/CVPR.2016.90); the stride of a bottleneck is on its 3×3 convolution
("ResNet v1.5"), as in the public weights. Squeeze and excitation: Hu et al., CVPR 2018
(doi:10.1109/CVPR.2018.00745), reduction 16, linear layers without bias, after the last normalisation of a
bottleneck and before the residual is added.

Parameters have the names of torchvision's networks, and those of moskomule/senet.pytorch for squeeze and
excitation (`layer1.0.se.fc.0.weight`), so that their weight files fit.
"""

from dataclasses import dataclass

import torch
from torch import nn

from microtome.networks._blocks import Stage

STEM_KERNEL, STRIDE = 7, 2
STAGES = 4
SQUEEZE = 16
"""Channels per hidden unit of a squeeze-and-excitation layer."""


def conv(before: int, after: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Convolution with padding that keeps the size at stride 1, without bias."""
    return nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)


def shortcut(before: int, after: int, stride: int) -> nn.Sequential | None:
    """1×1 convolution and normalisation on the residual path where the shape changes; else nothing."""
    if stride == 1 and before == after:
        return None
    return nn.Sequential(conv(before, after, 1, stride), nn.BatchNorm2d(after))


class SqueezeExcitation(nn.Module):
    """Scales each map by a factor from 0 to 1 that depends on the means of all maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // SQUEEZE, 1)
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Scaled maps, same shape (N, C, H, W)."""
        return maps * self.fc(maps.mean(dim=(2, 3)))[:, :, None, None]


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with a residual."""

    expansion = 1
    label = "residual block"

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(before, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3), nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.downsample = shortcut(before, width, stride)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, before, H, W) to (N, width, H / stride, W / stride)."""
        residual = maps if self.downsample is None else self.downsample(maps)
        maps = self.relu(self.bn1(self.conv1(maps)))
        return self.relu(self.bn2(self.conv2(maps)) + residual)


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolution with a residual; the last has four times the channels."""

    expansion = 4
    label = "bottleneck"

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        after = width * self.expansion
        self.conv1, self.bn1 = conv(before, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, after, 1), nn.BatchNorm2d(after)
        self.relu = nn.ReLU()
        self.downsample = shortcut(before, after, stride)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, before, H, W) to (N, 4·width, H / stride, W / stride)."""
        residual = maps if self.downsample is None else self.downsample(maps)
        return self.relu(self.convolve(maps) + residual)

    def convolve(self, maps: torch.Tensor) -> torch.Tensor:
        """The path beside the residual."""
        maps = self.relu(self.bn1(self.conv1(maps)))
        maps = self.relu(self.bn2(self.conv2(maps)))
        return self.bn3(self.conv3(maps))


class SEBottleneck(Bottleneck):
    """Bottleneck with squeeze and excitation."""

    label = "SE bottleneck"

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__(before, width, stride)
        self.se = SqueezeExcitation(width * self.expansion)

    def convolve(self, maps: torch.Tensor) -> torch.Tensor:
        """The path beside the residual."""
        return self.se(super().convolve(maps))


def residual_stage(
    block: type[BasicBlock | Bottleneck], before: int, width: int, count: int, stride: int
) -> Stage:
    """Blocks of one resolution, of which the first has the stride."""
    after = width * block.expansion
    first = block(before, width, stride)
    return Stage(block.label, [first, *(block(after, width, 1) for _ in range(count - 1))])


@dataclass(frozen=True)
class Layout:
    """Kind of block and the number of blocks in each stage."""

    block: type[BasicBlock | Bottleneck]
    counts: tuple[int, int, int, int]


LAYOUTS = {
    "resnet18": Layout(BasicBlock, (2, 2, 2, 2)),
    "resnet34": Layout(BasicBlock, (3, 4, 6, 3)),
    "resnet50": Layout(Bottleneck, (3, 4, 6, 3)),
    "seresnet50": Layout(SEBottleneck, (3, 4, 6, 3)),
}


class ResNet(nn.Module):
    """Residual network without its classifier.

    Attributes:
        channels: channels of the five feature maps that `forward` returns.
    """

    def __init__(self, layout: Layout, *, width: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, width, STEM_KERNEL, STRIDE)
        self.bn1, self.relu = nn.BatchNorm2d(width), nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=STRIDE, padding=1)
        channels = [width]
        for stage, count in enumerate(layout.counts):
            stride = STRIDE if stage else 1
            blocks = residual_stage(layout.block, channels[-1], width * 2**stage, count, stride)
            setattr(self, f"layer{stage + 1}", blocks)
            channels.append(width * 2**stage * layout.block.expansion)
        self.channels = tuple(channels)
        for module in self.modules():  # normal weights, of the variance 2 / fan_out
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution.

        Args:
            images: (N, in_channels, H, W), H and W divisible by 32.

        Returns:
            Output of the first convolution and of each of the four stages.
        """
        features = [self.relu(self.bn1(self.conv1(images)))]
        maps = self.maxpool(features[0])
        for stage in range(STAGES):
            maps = getattr(self, f"layer{stage + 1}")(maps)
            features.append(maps)
        return features
