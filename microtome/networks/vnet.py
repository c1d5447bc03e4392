# SPDX-License-Identifier: MIT
"""V-Net for hyperspectral images: the bands are the depth of a volume.

The comparison of the study `melanoma`: the layout of Milletari et al. (3DV 2016, doi:10.1109/3DV.2016.79)
with batch normalisation after each convolution and PReLU, and the head of Hyper-net, which makes one map of
pixels from all bands. Prediction uses the running statistics of training, as usual.
"""

import torch
from torch import fx, nn

from microtome.config.networks.vnet import VNet as Options
from microtome.networks._blocks3d import BandHead, as_volumes
from microtome.networks._vshape import MULTIPLE, VOLUME, VShape

# looks at sizes in Python, which the tracer of `microtome.inference.fold_batch_norm` cannot
fx.wrap("as_volumes")


class VNet(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        in_channels: bands of an image.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.in_channels = options.bands
        # the image is added to every channel of the first stage
        sizes = {"in_channels": 1, "width": options.width, "kernel": options.kernel}
        self.body = VShape(VOLUME, **sizes, shortcut=nn.Identity())
        self.head = BandHead(self.body.out_channels, options.bands, options.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel.

        Args:
            images: (N, bands, H, W) of any size; sizes that 16 does not divide are mirrored up to the next
                multiple at the bottom and the right, and the result is cropped back. In training mode a batch
                must hold more than one 16×16 image of 16 bands, or batch normalisation has a single value.

        Returns:
            (N, classes, H, W) logits; no softmax is applied.

        Raises:
            ValueError: `images` has another number of axes or bands.
        """
        volumes = as_volumes(images, self.in_channels, MULTIPLE, owner="vnet")
        height, width = images.shape[-2], images.shape[-1]
        return self.head(self.body(volumes))[..., :height, :width]


def build(options: Options) -> VNet:
    """Build a V-Net.

    Weights are PyTorch's defaults: convolutions uniform within ±1/√fan_in, biases likewise, batch
    normalisation 1 and 0, PReLU 0.25. Seed `torch` before building to repeat them. With kernels of 5 it has
    65,182,227 parameters, with kernels of 3 14,703,603.

    Returns:
        The network: (N, bands, H, W) to (N, classes, H, W) logits.

    Example:
        >>> build(Options(kernel=3, width=2)).eval()(torch.zeros(2, 16, 9, 20)).shape
        torch.Size([2, 2, 9, 20])
    """
    return VNet(options)
