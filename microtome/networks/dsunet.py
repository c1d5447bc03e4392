# SPDX-License-Identifier: MIT
"""U-Net of five decoder blocks with deep supervision, for tumour in whole slides (the study `bcc`).

Le'Clerc Arrastia et al., J. Imaging 2021 (doi:10.3390/jimaging7040071). Both encoders of the paper begin with
a 7×7 convolution of stride 2 and go down to 1/32 of the resolution: `resnet34`, and `original`, of two 3×3
convolutions a block, the first of stride 2. `efficientnet_lite0` is none of the paper. A decoder block ψ
up-samples bilinearly by two (corners not aligned), appends the encoder's map of that resolution, and applies
two 3×3 convolutions of as many filters; the last of the five has no map to append. No convolution has a bias
but the 1×1 convolutions that make scores of maps, as batch normalisation and ReLU follow all others.

The heads: scores of the last block alone (`single`); of each block, of which the last are the result and the
others are for training (`deep`); and of each block, up-sampled and summed with weights that are trained, so
that their sum is the result (`linear`).
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
from torch import fx, nn

from microtome.config.networks.dsunet import BLOCKS
from microtome.config.networks.dsunet import DSUNet as Options
from microtome.networks import _pretrained
from microtome.networks._blocks import LEAST_CHANNELS, conv_bn_relu, pad_to_multiple, require_images
from microtome.networks._efficientnet import EfficientNetLite
from microtome.networks._encoders import encoder
from microtome.networks._resnet import STEM_KERNEL, STRIDE, ResNet
from microtome.networks._upsampling import Upsampling, upsampled

# these look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")
fx.wrap("upsampled")

MULTIPLE = 32
REDUCTIONS = (16, 8, 4, 2, 1)
"""Size of an image over that of a decoder block's maps, ψ0 to ψ4."""
MERGE = "merge"
"""Name of the weights of the blocks in the sum."""


