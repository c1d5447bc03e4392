# SPDX-License-Identifier: MIT
"""V-Net for hyperspectral images: the bands are the depth of a volume.

The comparison of the study `melanoma`: the layout of Milletari et al. (3DV 2016, doi:10.1109/3DV.2016.79)
with batch normalisation after each convolution and PReLU, and the head of Hyper-net, which makes one map of
pixels from all bands. Prediction uses the running statistics of training, as usual.
"""

import torch
from torch import fx, nn

from microtome.networks._blocks3d import BandHead, as_volumes, require_bands, require_odd
from microtome.networks._vshape import MULTIPLE, VOLUME, VShape
from microtome.registry import require_positive

fx.wrap(
    "as_volumes"
)  # looks at sizes in Python, which the tracer of `microtome.inference.fold_batch_norm` cannot


class VNet(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        activation: what makes probabilities of its logits.
        in_channels: bands of an image.
    """

    activation = "softmax"

    def __init__(self, *, kernel: int, width: int, bands: int, classes: int) -> None:
        super().__init__()
        self.in_channels = bands
        # the image is added to every channel of the first stage
        self.body = VShape(VOLUME, in_channels=1, width=width, kernel=kernel, shortcut=nn.Identity())
        self.head = BandHead(self.body.out_channels, bands, classes)

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


def build(*, kernel: int = 5, width: int = 16, bands: int = 16, classes: int = 2) -> VNet:
    """Build a V-Net.

    Weights are PyTorch's defaults: convolutions uniform within ±1/√fan_in, biases likewise, batch
    normalisation 1 and 0, PReLU 0.25. Seed `torch` before building to repeat them.

    Args:
        kernel: side of the kernels: 5 as in V-Net, 65,182,227 parameters; 3 for small machines, 14,703,603.
        width: channels of the first stage, 16 in the publication; all others scale with it.
        bands: bands of the images, a multiple of 16.
        classes: logit maps, one for each softmax class.

    Returns:
        The network: (N, bands, H, W) to (N, classes, H, W) logits.

    Raises:
        ValueError: an even kernel, bands that cannot be halved four times, or a size below 1.

    Example:
        >>> build(kernel=3, width=2).eval()(torch.zeros(2, 16, 9, 20)).shape
        torch.Size([2, 2, 9, 20])
    """
    require_odd("vnet", kernel=kernel)
    require_positive("vnet", width=width, classes=classes)
    require_bands("vnet", bands, MULTIPLE)
    return VNet(kernel=kernel, width=width, bands=bands, classes=classes)
