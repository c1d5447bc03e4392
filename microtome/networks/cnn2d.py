# SPDX-License-Identifier: MIT
"""2-D residual network for RGB and hyperspectral images: the layout of V-Net in two dimensions.

The comparison of the study `melanoma` that sees the bands of an image as its channels, or an RGB image of the
same field: kernels of 5×5, down-sampling by 2×2 convolutions of stride 2, up-sampling by transposed ones,
batch normalisation after each convolution and PReLU. The image is added to the output of the first stage; if
it has another number of channels, it passes a 1×1 convolution first.
"""

import torch
from torch import fx, nn

from microtome.config.networks.cnn2d import CNN2D as Options  # noqa: N811 (a class)
from microtome.networks._blocks import pad_to_multiple, require_images
from microtome.networks._vshape import MULTIPLE, PLANE, VShape

# both look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")


class CNN2D(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        in_channels: channels of an image.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.in_channels, width = options.in_channels, options.width
        shortcut = nn.Identity() if self.in_channels == width else nn.Conv2d(self.in_channels, width, 1)
        sizes = {"in_channels": self.in_channels, "width": width, "kernel": options.kernel}
        self.body = VShape(PLANE, **sizes, shortcut=shortcut)
        self.head = nn.Conv2d(self.body.out_channels, options.classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel.

        Args:
            images: (N, in_channels, H, W) of any size; sizes that 16 does not divide are mirrored up to the
                next multiple at the bottom and the right, and the result is cropped back. In training mode a
                batch must hold more than one 16×16 image, or batch normalisation has a single value.

        Returns:
            (N, classes, H, W) logits; no softmax is applied.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        require_images(images, self.in_channels, owner="cnn2d")
        height, width = images.shape[-2], images.shape[-1]
        return self.head(self.body(pad_to_multiple(images, MULTIPLE)))[..., :height, :width]


def build(options: Options) -> CNN2D:
    """Build the 2-D network.

    Weights are PyTorch's defaults: convolutions uniform within ±1/√fan_in, biases likewise, batch
    normalisation 1 and 0, PReLU 0.25. Seed `torch` before building to repeat them. With kernels of 5 it has
    13,288,258 parameters for 16 bands and 13,283,122 for RGB; with kernels of 3 5,043,010 and 5,041,202.

    Returns:
        The network: (N, in_channels, H, W) to (N, classes, H, W) logits.

    Example:
        >>> build(Options(kernel=3, width=2, in_channels=3)).eval()(torch.zeros(2, 3, 9, 20)).shape
        torch.Size([2, 2, 9, 20])
    """
    return CNN2D(options)
