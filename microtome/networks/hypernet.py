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

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import fx, nn

from microtome.networks._blocks3d import (
    FLAT,
    STRIDE,
    BandHead,
    Residual,
    Triple,
    as_volumes,
    bn_conv_relu,
    bn_conv_relu_chain,
    require_bands,
    require_counts,
    require_odd,
)
from microtome.registry import require_choice, require_positive

fx.wrap(
    "as_volumes"
)  # looks at sizes in Python, which the tracer of `microtome.inference.fold_batch_norm` cannot

VARIANTS = ("proposed", "alldual", "alldilated", "maxpool")
DUALS = ("serial", "parallel")
DILATED = ("all", "last")
UPSAMPLINGS = ("trilinear", "nearest")
RESOLUTIONS = (4, 5)
BLOCKS = 5
SPECTRAL_FLAT: Triple = (1, 2, 2)
"""Taps two pixels apart, but neighbours among the bands: at the lowest resolution only two bands are left."""
FUSION_KERNEL = 3


@dataclass(frozen=True)
class Layout:
    """The options of `build`, checked."""

    variant: str
    dual: str
    resolutions: int
    dilated: str
    dilation: Triple
    kernel: int
    convs: tuple[int, ...]
    decoder_convs: tuple[int, ...]
    upsampling: str
    up_kernel: int
    head_kernel: int
    width: int
    bands: int
    classes: int

    @property
    def widths(self) -> list[int]:
        """Channels of each resolution, the highest first."""
        return [self.width * STRIDE**level for level in range(self.resolutions)]

    @property
    def multiple(self) -> int:
        """What bands, height and width must divide by."""
        return STRIDE ** (self.resolutions - 1)

    @property
    def plain(self) -> Triple:
        """Dilation of convolutions that are not of a dilated block."""
        return self.dilation if self.variant == "alldilated" else FLAT

    def chain(self, channels: int, convs: int, *, dilated: bool = False) -> nn.Sequential:
        """Convolutions of equal width; of a dilated block, all or the last of them are dilated."""
        dilations = [self.plain] * convs
        if dilated:
            dilations[-1] = self.dilation
            if self.dilated == "all":
                dilations = [self.dilation] * convs
        return bn_conv_relu_chain(*[channels] * (convs + 1), kernel=self.kernel, dilations=dilations)


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
        activation: what makes probabilities of its logits.
        in_channels: bands of an image.
    """

    activation = "softmax"

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.in_channels, self.multiple = layout.bands, layout.multiple
        widths, lowest = layout.widths, layout.resolutions - 1
        self.entry = nn.ModuleList([_stem(layout), *(_down(layout, width) for width in widths[:-1])])
        self.encoder = nn.ModuleList(_encoder(layout, level) for level in range(layout.resolutions))
        self.fusion = Residual(
            nn.Sequential(
                bn_conv_relu(widths[0], widths[0], 1),
                bn_conv_relu(widths[0], widths[0], FUSION_KERNEL, dilation=layout.plain),
            )
        )
        self.decoder = nn.ModuleList()
        for level, convs in zip(reversed(range(BLOCKS - 1)), layout.decoder_convs, strict=True):
            up = _up(layout, widths[level]) if level < lowest else None
            self.decoder.append(Decoder(up, Residual(layout.chain(widths[level], convs))))
        self.head = BandHead(widths[0], layout.bands, layout.classes, kernel=layout.head_kernel)

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


def _stem(layout: Layout) -> Residual:
    """The convolution of the image, to which the image is added; the rest of block 1 if it has one path."""
    first = bn_conv_relu(1, layout.width, layout.kernel, dilation=layout.plain)
    if layout.variant == "alldual":
        return Residual(first)
    return Residual(nn.Sequential(first, *layout.chain(layout.width, layout.convs[0] - 1)))


def _encoder(layout: Layout, level: int) -> Encoder:
    """The blocks of one resolution; what the stem has of the first is not among them."""
    width, convs, last = layout.widths[level], layout.convs[level], level == layout.resolutions - 1
    both = layout.variant == "alldual" or (last and layout.resolutions < BLOCKS)
    standard = dilated = None
    if both or 0 < level < BLOCKS - 1:
        standard = Residual(layout.chain(width, convs))
    if both or level == BLOCKS - 1:
        dilated = Residual(layout.chain(width, layout.convs[-1] if last else convs, dilated=True))
    return Encoder(standard, dilated, parallel=layout.dual == "parallel")


def _down(layout: Layout, width: int) -> nn.Sequential:
    """Half the resolution, twice the channels."""
    if layout.variant == "maxpool":
        return nn.Sequential(nn.MaxPool3d(STRIDE), bn_conv_relu(width, width * STRIDE, 1))
    return bn_conv_relu(width, width * STRIDE, STRIDE, halves=True)


def _up(layout: Layout, width: int) -> nn.Sequential:
    """Twice the resolution, half the channels."""
    return nn.Sequential(
        nn.Upsample(scale_factor=STRIDE, mode=layout.upsampling),
        bn_conv_relu(width * STRIDE, width, layout.up_kernel, dilation=layout.plain),
    )


def build(
    *,
    variant: str = "proposed",
    dual: str = "serial",
    resolutions: int = 4,
    dilated: str = "all",
    dilation: Sequence[int] = SPECTRAL_FLAT,
    kernel: int = 3,
    convs: Sequence[int] = (1, 2, 3, 3, 3),
    decoder_convs: Sequence[int] = (3, 3, 2, 1),
    upsampling: str = "trilinear",
    up_kernel: int = 3,
    head_kernel: int = 1,
    width: int = 16,
    bands: int = 16,
    classes: int = 2,
) -> HyperNet:
    """Build a Hyper-net.

    Weights are PyTorch's defaults: convolutions uniform within ±1/√fan_in, biases likewise, batch
    normalisation 1 and 0. Seed `torch` before building to repeat them. The publication gives the width (its
    figure 3), the strided convolutions, the fusion path and the 1³ convolution at the end, and says that
    there are five encoder and four decoder blocks at four resolutions; the rest are readings.

    Args:
        variant: `proposed`, `alldual`, `alldilated` or `maxpool`: 5,152,501, 5,554,261, 5,152,501 and
            5,077,237 parameters. With `alldual` the image's own convolution comes before both blocks of the
            highest resolution.
        dual: the dilated block follows the standard one (`serial`), or both see the same input (`parallel`).
        resolutions: 4, where the first decoder block does not up-sample; or 5, where each of the four does,
            and the dilated block is alone after a fourth down-sampling.
        dilated: `all` convolutions of a dilated block are dilated, or the `last` one.
        dilation: along bands, rows and columns.
        kernel: side of the blocks' kernels: 3, or 5 as in V-Net. Those of the fusion path are 1 and 3.
        convs: convolutions of each encoder block; the first includes the one of the image.
        decoder_convs: of each decoder block, the lowest resolution first.
        upsampling: `trilinear` (corners not aligned) or `nearest`.
        up_kernel: side of the kernel after the up-sampling, which halves the channels: 3 or 1.
        head_kernel: side of the last, 2-D kernel: 1 or 3.
        width: channels of the highest resolution; all others scale with it.
        bands: bands of the images, a multiple of 8 (16 with five resolutions).
        classes: logit maps, one for each softmax class.

    Returns:
        The network: (N, bands, H, W) to (N, classes, H, W) logits.

    Raises:
        ValueError: an unknown name, a size below 1, or options that exclude each other.

    Example:
        >>> build(width=2)(torch.zeros(2, 16, 9, 20)).shape
        torch.Size([2, 2, 9, 20])
    """
    layout = Layout(
        variant=variant,
        dual=dual,
        resolutions=resolutions,
        dilated=dilated,
        dilation=require_counts("hypernet", "dilation", dilation, 3),
        kernel=kernel,
        convs=require_counts("hypernet", "convs", convs, BLOCKS),
        decoder_convs=require_counts("hypernet", "decoder_convs", decoder_convs, BLOCKS - 1),
        upsampling=upsampling,
        up_kernel=up_kernel,
        head_kernel=head_kernel,
        width=width,
        bands=bands,
        classes=classes,
    )
    _check(layout)
    return HyperNet(layout)


def _check(layout: Layout) -> None:
    """Refuse names, sizes and combinations that make no network."""
    require_choice("variant", layout.variant, VARIANTS, owner="hypernet")
    require_choice("dual", layout.dual, DUALS, owner="hypernet")
    require_choice("dilated", layout.dilated, DILATED, owner="hypernet")
    require_choice("upsampling", layout.upsampling, UPSAMPLINGS, owner="hypernet")
    kernels = {"kernel": layout.kernel, "up_kernel": layout.up_kernel, "head_kernel": layout.head_kernel}
    require_odd("hypernet", **kernels)
    require_positive("hypernet", width=layout.width, classes=layout.classes)
    if layout.resolutions not in RESOLUTIONS:
        msg = f"hypernet: resolutions={layout.resolutions!r} is not one of 4, 5."
        raise ValueError(msg)
    require_bands("hypernet", layout.bands, layout.multiple)
    if layout.resolutions == BLOCKS and (layout.variant == "alldual" or layout.dual == "parallel"):
        msg = (
            f"hypernet: resolutions={layout.resolutions} leaves block 5 alone at the lowest resolution, "
            f"not for variant={layout.variant!r} with dual={layout.dual!r}; set resolutions to 4."
        )
        raise ValueError(msg)
