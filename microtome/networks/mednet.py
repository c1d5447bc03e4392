# SPDX-License-Identifier: MIT
"""MED-Net: nested residual encoder-decoders, for patterns in mosaics of confocal microscopy.

Kose et al., Medical Image Analysis 2021 (doi:10.1016/j.media.2020.101841). Each scale of the image has a
subnetwork (`microtome.networks._nested`). One of depth d has d blocks on the way down, whose first residual
block has stride 2, and d blocks on the way up, each followed by up-sampling; there are no connections between
the two but the bottleneck, unless `inner_skips` asks for them. A coarser subnetwork has one block less each
way, so that all bottlenecks are of one size.

What the paper does not say is an option: the factor of the bottlenecks, the image pyramid, the up-sampling,
the residual blocks at each resolution, the width. The defaults have the published size of 6 M parameters.
"""

import torch
from torch import nn

from microtome.config.networks.mednet import MEDNet as Options
from microtome.networks._blocks import Stage, he_normal
from microtome.networks._nested import FACTOR, Nested
from microtome.networks._resnet import BasicBlock, residual_stage
from microtome.networks._spans import Area
from microtome.networks._upsampling import Upsampling

REACH = 2
"""Pixels that a residual block sees beyond each side of what it computes: one for each 3×3 convolution."""


class ResidualSubnetwork(nn.Module):
    """Encoder and decoder of residual blocks; see `microtome.networks._nested.Subnetwork`."""

    def __init__(self, options: Options, *, depth: int, in_channels: int) -> None:
        super().__init__()
        self.in_channels, self.multiple, self.inner_skips = in_channels, FACTOR**depth, options.inner_skips
        widths = [options.width * FACTOR**block for block in range(depth)]
        self.bottleneck, self.channels = widths[-1], widths[0]
        self.encoder, self.decoder, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for before, after in zip([in_channels, *widths[:-1]], widths, strict=True):
            self.encoder.append(residual_stage(BasicBlock, before, after, options.blocks, FACTOR))
        before = self.bottleneck
        for skip, after in zip([0, *widths[-2::-1]], [*widths[-2::-1], widths[0]], strict=True):
            taken = before + (skip if self.inner_skips else 0)
            self.decoder.append(residual_stage(BasicBlock, taken, after, options.blocks, 1))
            self.up.append(_upsampling(options.upsampling, after))
            before = after

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Maps at 1/2, 1/4 … of the resolution, the bottleneck last.

        Args:
            images: (N, in_channels, H, W); `multiple` divides H and W.
        """
        maps = []
        for stage in self.encoder:
            images = stage(images)
            maps.append(images)
        return maps

    def decode(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Maps of the images' resolution, (N, channels, H, W), of what `encode` returns."""
        *skips, features = maps
        for block, (stage, up) in enumerate(zip(self.decoder, self.up, strict=True)):
            if block and self.inner_skips:
                features = torch.cat([features, skips.pop()], dim=1)
            features = up(stage(features))
        return features

    def scores(self, maps: list[torch.Tensor], head: nn.Conv2d, area: Area) -> torch.Tensor:
        """What `head(decode(maps))` has in an area, computed there alone.

        A block computes what the area sees of it: its 3×3 convolutions read a pixel further each, and what
        they make of the cut is cut off again. A 1×1 convolution and bilinear up-sampling change places, as
        both are linear and the weights of the latter sum to 1: the head runs on a quarter of the pixels.

        Args:
            maps: What `encode` returns, the bottleneck last, perhaps multiplied.
            head: 1×1 convolution of the maps that `decode` returns.
            area: Rows and columns of the images' resolution.

        Returns:
            (N, classes, rows, columns) of `area`, those of the whole but for rounding.
        """
        *skips, features = maps
        outputs, inputs = self._areas(area, tuple(features.shape[-2:]))
        features = inputs[0].cut(features, Area.whole(features))
        last = len(self.decoder) - 1
        for block, (stage, up) in enumerate(zip(self.decoder, self.up, strict=True)):
            if block and self.inner_skips:
                skip = skips.pop()
                features = torch.cat([features, inputs[block].cut(skip, Area.whole(skip))], dim=1)
            features = _narrowing(stage, features, inputs[block], outputs[block])
            swaps = block == last and isinstance(up, Upsampling)
            features = up(head(features)) if swaps else up(features)
            wanted = area if block == last else inputs[block + 1]
            features = wanted.cut(features, outputs[block].doubled)
        return features if isinstance(self.up[-1], Upsampling) else head(features)

    def _areas(self, area: Area, size: tuple[int, int]) -> tuple[list[Area], list[Area]]:
        """What is needed of the output and of the input of each block of the decoder for an area."""
        outputs, inputs = [], []
        for block in reversed(range(len(self.decoder))):
            here = size[0] * FACTOR**block, size[1] * FACTOR**block
            outputs.insert(0, area.below(here))
            area = outputs[0].widened(len(self.decoder[block]) * REACH, here)
            inputs.insert(0, area)
        return outputs, inputs


def _narrowing(stage: Stage, features: torch.Tensor, area: Area, wanted: Area) -> torch.Tensor:
    """Blocks of one resolution on an area of a map, cut after each to what the next ones see of `wanted`.

    An area ends with the map, where a block pads with the zeros that the whole map gets, or reaches as far
    beyond `wanted` as the blocks see.
    """
    size = area.rows[1], area.columns[1]
    for left, block in zip(reversed(range(len(stage))), stage, strict=True):
        narrower = wanted.widened(left * REACH, size)
        features, area = narrower.cut(block(features), area), narrower
    return features


def _upsampling(kind: str, channels: int) -> nn.Module:
    """A layer that doubles the resolution."""
    if kind == "transposed":
        return nn.ConvTranspose2d(channels, channels, FACTOR, stride=FACTOR)
    return Upsampling(FACTOR)


def build(options: Options) -> Nested:
    """Build a MED-Net.

    Convolutions are drawn as He et al. do (normal, variance 2 / fan_in, biases 0), batch normalisation is 1
    and 0. Seed `torch` before building to repeat them. With three scales it has 6,088,408 parameters at width
    35, with two 6,117,276 at width 36, with one 5,990,566 at width 40.

    Returns:
        The network: (N, in_channels, H, W) to (N, classes, H, W) logits, and those of each scale by `levels`.

    Example:
        >>> network = build(Options(width=4)).eval()
        >>> network(torch.zeros(1, 1, 33, 50)).shape
        torch.Size([1, 6, 33, 50])
        >>> [tuple(level.shape[-2:]) for level in network.levels(torch.zeros(1, 1, 64, 64))]
        [(16, 16), (32, 32), (64, 64)]
        >>> stopped = network.up_to(0)
        >>> stopped.reduction, stopped(torch.zeros(1, 1, 64, 64)).shape
        (4, torch.Size([1, 6, 16, 16]))
    """
    subnetworks = [
        ResidualSubnetwork(
            options,
            depth=options.depth - finer,
            in_channels=options.in_channels + (options.classes if level else 0),
        )
        for level, finer in enumerate(reversed(range(options.scales)))
    ]
    settings = {"gate": options.gate, "pyramid": options.pyramid, "detach": options.detach}
    network = Nested(subnetworks, options.classes, **settings, owner="mednet")
    he_normal(network)
    return network
