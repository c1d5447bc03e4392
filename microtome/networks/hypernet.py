# SPDX-License-Identifier: MIT
"""Hyper-net: a residual 3-D network for hyperspectral images, with a dilated path and few parameters.

For the study `melanoma`. The bands of an image are the depth of a volume. Batch normalisation comes before
each convolution, ReLU after it. Strided 2³ convolutions halve depth, height and width and double the channels
three times. At the lowest resolution a second block, with dilated convolutions, follows the first, and the
decoder takes the sum of both. Each decoder block up-samples (but the first), adds the encoder's features of
that resolution, and convolves; the features of the highest resolution pass the fusion path (1³, then 3³)
first. A 1³ convolution leaves one map for each band, and a 2-D convolution makes logits of these.

The publication prints the layout but leaves sizes open. Each open point is an option, whose default is the
reading that fits the text best; none of the readings but `resolutions=5` contradicts it.

Its ablations are the variants `alldual` (each resolution has a standard and a dilated block), `alldilated`
(every 3³ convolution is dilated) and `maxpool` (max pooling and a 1³ convolution for each strided one).
"""

import torch
from torch import fx, nn

from microtome.config.networks.hypernet import HyperNet as Options
from microtome.networks._blocks3d import (
    FLAT,
    STRIDE,
    BandHead,
    Residual,
    Triple,
    as_volumes,
    bn_conv_relu,
    bn_conv_relu_chain,
)
from microtome.networks._upsampling import Upsampling

# looks at sizes in Python, which the tracer of `microtome.inference.fold_batch_norm` cannot
fx.wrap("as_volumes")

BLOCKS = 5
FUSION_KERNEL = 3


def _plain(options: Options) -> Triple:
    """Dilation of convolutions that are not of a dilated block."""
    return options.dilation if options.variant == "alldilated" else FLAT


def _chain(options: Options, channels: int, convs: int, *, dilated: bool = False) -> nn.Sequential:
    """Convolutions of equal width; of a dilated block, all or the last of them are dilated."""
    dilations = [_plain(options)] * convs
    if dilated:
        dilations[-1] = options.dilation
        if options.dilated == "all":
            dilations = [options.dilation] * convs
    return bn_conv_relu_chain(*[channels] * (convs + 1), kernel=options.kernel, dilations=dilations)


