# SPDX-License-Identifier: MIT
"""USE-Net: a residual encoder, with or without squeeze and excitation, and a U-Net decoder.

For nuclei in haematoxylin and eosin (the study `nuclei`; the decoder is that of CIVA-Lab/USE-Net). The last
encoder stage goes straight into the decoder. A decoder stage up-samples bilinearly by two with aligned
corners, appends the encoder's map of that resolution, and applies two 3×3 convolutions (with bias), each
followed by batch normalisation and ReLU; the last stage has no encoder map to append. A 3×3 convolution makes
the logits. Two output channels are two independent sigmoids: the nuclei, and the markers inside them.

The network with the encoder `seresnet50` is the one called USE-Net; `resnet18` and `resnet50` are its
published comparisons.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from microtome.networks import _pretrained
from microtome.networks._blocks import conv_bn_relu_chain, pad_to_multiple, require_images
from microtome.networks._resnet import LAYOUTS, ResNet
from microtome.registry import require_choice, require_positive

# both look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")

MULTIPLE = 32
DECODER = (4.0, 2.0, 1.0, 0.5, 0.25)
"""Channels of the decoder's stages, in units of `width`."""
LEAST_CHANNELS = 8
"""The decoder's stages keep at least this many (or `width`, if that is smaller)."""


class USENet(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        encoder: residual encoder with the parameter names of the public weight files.
    """

    def __init__(self, *, encoder: str, width: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.encoder = ResNet(LAYOUTS[encoder], width=width, in_channels=in_channels)
        *skips, before = self.encoder.channels
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.decoder = nn.ModuleList()
        for factor, skip in zip(DECODER, [*reversed(skips), 0], strict=True):
            after = max(int(factor * width), min(LEAST_CHANNELS, width))
            self.decoder.append(conv_bn_relu_chain(before + skip, after, after))
            before = after
        self.head = nn.Conv2d(before, out_channels, 3, padding=1)

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


def build(
    *,
    encoder: str = "seresnet50",
    width: int = 64,
    in_channels: int = 3,
    out_channels: int = 2,
    weights: str | None = None,
) -> USENet:
    """Build a USE-Net with random weights.

    The encoder's convolutions are drawn as He et al. do (normal, variance 2 / fan_out), its batch
    normalisations are 1 and 0; the rest are PyTorch's defaults (convolutions uniform within ±1/√fan_in). Seed
    `torch` before building to repeat them.

    Args:
        encoder: `resnet18`, `resnet34`, `resnet50` or `seresnet50`; 14,329,346, 24,437,506, 32,522,242 and
            35,037,186 parameters at the default widths.
        width: channels of the first convolution, 64 in the publication; all others scale with it, those of
            the decoder down to 8.
        in_channels: channels of the images.
        out_channels: logit maps: 1 for the mask, 2 for mask and marker.
        weights: what `microtome.networks.initialize` loads into the encoder before training: None,
            `imagenet`, or a file. Nothing is loaded here; only whether it fits the other options is checked.

    Returns:
        The network: (N, in_channels, H, W) to (N, out_channels, H, W) logits.

    Raises:
        ValueError: unknown encoder, a size below 1, or weights that need other sizes.

    Example:
        >>> build(encoder="resnet18", width=8).eval()(torch.zeros(1, 3, 33, 50)).shape
        torch.Size([1, 2, 33, 50])
    """
    require_choice("encoder", encoder, tuple(LAYOUTS), owner="usenet")
    require_positive("usenet", width=width, in_channels=in_channels, out_channels=out_channels)
    _pretrained.require_fit(weights, width=width, in_channels=in_channels, owner="usenet")
    return USENet(encoder=encoder, width=width, in_channels=in_channels, out_channels=out_channels)


def initialize(
    model: USENet, options: Mapping[str, Any], *, mirror: Path | None = None, offline: bool = False
) -> str:
    """Load the weights that the options ask for; see `microtome.networks.initialize`.

    Args:
        model: network that `build` made with these options; its encoder's weights are replaced.
        options: options of `build`; `weights` is set.
        mirror: folder with a folder `weights`; None: `$MICROTOME_DATA`.
        offline: never use the network.

    Returns:
        What the weights are, for the run card.

    Raises:
        WeightsError: the file cannot be had, or does not fit.
    """
    weights, encoder = options["weights"], options.get("encoder", "seresnet50")
    file = _pretrained.obtain(weights, encoder, mirror=mirror, offline=offline)
    _pretrained.load_into(model.encoder, file)
    return _pretrained.describe(weights, file)
