# SPDX-License-Identifier: MIT
"""U-Net with a residual encoder as nnU-Net builds it, the yardstick that each study is measured by.

Isensee et al., Nature Methods 2021 (doi:10.1038/s41592-020-01008-z), and the residual encoder of Isensee et
al., MICCAI 2024 (doi:10.1007/978-3-031-72114-4_47), in two dimensions:

* a stem of one 3×3 convolution, then a stage of residual blocks for each resolution. A block is two 3×3
  convolutions; what is added to them is its input, averaged over 2×2 pixels where the first convolution has
  stride 2, and projected by a 1×1 convolution without bias where the channels change (ResNet-D);
* a decoder of transposed 2×2 convolutions, of which each is joined with the encoder's map and followed by one
  3×3 convolution;
* instance normalisation behind each convolution, and leaky ReLU of slope 0.01;
* a 1×1 convolution that makes scores of each decoder stage, for deep supervision.

Bands of a cube are channels. nnU-Net chooses stages, window and batch by the data and the memory at hand;
here a study's file says them.
"""

import torch
from torch import fx, nn

from microtome.config.networks.resunet import ResUNet as Options
from microtome.networks._blocks import KERNEL, pad_to_multiple, require_images

# both look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")

SLOPE = 0.01
"""Of the leaky ReLU below 0."""
STRIDE = 2
"""Each stage but the first halves the resolution."""


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation with a factor and a shift for each channel: groups of one channel.

    Unlike PyTorch's own it keeps the order of memory, and takes maps of a single pixel as well.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Normalise each map of (N, C, H, W); same shape and dtype."""
        return torch.group_norm(maps, self.num_groups, self.weight, self.bias, self.eps)


