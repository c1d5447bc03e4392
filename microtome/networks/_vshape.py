# SPDX-License-Identifier: MIT
"""The layout of V-Net (Milletari et al., 3DV 2016, doi:10.1109/3DV.2016.79), in two or three dimensions."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

CONVS = (1, 2, 3, 3, 3)
"""Convolutions of each encoder stage, the highest resolution first."""
DECODER_CONVS = (3, 3, 2, 1)
"""Convolutions of each decoder stage, the lowest resolution first."""
FACTOR = 2
"""Each stage halves the resolution and doubles the channels."""
MULTIPLE = FACTOR ** (len(CONVS) - 1)


@dataclass(frozen=True)
class Space:
    """Layers of one number of dimensions."""

    conv: type[nn.Module]
    transposed: type[nn.Module]
    norm: type[nn.Module]


PLANE = Space(nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
VOLUME = Space(nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d)


class Stage(nn.Module):
    """Convolutions of equal kernel, residual: the stage's input is added before the last activation."""

    def __init__(
        self, space: Space, in_channels: int, width: int, *, convs: int, kernel: int, shortcut: nn.Module
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise([in_channels, *[width] * convs]):
            conv = space.conv(before, after, kernel, padding=kernel // 2)
            layers += [conv, space.norm(after), nn.PReLU(after)]
        self.layers, self.shortcut, self.act = nn.Sequential(*layers[:-1]), shortcut, layers[-1]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features of the same size."""
        return self.act(self.layers(features) + self.shortcut(features))


class VShape(nn.Module):
    """Encoder of five stages and decoder of four; features of the highest resolution come out.

    Down-sampling is a convolution 2/2, up-sampling a transposed one that leaves as many channels as the
    encoder's features of that resolution have; both are concatenated. Batch normalisation and PReLU with a
    slope for each channel follow every convolution.

    Attributes:
        out_channels: channels of the output, twice the width.
    """

    def __init__(
        self, space: Space, *, in_channels: int, width: int, kernel: int, shortcut: nn.Module
    ) -> None:
        super().__init__()
        widths = [width * FACTOR**level for level in range(len(CONVS))]
        self.out_channels = FACTOR * width

        def stage(before: int, after: int, convs: int, shortcut: nn.Module) -> Stage:
            return Stage(space, before, after, convs=convs, kernel=kernel, shortcut=shortcut)

        def resized(layer: type[nn.Module], before: int, after: int) -> nn.Sequential:
            halves = layer(before, after, FACTOR, stride=FACTOR)
            return nn.Sequential(halves, space.norm(after), nn.PReLU(after))

        self.encoder = nn.ModuleList([stage(in_channels, width, CONVS[0], shortcut)])
        self.down, self.up, self.decoder = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for (above, below), convs in zip(pairwise(widths), CONVS[1:], strict=True):
            self.down.append(resized(space.conv, above, below))
            self.encoder.append(stage(below, below, convs, nn.Identity()))
        before = widths[-1]
        for skip, convs in zip(reversed(widths[:-1]), DECODER_CONVS, strict=True):
            self.up.append(resized(space.transposed, before, skip))
            before = FACTOR * skip
            self.decoder.append(stage(before, before, convs, nn.Identity()))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, *S) to (N, 2·width, *S); 16 must divide every size."""
        skips = []
        for level, stage in enumerate(self.encoder):
            features = stage(features if level == 0 else self.down[level - 1](features))
            skips.append(features)
        features = skips.pop()
        for up, stage in zip(self.up, self.decoder, strict=True):
            features = stage(torch.cat([up(features), skips.pop()], dim=1))
        return features
