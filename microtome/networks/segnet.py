# SPDX-License-Identifier: MIT
"""SegNet (Badrinarayanan et al., TPAMI 2017, doi:10.1109/TPAMI.2016.2644615): VGG-16 with batch normalisation
and its mirror image, which puts the maxima of each pooling back where they were.
"""

import torch
from torch import fx, nn

from microtome.config.networks.segnet import SegNet as Options
from microtome.networks._blocks import conv_bn_relu_chain, he_normal, pad_to_multiple, require_images
from microtome.networks._vgg import CONVS, FACTOR, stages, widths

# all look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")
fx.wrap("unpool")

MULTIPLE = 32


class SegNet(nn.Module):
    """See the module's text; made by `build`."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.in_channels = options.in_channels
        self.encoder = stages(options.in_channels, options.width)
        self.pool = nn.MaxPool2d(FACTOR, return_indices=True)
        *after, first = widths(options.width)[::-1]
        self.decoder, before = nn.ModuleList(), after[0]
        for channels, convs in zip([*after[1:], first], reversed(CONVS[1:]), strict=True):
            chain = [before] * convs
            self.decoder.append(conv_bn_relu_chain(*chain, channels, bias=False))
            before = channels
        last = conv_bn_relu_chain(*[before] * CONVS[0], bias=False)
        self.decoder.append(nn.Sequential(*last, nn.Conv2d(before, options.classes, 3, padding=1)))
        he_normal(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel.

        Args:
            images: (N, in_channels, H, W) of any size; sizes that 32 does not divide are mirrored up to the
                next multiple at the bottom and the right, and the result is cropped back.

        Returns:
            (N, classes, H, W) logits; no sigmoid or softmax is applied.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        require_images(images, self.in_channels, owner="segnet")
        height, width = images.shape[-2], images.shape[-1]
        features, places = pad_to_multiple(images, MULTIPLE), []
        for stage in self.encoder:
            pooled = self.pool(stage(features))
            features = pooled[0]
            places.append(pooled[1])
        for stage in self.decoder:
            features = stage(unpool(features, places.pop()))
        return features[..., :height, :width]


def unpool(maps: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Maps of twice the size, zero but where the maxima were.

    `torch.nn.MaxUnpool2d` has no deterministic kernel on CUDA; scattering to different places has.

    Args:
        maps: (N, C, H, W).
        places: same shape, int64; of each value, its place in the flattened larger map, as the 2×2 pooling
            returns it.

    Returns:
        (N, C, 2·H, 2·W).

    Example:
        >>> unpool(torch.tensor([[[[5.0]]]]), torch.tensor([[[[2]]]])).tolist()
        [[[[0.0, 0.0], [5.0, 0.0]]]]
    """
    count, channels, height, width = maps.shape
    sides = FACTOR * height, FACTOR * width
    zeros = maps.new_zeros(count, channels, sides[0] * sides[1])
    return zeros.scatter(2, places.flatten(2), maps.flatten(2)).unflatten(2, sides)


def build(options: Options) -> SegNet:
    """Build a SegNet.

    Convolutions are drawn as He et al. do (normal, variance 2 / fan_in, biases 0), batch normalisation is 1
    and 0. Seed `torch` before building to repeat them. With the defaults it has 6,049,087 parameters.

    Returns:
        The network: (N, in_channels, H, W) to (N, classes, H, W) logits.

    Example:
        >>> build(Options(width=2)).eval()(torch.zeros(2, 1, 33, 50)).shape
        torch.Size([2, 6, 33, 50])
    """
    return SegNet(options)
