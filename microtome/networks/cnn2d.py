# SPDX-License-Identifier: MIT
"""2-D residual network for RGB and hyperspectral images: the layout of V-Net in two dimensions.

The comparison of the study `melanoma` that sees the bands of an image as its channels, or an RGB image of the
same field: kernels of 5×5, down-sampling by 2×2 convolutions of stride 2, up-sampling by transposed ones,
batch normalisation after each convolution and PReLU. The image is added to the output of the first stage; if
it has another number of channels, it passes a 1×1 convolution first.
"""

import torch
from torch import fx, nn

from microtome.networks._blocks import pad_to_multiple, require_images
from microtome.networks._blocks3d import require_odd
from microtome.networks._vshape import MULTIPLE, PLANE, VShape
from microtome.registry import require_positive

# both look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")


class CNN2D(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        activation: what makes probabilities of its logits.
        in_channels: channels of an image.
    """

    activation = "softmax"

    def __init__(self, *, kernel: int, width: int, in_channels: int, classes: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        shortcut = nn.Identity() if in_channels == width else nn.Conv2d(in_channels, width, 1)
        self.body = VShape(PLANE, in_channels=in_channels, width=width, kernel=kernel, shortcut=shortcut)
        self.head = nn.Conv2d(self.body.out_channels, classes, 1)

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


def build(*, kernel: int = 5, width: int = 16, in_channels: int = 16, classes: int = 2) -> CNN2D:
    """Build the 2-D network.

    Weights are PyTorch's defaults: convolutions uniform within ±1/√fan_in, biases likewise, batch
    normalisation 1 and 0, PReLU 0.25. Seed `torch` before building to repeat them.

    Args:
        kernel: side of the kernels: 5 in the publication, 13,288,258 parameters for 16 bands and 13,283,122
            for RGB; 3 for small machines, 5,043,010 and 5,041,202.
        width: channels of the first stage, 16 in the publication; all others scale with it.
        in_channels: bands or channels of the images.
        classes: logit maps, one for each softmax class.

    Returns:
        The network: (N, in_channels, H, W) to (N, classes, H, W) logits.

    Raises:
        ValueError: an even kernel, or a size below 1.

    Example:
        >>> build(kernel=3, width=2, in_channels=3).eval()(torch.zeros(2, 3, 9, 20)).shape
        torch.Size([2, 2, 9, 20])
    """
    require_odd("cnn2d", kernel=kernel)
    require_positive("cnn2d", width=width, in_channels=in_channels, classes=classes)
    return CNN2D(kernel=kernel, width=width, in_channels=in_channels, classes=classes)
