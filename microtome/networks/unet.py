# SPDX-License-Identifier: MIT
"""U-Net with padded 3×3 convolutions and batch normalisation, in the two layouts that the membrane study
needs.

Both go from `width` channels to 16·`width` at a sixteenth of the resolution and back (Ronneberger et al.,
MICCAI 2015, doi:10.1007/978-3-319-24574-4_28), each convolution followed by batch normalisation and ReLU:

* `tutorial` (default): stage 5 and the decoder reduce the channels in the second convolution of each stage,
  so that the transposed convolutions keep them. This is the layout behind the published loss comparison on
  ISBI 2012.
* `classic`: two convolutions of equal width per stage; the transposed convolutions halve the channels. At
  width 28 without the biases of convolutions (`conv_bias: false`) it is the U-Net that MED-Net was compared
  with.
"""

from functools import partial

import torch
from torch import fx, nn

from microtome.config.networks.unet import UNet as Options
from microtome.networks._blocks import conv_bn_relu_chain, he_normal, pad_to_multiple, require_images

# both look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")

STAGES = 5
FACTOR = 2
"""Each stage halves the resolution and doubles the channels."""


class UNet(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        multiple: what the sides of images are padded to.
        bottleneck: channels at the lowest resolution, as the decoder takes them.
        channels: of the decoder's last maps, which the head makes scores of.
    """

    multiple = FACTOR ** (STAGES - 1)

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.in_channels, width = options.in_channels, options.width
        chain = partial(conv_bn_relu_chain, bias=options.conv_bias)
        *skips, bottom = (width * FACTOR**stage for stage in range(STAGES))
        keeps = options.variant == "tutorial"
        self.bottleneck, self.channels = skips[-1] if keeps else bottom, width
        self.pool = nn.MaxPool2d(FACTOR)
        pairs = zip([self.in_channels, *skips[:-1]], skips, strict=True)
        self.encoder = nn.ModuleList(chain(before, after, after) for before, after in pairs)
        self.bottom = chain(skips[-1], bottom, self.bottleneck)
        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        for skip in reversed(skips):
            above = max(skip // FACTOR, width) if keeps else skip
            self.up.append(nn.ConvTranspose2d(skip if keeps else skip * FACTOR, skip, FACTOR, stride=FACTOR))
            self.decoder.append(chain(skip * 2, skip, above))
        self.head = nn.Conv2d(width, options.out_channels, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel.

        Args:
            images: (N, in_channels, H, W) of any size; sizes that 16 does not divide are mirrored up to the
                next multiple at the bottom and the right, and the result is cropped back.

        Returns:
            (N, out_channels, H, W) logits; no sigmoid or softmax is applied.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        require_images(images, self.in_channels, owner="unet")
        height, width = images.shape[-2], images.shape[-1]
        maps = self.decode(self.encode(pad_to_multiple(images, self.multiple)))
        return self.head(maps)[..., :height, :width]

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Maps of each resolution, fine to coarse, the bottleneck last.

        Args:
            images: (N, in_channels, H, W); `multiple` divides H and W.
        """
        features, maps = images, []
        for stage in self.encoder:
            maps.append(stage(features))
            features = self.pool(maps[-1])
        return [*maps, self.bottom(features)]

    def decode(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Maps of the images' resolution, (N, channels, H, W), of what `encode` returns."""
        *skips, features = maps
        for up, stage in zip(self.up, self.decoder, strict=True):
            features = stage(torch.cat([up(features), skips.pop()], dim=1))
        return features


def build(options: Options) -> UNet:
    """Build a U-Net.

    Weights are PyTorch's defaults: convolutions Kaiming-uniform with a = √5 (uniform within ±1/√fan_in,
    biases likewise), batch normalisation 1 and 0; with `init: he_normal` convolutions are drawn as He et al.
    do. Seed `torch` before building to repeat them. At width 64 `tutorial` has 23,379,969 parameters and
    `classic` 31,042,369.

    Returns:
        The network: (N, in_channels, H, W) to (N, out_channels, H, W) logits.

    Example:
        >>> build(Options(width=4))(torch.zeros(2, 1, 33, 50)).shape
        torch.Size([2, 1, 33, 50])
    """
    network = UNet(options)
    if options.init == "he_normal":
        he_normal(network)
    return network