def conv_norm(before: int, after: int, *, stride: int = 1, kernel: int = KERNEL) -> list[nn.Module]:
    """A convolution and its normalisation; one of a single pixel has no bias."""
    settings = {"stride": stride, "padding": kernel // 2, "bias": kernel > 1}
    return [nn.Conv2d(before, after, kernel, **settings), InstanceNorm(after)]


def activation() -> nn.LeakyReLU:
    """In place, as nothing needs what normalisation gives."""
    return nn.LeakyReLU(SLOPE, inplace=True)


class Block(nn.Module):
    """Two 3×3 convolutions and what they are added to."""

    def __init__(self, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *conv_norm(before, after, stride=stride), activation(), *conv_norm(after, after)
        )
        pooled = [nn.AvgPool2d(stride, stride)] if stride > 1 else []
        self.skip = nn.Sequential(*pooled, *(conv_norm(before, after, kernel=1) if before != after else []))
        self.activation = activation()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, before, H, W) to (N, after, H / stride, W / stride); `stride` divides H and W."""
        return self.activation(self.layers(maps) + self.skip(maps))


class ResUNet(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        multiple: what the sides of images are padded to.
        heads: 1×1 convolutions of the decoder stages that have scores, coarse to fine.
        reductions: size of an image over that of each of its `levels`, coarse to fine.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.in_channels, channels = options.in_channels, options.channels
        self.multiple = STRIDE ** (len(channels) - 1)
        self.stem = nn.Sequential(*conv_norm(self.in_channels, channels[0]), activation())
        self.encoder, before = nn.ModuleList(), channels[0]
        for stage, (after, blocks) in enumerate(zip(channels, options.blocks, strict=True)):
            first = Block(before, after, stride=STRIDE if stage else 1)
            others = (Block(after, after, stride=1) for _ in range(blocks - 1))
            self.encoder.append(nn.Sequential(first, *others))
            before = after
        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        for after in reversed(channels[:-1]):
            self.up.append(nn.ConvTranspose2d(before, after, STRIDE, STRIDE))
            self.decoder.append(nn.Sequential(*conv_norm(2 * after, after), activation()))
            before = after
        fine = channels[: options.levels]
        self.heads = nn.ModuleList(nn.Conv2d(count, options.out_channels, 1) for count in reversed(fine))
        self.reductions = tuple(STRIDE**stage for stage in reversed(range(options.levels)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel.

        Args:
            images: (N, in_channels, H, W) of any size; sizes that `multiple` does not divide are mirrored up
                to the next multiple at the bottom and the right, and the result is cropped back.

        Returns:
            (N, out_channels, H, W) logits; no sigmoid or softmax is applied.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        require_images(images, self.in_channels, owner="resunet")
        height, width = images.shape[-2], images.shape[-1]
        return self.heads[-1](_decoded(self, images)[-1])[..., :height, :width]

    def levels(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Logits of every decoder stage that has a head, coarse to fine, each at its own resolution.

        Args:
            images: as `forward` takes them.

        Returns:
            (N, out_channels, ceil(H / r), ceil(W / r)) for each r of `reductions`.

        Raises:
            ValueError: as `forward`.
        """
        require_images(images, self.in_channels, owner="resunet")
        height, width = images.shape[-2], images.shape[-1]
        maps = _decoded(self, images)[-len(self.heads) :]
        cells = [(-(-height // r), -(-width // r)) for r in self.reductions]
        return [
            head(one)[..., :rows, :columns]
            for head, one, (rows, columns) in zip(self.heads, maps, cells, strict=True)
        ]

    def up_to(self, level: int) -> "Level":
        """A network that stops at a decoder stage, with the weights of this one.

        Args:
            level: Number among `levels`, from 0, the coarsest.

        Returns:
            A module that computes what `levels` gives at this number, and nothing beyond it.

        Raises:
            ValueError: There is no such level.
        """
        if not 0 <= level < len(self.heads):
            msg = f"found level {level} of a resunet, expected 0 to {len(self.heads) - 1}, coarse to fine"
            raise ValueError(msg)
        return Level(self, level)


class Level(nn.Module):
    """A `ResUNet` that stops at a decoder stage; made by `ResUNet.up_to`.

    Attributes:
        reduction: size of an image over that of its logits.
    """

    def __init__(self, whole: ResUNet, level: int) -> None:
        super().__init__()
        self.in_channels, self.multiple = whole.in_channels, whole.multiple
        self.reduction, self.head = whole.reductions[level], whole.heads[level]
        stages = len(whole.decoder) - len(whole.heads) + level + 1
        self.stem, self.encoder = whole.stem, whole.encoder
        self.up, self.decoder = whole.up[:stages], whole.decoder[:stages]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits at this stage's resolution.

        Args:
            images: (N, in_channels, H, W), as `ResUNet.forward` takes them.

        Returns:
            (N, out_channels, ceil(H / reduction), ceil(W / reduction)) logits.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        require_images(images, self.in_channels, owner="resunet")
        height, width = images.shape[-2], images.shape[-1]
        scores, cell = self.head(_decoded(self, images)[-1]), self.reduction
        return scores[..., : -(-height // cell), : -(-width // cell)]


def _decoded(network: ResUNet | Level, images: torch.Tensor) -> list[torch.Tensor]:
    """Maps of the network's decoder stages, coarse to fine, of the padded images."""
    maps, skips, found = network.stem(pad_to_multiple(images, network.multiple)), [], []
    for stage in network.encoder:
        maps = stage(maps)
        skips.append(maps)
    maps = skips.pop()
    for up, stage in zip(network.up, network.decoder, strict=True):
        maps = stage(torch.cat([up(maps), skips.pop()], dim=1))
        found.append(maps)
    return found


def build(options: Options) -> ResUNet:
    """Build a residual U-Net with random weights.

    Convolutions are drawn as He et al. do for leaky ReLU (normal, variance 2 / ((1 + 0.01²)·fan_in), biases
    0); the last normalisation of each block begins with 0, so that a block begins as what it adds to. Seed
    `torch` before building to repeat them. At the default sizes it has 105,915,302 parameters, with
    an eighth stage 140,015,015; so has `ResidualEncoderUNet` of nnU-Net's package
    `dynamic_network_architectures`.

    Returns:
        The network: (N, in_channels, H, W) to (N, out_channels, H, W) logits.

    Example:
        >>> network = build(Options(width=4, blocks=(1, 1, 1)))
        >>> network(torch.zeros(1, 1, 33, 50)).shape
        torch.Size([1, 1, 33, 50])
        >>> [tuple(level.shape[-2:]) for level in network.levels(torch.zeros(1, 1, 64, 64))]
        [(32, 32), (64, 64)]
    """
    network = ResUNet(options)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, Block):
            nn.init.zeros_(layer.layers[-1].weight)
    return network
