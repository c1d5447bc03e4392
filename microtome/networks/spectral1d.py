# SPDX-License-Identifier: MIT
"""1-D convolutional network along the spectrum of each pixel, without any look at its neighbours.

In the manner of Hu et al. (J. Sensors 2015, doi:10.1155/2015/258619): convolutions along the bands, pooling,
and a fully connected layer of all that is left. It is what a spectrum alone can tell, learnt by the recipe of
the networks that see space as well. Images stay images: kernels of the convolutions are n×1×1 on volumes, and
the fully connected layers 1×1 convolutions, so that a whole image is one pass.
"""

import torch
from torch import fx, nn

from microtome.config.networks.spectral1d import Spectral1D as Options
from microtome.networks._blocks import require_images

# looks at sizes in Python, which the tracer of `microtome.inference.fold_batch_norm` cannot
fx.wrap("as_spectra")

POOLED = 2
"""Bands that pooling makes one of."""


def as_spectra(images: torch.Tensor, bands: int) -> torch.Tensor:
    """Check images (N, bands, H, W) and make them volumes (N, 1, bands, H, W).

    Raises:
        ValueError: another number of axes or bands, or no pixels.
    """
    require_images(images, bands, owner="spectral1d")
    return images.unsqueeze(1)


def _along_bands(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    """Convolution along bands, batch normalisation, ReLU; the number of bands stays."""
    size, padding = (kernel, 1, 1), (kernel // 2, 0, 0)
    convolution = nn.Conv3d(in_channels, out_channels, size, padding=padding, bias=False)
    return [convolution, nn.BatchNorm3d(out_channels), nn.ReLU()]


class Spectral1D(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        in_channels: bands of an image.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.in_channels, width = options.bands, options.width
        self.spectra = nn.Sequential(
            *_along_bands(1, width, options.kernel),
            nn.MaxPool3d((POOLED, 1, 1), ceil_mode=True),
            *_along_bands(width, 2 * width, options.kernel),
        )
        self.head = nn.Sequential(
            nn.Conv2d(2 * width * options.pooled, options.hidden, 1),
            nn.ReLU(),
            nn.Dropout(options.dropout),
            nn.Conv2d(options.hidden, options.classes, 1),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel.

        Args:
            images: (N, bands, H, W) of any size.

        Returns:
            (N, classes, H, W) logits; no softmax is applied. Those of a pixel depend on its spectrum alone.

        Raises:
            ValueError: `images` has another number of axes or bands.
        """
        features = self.spectra(as_spectra(images, self.in_channels))
        return self.head(features.flatten(1, 2))


def build(options: Options) -> Spectral1D:
    """Build a spectral network.

    Weights are PyTorch's defaults: convolutions uniform within ±1/√fan_in, biases likewise, batch
    normalisation 1 and 0. Seed `torch` before building to repeat them.

    Returns:
        The network: (N, bands, H, W) to (N, classes, H, W) logits.

    Example:
        >>> build(Options(width=2, bands=7)).eval()(torch.zeros(2, 7, 9, 20)).shape
        torch.Size([2, 2, 9, 20])
    """
    return Spectral1D(options)
