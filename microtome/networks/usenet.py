# SPDX-License-Identifier: MIT
"""USE-Net: a public encoder, residual with or without squeeze and excitation, and a U-Net decoder.

For nuclei in haematoxylin and eosin (the study `nuclei`; the decoder is that of CIVA-Lab/USE-Net). The last
encoder stage goes straight into the decoder. A decoder stage up-samples bilinearly by two with aligned
corners, appends the encoder's map of that resolution, and applies two 3×3 convolutions (with bias), each
followed by batch normalisation and ReLU; the last stage has no encoder map to append. A 3×3 convolution makes
the logits. Two output channels are two independent sigmoids: the nuclei, and the markers inside them.

The network with the encoder `seresnet50` is the one called USE-Net; `resnet18` and `resnet50` are its
published comparisons; `efficientnet_lite0`, of a tenth of the parameters, is none of the paper.
"""

from pathlib import Path

import torch
from torch import fx, nn

from microtome.config.networks.usenet import USENet as Options
from microtome.networks import _pretrained
from microtome.networks._blocks import LEAST_CHANNELS, conv_bn_relu_chain, pad_to_multiple, require_images
from microtome.networks._encoders import encoder
from microtome.networks._upsampling import Upsampling

# both look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")

MULTIPLE = 32
DECODER = (4.0, 2.0, 1.0, 0.5, 0.25)
"""Channels of the decoder's stages, in units of `width`."""


class USENet(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        encoder: one of those of `microtome.networks._encoders`.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.in_channels, width = options.in_channels, options.width
        self.encoder = encoder(options.encoder, width=width, in_channels=self.in_channels)
        *skips, before = self.encoder.channels
        self.up = Upsampling(2, align_corners=True)
        self.decoder = nn.ModuleList()
        for factor, skip in zip(DECODER, [*reversed(skips), 0], strict=True):
            after = max(int(factor * width), min(LEAST_CHANNELS, width))
            self.decoder.append(conv_bn_relu_chain(before + skip, after, after))
            before = after
        self.head = nn.Conv2d(before, options.out_channels, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel.

        Args:
            images: (N, in_channels, H, W) of any size; sizes that 32 does not divide are mirrored up to the
                next multiple at the bottom and the right, and the result is cropped back. In training mode a
                batch must hold more than one 32×32 image, or batch normalisation has a single value.

        Returns:
            (N, out_channels, H, W) logits; no sigmoid or softmax is applied.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        require_images(images, self.in_channels, owner="usenet")
        height, width = images.shape[-2], images.shape[-1]
        *skips, maps = self.encoder(pad_to_multiple(images, MULTIPLE))
        for stage in self.decoder:
            maps = self.up(maps)
            maps = stage(torch.cat([maps, skips.pop()], dim=1) if skips else maps)
        return self.head(maps)[..., :height, :width]


def build(options: Options) -> USENet:
    """Build a USE-Net with random weights.

    The encoder's convolutions are drawn as He et al. do (normal, variance 2 / fan_out), its batch
    normalisations are 1 and 0; the rest are PyTorch's defaults (convolutions uniform within ±1/√fan_in). Seed
    `torch` before building to repeat them. With the encoders `resnet18`, `resnet34`, `resnet50` and
    `seresnet50` it has 14,329,346, 24,437,506, 32,522,242 and 35,037,186 parameters at the default sizes,
    with `efficientnet_lite0` at its width of 32 3,784,738.
    What the option `weights` names is loaded by `microtome.networks.initialize`, before training.

    Returns:
        The network: (N, in_channels, H, W) to (N, out_channels, H, W) logits.

    Example:
        >>> build(Options(encoder="resnet18", width=8)).eval()(torch.zeros(1, 3, 33, 50)).shape
        torch.Size([1, 2, 33, 50])
    """
    return USENet(options)


def initialize(
    network: USENet, options: Options, *, mirror: Path | None = None, offline: bool = False
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