class PlainEncoder(nn.Module):
    """The encoder `original`: a convolution of stride 2, then four blocks that halve the resolution.

    Attributes:
        channels: channels of the five feature maps that `forward` returns.
    """

    def __init__(self, *, width: int, in_channels: int) -> None:
        super().__init__()
        self.channels = tuple(width * 2**block for block in range(BLOCKS))
        stem = nn.Conv2d(in_channels, width, STEM_KERNEL, STRIDE, padding=STEM_KERNEL // 2, bias=False)
        self.blocks = nn.ModuleList([nn.Sequential(stem, nn.BatchNorm2d(width), nn.ReLU())])
        for before, after in pairwise(self.channels):
            first = conv_bn_relu(before, after, bias=False, stride=STRIDE)
            self.blocks.append(nn.Sequential(first, conv_bn_relu(after, after, bias=False)))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution.

        Args:
            images: (N, in_channels, H, W), H and W divisible by 32.

        Returns:
            Output of each block.
        """
        features = []
        for block in self.blocks:
            images = block(images)
            features.append(images)
        return features


class DSUNet(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        encoder: the plain one, or one of those of `microtome.networks._encoders`.
        heads: 1×1 convolutions of the blocks that have scores, coarse to fine.
        reductions: size of an image over that of each of its `levels`, coarse to fine.
        merge: weights of the levels in the sum; None if the last level is the result.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.in_channels = options.in_channels
        self.encoder = _encoder(options)
        *skips, before = self.encoder.channels
        self.up = Upsampling(2)
        self.decoder, channels = nn.ModuleList(), _decoder_channels(options, self.encoder.channels)
        for skip, after in zip([*reversed(skips), 0], channels, strict=True):
            chain = conv_bn_relu(before + skip, after, bias=False), conv_bn_relu(after, after, bias=False)
            self.decoder.append(nn.Sequential(*chain))
            before = after
        self.heads = nn.ModuleList(nn.Conv2d(c, options.classes, 1) for c in channels[-options.levels :])
        self.reductions = REDUCTIONS[-options.levels :]
        self.merge = None
        if options.merges_levels:
            self.merge = nn.Parameter(torch.tensor(options.merge or [1 / BLOCKS] * BLOCKS))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel.

        Args:
            images: (N, in_channels, H, W) of any size; sizes that 32 does not divide are mirrored up to the
                next multiple at the bottom and the right, and the result is cropped back. In training mode a
                batch must hold more than one 32×32 image, or batch normalisation has a single value.

        Returns:
            (N, classes, H, W) logits; no sigmoid or softmax is applied.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        require_images(images, self.in_channels, owner="dsunet")
        height, width = images.shape[-2], images.shape[-1]
        maps = _decoded(self, images)
        scores = self.heads[-1](maps[-1]) if self.merge is None else self._merged(self._scores(maps))
        return scores[..., :height, :width]

    def levels(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Logits of every block that has a head, coarse to fine, each at its own resolution.

        Args:
            images: as `forward` takes them.

        Returns:
            (N, classes, ceil(H / r), ceil(W / r)) for each r of `reductions`.

        Raises:
            ValueError: as `forward`.
        """
        require_images(images, self.in_channels, owner="dsunet")
        scores = self._scores(_decoded(self, images))
        height, width = images.shape[-2], images.shape[-1]
        cells = [(-(-height // r), -(-width // r)) for r in self.reductions]
        return [one[..., :rows, :columns] for one, (rows, columns) in zip(scores, cells, strict=True)]

    def up_to(self, level: int) -> "Level":
        """A network that stops at a decoder block, with the weights of this one.

        Args:
            level: Number among `levels`, from 0, the coarsest.

        Returns:
            A module that computes what `levels` gives at this number, and nothing beyond it.

        Raises:
            ValueError: There is no such level.
        """
        if not 0 <= level < len(self.heads):
            msg = f"found level {level} of a dsunet, expected 0 to {len(self.heads) - 1}, coarse to fine"
            raise ValueError(msg)
        return Level(self, level)

    def _scores(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Logits of the blocks that have a head."""
        return [head(one) for head, one in zip(self.heads, maps[-len(self.heads) :], strict=True)]

    def _merged(self, scores: list[torch.Tensor]) -> torch.Tensor:
        """The weighted sum of the logits, up-sampled to the resolution of the last."""
        total = self.merge[-1] * scores[-1]
        for level, reduction in enumerate(self.reductions[:-1]):
            total = total + self.merge[level] * upsampled(scores[level], reduction)
        return total


class Level(nn.Module):
    """A `DSUNet` that stops at a decoder block; made by `DSUNet.up_to`.

    Attributes:
        reduction: size of an image over that of its logits.
    """

    def __init__(self, whole: DSUNet, level: int) -> None:
        super().__init__()
        self.reduction, self.head = whole.reductions[level], whole.heads[level]
        self.in_channels, self.encoder, self.up = whole.in_channels, whole.encoder, whole.up
        self.decoder = whole.decoder[: BLOCKS - len(whole.heads) + level + 1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits at this block's resolution.

        Args:
            images: (N, in_channels, H, W), as `DSUNet.forward` takes them.

        Returns:
            (N, classes, ceil(H / reduction), ceil(W / reduction)) logits.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        require_images(images, self.in_channels, owner="dsunet")
        height, width = images.shape[-2], images.shape[-1]
        scores, cell = self.head(_decoded(self, images)[-1]), self.reduction
        return scores[..., : -(-height // cell), : -(-width // cell)]


def _decoded(network: DSUNet | Level, images: torch.Tensor) -> list[torch.Tensor]:
    """Maps of the network's decoder blocks, coarse to fine, of the padded images."""
    *skips, maps = network.encoder(pad_to_multiple(images, MULTIPLE))
    found = []
    for block in network.decoder:
        maps = network.up(maps)
        maps = block(torch.cat([maps, skips.pop()], dim=1) if skips else maps)
        found.append(maps)
    return found


def _encoder(options: Options) -> PlainEncoder | ResNet | EfficientNetLite:
    """The encoder that the options name, of `width` channels at first."""
    sizes = {"width": options.width, "in_channels": options.in_channels}
    if options.encoder == "original":
        return PlainEncoder(**sizes)
    return encoder(options.encoder, **sizes)


def _decoder_channels(options: Options, encoder: tuple[int, ...]) -> list[int]:
    """Channels of the decoder's blocks, coarse to fine; not fewer than `LEAST_CHANNELS`, or than `width`."""
    least = min(LEAST_CHANNELS, options.width)
    if options.decoder == "skips":
        channels = [*encoder[-2::-1], encoder[0] // 2]
    else:
        channels = [encoder[-1] // 2 ** (block + 1) for block in range(BLOCKS)]
    channels = [max(count, least) for count in channels]
    return [*channels[:-1], options.last or channels[-1]]


def build(options: Options) -> DSUNet:
    """Build a deeply supervised U-Net with random weights.

    The convolutions of the public encoders are drawn as He et al. do (normal, variance 2 / fan_out), its
    batch normalisations are 1 and 0; the rest are PyTorch's defaults (convolutions uniform within
    ±1/√fan_in). Seed `torch` before building to repeat them. With the encoder `resnet34` it has 24,436,258
    (`single`), 24,437,226 (`deep`) and 24,437,231 (`linear`) parameters at the default sizes, with `original`
    and a single head 31,383,298.

    Returns:
        The network: (N, in_channels, H, W) to (N, classes, H, W) logits.

    Example:
        >>> network = build(Options(width=8)).eval()
        >>> network(torch.zeros(1, 3, 33, 50)).shape
        torch.Size([1, 2, 33, 50])
        >>> [tuple(level.shape[-2:]) for level in network.levels(torch.zeros(1, 3, 64, 64))]
        [(4, 4), (8, 8), (16, 16), (32, 32), (64, 64)]
        >>> stopped = network.up_to(0)
        >>> stopped.reduction, stopped(torch.zeros(1, 3, 64, 64)).shape
        (16, torch.Size([1, 2, 4, 4]))
    """
    return DSUNet(options)


def initialize(
    network: DSUNet, options: Options, *, mirror: Path | None = None, offline: bool = False
) -> str:
    """Load the weights that the options ask for; see `microtome.networks.initialize`.

    Args:
        network: what `build` made of the options; its encoder's weights are replaced.
        options: `weights` is set.
        mirror: folder with a folder `weights`; None: `$MICROTOME_DATA`.
        offline: never use the network.

    Returns:
        What the weights are, for the run card.

    Raises:
        WeightsError: the file cannot be had, or does not fit.
    """
    return _pretrained.start(
        network.encoder, options.weights, options.encoder, mirror=mirror, offline=offline
    )


def told(options: Options, weights: Mapping[str, torch.Tensor]) -> dict[str, list[float]]:
    """What a run card says of trained weights: those of the blocks in the sum, coarse to fine, if they are
    summed.

    They are not identifiable: a head may be scaled and its weight divided by the same, and nothing changes.

    Example:
        >>> options = Options(width=8, head="linear")
        >>> [round(weight, 2) for weight in told(options, build(options).state_dict())["merge"]]
        [0.2, 0.2, 0.2, 0.2, 0.2]
    """
    return {MERGE: weights[MERGE].tolist()} if options.merges_levels else {}