class Encoder(nn.Module):
    """The blocks of one resolution: a standard one, a dilated one, both, or none."""

    def __init__(self, standard: nn.Module | None, dilated: nn.Module | None, *, parallel: bool) -> None:
        super().__init__()
        self.standard = nn.Identity() if standard is None else standard
        self.dilated, self.parallel = dilated, parallel

    def forward(self, volumes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the decoder gets and what the next resolution gets.

        Of two blocks these are their sum and the output of the dilated one; if they are parallel, the sum.
        """
        first = self.standard(volumes)
        if self.dilated is None:
            return first, first
        second = self.dilated(volumes if self.parallel else first)
        total = first + second
        return total, (total if self.parallel else second)


class Decoder(nn.Module):
    """One resolution of the decoder: adds the encoder's features to the up-sampled ones and convolves."""

    def __init__(self, up: nn.Module | None, block: nn.Module) -> None:
        super().__init__()
        self.up, self.block = up, block

    def forward(self, skip: torch.Tensor, below: torch.Tensor | None) -> torch.Tensor:
        """Features of this resolution; the lowest one has nothing below it."""
        return self.block(skip if self.up is None else skip + self.up(below))


class HyperNet(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        in_channels: bands of an image.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        lowest = options.resolutions - 1
        self.in_channels, self.multiple = options.bands, STRIDE**lowest
        widths = [options.width * STRIDE**level for level in range(options.resolutions)]
        self.entry = nn.ModuleList([_stem(options), *(_down(options, width) for width in widths[:-1])])
        self.encoder = nn.ModuleList(_encoder(options, level) for level in range(options.resolutions))
        thin = bn_conv_relu(widths[0], widths[0], 1)
        thick = bn_conv_relu(widths[0], widths[0], FUSION_KERNEL, dilation=_plain(options))
        self.fusion = Residual(nn.Sequential(thin, thick))
        self.decoder = nn.ModuleList()
        for level, convs in zip(reversed(range(BLOCKS - 1)), options.decoder_convs, strict=True):
            up = _up(options, widths[level]) if level < lowest else None
            self.decoder.append(Decoder(up, Residual(_chain(options, widths[level], convs))))
        self.head = BandHead(widths[0], options.bands, options.classes, kernel=options.head_kernel)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel.

        Args:
            images: (N, bands, H, W) of any size; sizes that 8 (16 with five resolutions) does not divide are
                mirrored up to the next multiple at the bottom and the right, and the result is cropped back.

        Returns:
            (N, classes, H, W) logits; no softmax is applied.

        Raises:
            ValueError: `images` has another number of axes or bands.
        """
        volumes, skips = as_volumes(images, self.in_channels, self.multiple, owner="hypernet"), []
        height, width = images.shape[-2], images.shape[-1]
        for entry, stage in zip(self.entry, self.encoder, strict=True):
            skip, volumes = stage(entry(volumes))
            skips.append(skip)
        skips[0] = self.fusion(skips[0])
        below = skips.pop() if len(skips) == BLOCKS else None
        for stage in self.decoder:
            below = stage(skips.pop(), below)
        return self.head(below)[..., :height, :width]


def _stem(options: Options) -> Residual:
    """The convolution of the image, to which the image is added; the rest of block 1 if it has one path."""
    first = bn_conv_relu(1, options.width, options.kernel, dilation=_plain(options))
    if options.variant == "alldual":
        return Residual(first)
    return Residual(nn.Sequential(first, *_chain(options, options.width, options.convs[0] - 1)))


def _encoder(options: Options, level: int) -> Encoder:
    """The blocks of one resolution; what the stem has of the first is not among them."""
    width, convs, last = options.width * STRIDE**level, options.convs[level], level == options.resolutions - 1
    both = options.variant == "alldual" or (last and options.resolutions < BLOCKS)
    standard = dilated = None
    if both or 0 < level < BLOCKS - 1:
        standard = Residual(_chain(options, width, convs))
    if both or level == BLOCKS - 1:
        dilated = Residual(_chain(options, width, options.convs[-1] if last else convs, dilated=True))
    return Encoder(standard, dilated, parallel=options.dual == "parallel")


def _down(options: Options, width: int) -> nn.Sequential:
    """Half the resolution, twice the channels."""
    if options.variant == "maxpool":
        return nn.Sequential(nn.MaxPool3d(STRIDE), bn_conv_relu(width, width * STRIDE, 1))
    return bn_conv_relu(width, width * STRIDE, STRIDE, halves=True)


def _up(options: Options, width: int) -> nn.Sequential:
    """Twice the resolution, half the channels."""
    linear = options.upsampling == "trilinear"
    return nn.Sequential(
        Upsampling(STRIDE, volumes=True) if linear else nn.Upsample(scale_factor=STRIDE, mode="nearest"),
        bn_conv_relu(width * STRIDE, width, options.up_kernel, dilation=_plain(options)),
    )


def build(options: Options) -> HyperNet:
    """Build a Hyper-net.

    Weights are PyTorch's defaults: convolutions uniform within ±1/√fan_in, biases likewise, batch
    normalisation 1 and 0. Seed `torch` before building to repeat them. The publication gives the width (its
    figure 3), the strided convolutions, the fusion path and the 1³ convolution at the end, and says that
    there are five encoder and four decoder blocks at four resolutions; the rest are readings.

    The variants `proposed`, `alldual`, `alldilated` and `maxpool` have 5,152,501, 5,554,261, 5,152,501 and
    5,077,237 parameters. With `alldual` the image's own convolution comes before both blocks of the highest
    resolution. Of five resolutions, the dilated block is alone after a fourth down-sampling.

    Returns:
        The network: (N, bands, H, W) to (N, classes, H, W) logits.

    Example:
        >>> build(Options(width=2))(torch.zeros(2, 16, 9, 20)).shape
        torch.Size([2, 2, 9, 20])
    """
    return HyperNet(options)
