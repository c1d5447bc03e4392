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
from microtome.networks._blocks import he_normal
from microtome.networks._nested import FACTOR, Nested
from microtome.networks._resnet import BasicBlock, Stage


class ResidualSubnetwork(nn.Module):
    """Encoder and decoder of residual blocks; see `microtome.networks._nested.Subnetwork`."""

    def __init__(self, options: Options, *, depth: int, in_channels: int) -> None:
        super().__init__()
        self.in_channels, self.multiple, self.inner_skips = in_channels, FACTOR**depth, options.inner_skips
        widths = [options.width * FACTOR**block for block in range(depth)]
        self.bottleneck, self.channels = widths[-1], widths[0]
        self.encoder, self.decoder, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for before, after in zip([in_channels, *widths[:-1]], widths, strict=True):
            self.encoder.append(Stage(BasicBlock, before, after, options.blocks, FACTOR))
        before = self.bottleneck
        for skip, after in zip([0, *widths[-2::-1]], [*widths[-2::-1], widths[0]], strict=True):
            taken = before + (skip if self.inner_skips else 0)
            self.decoder.append(Stage(BasicBlock, taken, after, options.blocks, 1))
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


def _upsampling(kind: str, channels: int) -> nn.Module:
    """A layer that doubles the resolution."""
    if kind == "transposed":
        return nn.ConvTranspose2d(channels, channels, FACTOR, stride=FACTOR)
    return nn.Upsample(scale_factor=FACTOR, mode="bilinear", align_corners=False)


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
