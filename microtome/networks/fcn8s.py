# SPDX-License-Identifier: MIT
"""FCN-8s (Long et al., CVPR 2015, doi:10.1109/CVPR.2015.7298965) on VGG-16 with batch normalisation.

Scores at 1/32 of the resolution are up-sampled by two and added to those of the fourth pooling, these to
those of the third, and the sum is up-sampled by eight; all by transposed convolutions that begin as bilinear
interpolation. Images are padded to a multiple of 32 in place of the original's border of 100 zeros.
"""

import torch
from torch import fx, nn

from microtome.config.networks.fcn8s import FCN8s as Options
from microtome.networks._blocks import he_normal, pad_to_multiple, require_images
from microtome.networks._vgg import FACTOR, stages, widths

# both look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")

MULTIPLE = 32
FC_KERNEL = 7
"""Of the convolution that was VGG's first fully connected layer."""
LAST_FACTOR = 8


class FCN8s(nn.Module):
    """See the module's text; made by `build`."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.in_channels, channels, hidden = options.in_channels, widths(options.width), options.hidden
        self.encoder, self.pool = stages(options.in_channels, options.width), nn.MaxPool2d(FACTOR)
        self.hidden = nn.Sequential(
            nn.Conv2d(channels[-1], hidden, FC_KERNEL, padding=FC_KERNEL // 2),
            nn.ReLU(),
            nn.Dropout(options.dropout),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(),
            nn.Dropout(options.dropout),
        )
        *_, third, fourth, _ = channels
        self.heads = nn.ModuleList(nn.Conv2d(taken, options.classes, 1) for taken in (hidden, fourth, third))
        self.up = nn.ModuleList(_upsampling(options.classes, factor) for factor in (FACTOR, FACTOR))
        self.last = _upsampling(options.classes, LAST_FACTOR)
        he_normal(self)
        for layer in (*self.up, self.last):
            layer.weight = nn.Parameter(bilinear_weights(options.classes, layer.stride[0]))

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
        require_images(images, self.in_channels, owner="fcn8s")
        height, width = images.shape[-2], images.shape[-1]
        features, pooled = pad_to_multiple(images, MULTIPLE), []
        for stage in self.encoder:
            features = self.pool(stage(features))
            pooled.append(features)
        scores = self.heads[0](self.hidden(features))
        for up, head, maps in zip(self.up, self.heads[1:], (pooled[3], pooled[2]), strict=True):
            scores = up(scores) + head(maps)
        return self.last(scores)[..., :height, :width]


def _upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A transposed convolution that enlarges maps by an even factor."""
    kernel, padding = 2 * factor, factor // 2
    return nn.ConvTranspose2d(channels, channels, kernel, stride=factor, padding=padding, bias=False)


def bilinear_weights(channels: int, factor: int) -> torch.Tensor:
    """Weights of a transposed convolution that interpolates each map by itself, as if it went on with zeros.

    Args:
        channels: of the maps.
        factor: even; the kernel has twice as many pixels a side.

    Returns:
        (channels, channels, 2·factor, 2·factor), float32, on torch's current default device.

    Example:
        >>> bilinear_weights(1, 2)[0, 0, 0].mul(16).tolist()
        [1.0, 3.0, 3.0, 1.0]
    """
    places = torch.arange(2 * factor)
    profile = 1 - (places - (factor - 0.5)).abs() / factor
    kernel = profile[:, None] * profile
    return torch.eye(channels)[:, :, None, None] * kernel


def build(options: Options) -> FCN8s:
    """Build an FCN-8s.

    Convolutions are drawn as He et al. do (normal, variance 2 / fan_in, biases 0), but transposed ones
    interpolate bilinearly. Seed `torch` before building to repeat them. With the defaults, half the width of
    VGG-16, it has 5,986,146 parameters.

    Returns:
        The network: (N, in_channels, H, W) to (N, classes, H, W) logits.

    Example:
        >>> build(Options(width=2, hidden=4)).eval()(torch.zeros(2, 1, 33, 50)).shape
        torch.Size([2, 6, 33, 50])
    """
    return FCN8s(options)
