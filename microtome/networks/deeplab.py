# SPDX-License-Identifier: MIT
"""DeepLab v2 (Chen et al., TPAMI 2018, doi:10.1109/TPAMI.2017.2699184) on VGG-16 with batch normalisation.

The large variant of its pyramid ("ASPP-L"): branches of a dilated 3×3 and two 1×1 convolutions on maps at 1/8
of the resolution, whose scores are summed and up-sampled bilinearly. The fourth and the fifth pooling do not
make maps smaller, and the fifth stage is dilated in their place. There is no conditional random field.
"""

import torch
from torch import fx, nn

from microtome.config.networks.deeplab import DeepLab as Options
from microtome.networks._blocks import he_normal, pad_to_multiple, require_images
from microtome.networks._upsampling import Upsampling
from microtome.networks._vgg import FACTOR, stages, widths

# both look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")

MULTIPLE = 8
STRIDES = (FACTOR, FACTOR, FACTOR, 1, 1)
"""Of the pooling after each stage."""
DILATIONS = (1, 1, 1, 1, 2)
"""Of each stage."""


class DeepLab(nn.Module):
    """See the module's text; made by `build`."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.in_channels = options.in_channels
        self.encoder = stages(options.in_channels, options.width, DILATIONS)
        self.pools = nn.ModuleList(nn.MaxPool2d(3, stride, padding=1) for stride in STRIDES)
        before = widths(options.width)[-1]
        self.branches = nn.ModuleList(_branch(options, before, rate) for rate in options.rates)
        self.up = Upsampling(MULTIPLE)
        he_normal(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel.

        Args:
            images: (N, in_channels, H, W) of any size; sizes that 8 does not divide are mirrored up to the
                next multiple at the bottom and the right, and the result is cropped back. In training mode a
                batch must hold more than one 8×8 image, or batch normalisation has a single value.

        Returns:
            (N, classes, H, W) logits; no sigmoid or softmax is applied.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        require_images(images, self.in_channels, owner="deeplab")
        height, width = images.shape[-2], images.shape[-1]
        features = pad_to_multiple(images, MULTIPLE)
        for stage, pool in zip(self.encoder, self.pools, strict=True):
            features = pool(stage(features))
        scores = sum(branch(features) for branch in self.branches)
        return self.up(scores)[..., :height, :width]


def _branch(options: Options, before: int, rate: int) -> nn.Sequential:
    """Scores of maps, from pixels `rate` apart."""
    hidden = options.hidden
    return nn.Sequential(
        nn.Conv2d(before, hidden, 3, padding=rate, dilation=rate),
        nn.ReLU(),
        nn.Dropout(options.dropout),
        nn.Conv2d(hidden, hidden, 1),
        nn.ReLU(),
        nn.Dropout(options.dropout),
        nn.Conv2d(hidden, options.classes, 1),
    )


def build(options: Options) -> DeepLab:
    """Build a DeepLab v2.

    Convolutions are drawn as He et al. do (normal, variance 2 / fan_in, biases 0), batch normalisation is 1
    and 0. Seed `torch` before building to repeat them. With the defaults it has 5,993,702 parameters.

    Returns:
        The network: (N, in_channels, H, W) to (N, classes, H, W) logits.

    Example:
        >>> build(Options(width=2, hidden=4)).eval()(torch.zeros(2, 1, 33, 50)).shape
        torch.Size([2, 6, 33, 50])
    """
    return DeepLab(options)
