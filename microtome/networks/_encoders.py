# SPDX-License-Identifier: MIT
"""The encoders of which there are public weights, by name."""

from microtome.networks._efficientnet import EfficientNetLite
from microtome.networks._resnet import LAYOUTS, ResNet

EFFICIENTNET_LITE0 = "efficientnet_lite0"
NAMES = (*LAYOUTS, EFFICIENTNET_LITE0)


def encoder(name: str, *, width: int, in_channels: int) -> ResNet | EfficientNetLite:
    """An encoder with random weights.

    Args:
        name: one of `NAMES`.
        width: channels of its first convolution.
        in_channels: channels of an image.

    Returns:
        (N, in_channels, H, W) to the maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution, whose channels
        are its `channels`; 32 divides H and W.

    Example:
        >>> encoder("efficientnet_lite0", width=32, in_channels=3).channels
        (16, 24, 40, 112, 320)
    """
    if name == EFFICIENTNET_LITE0:
        return EfficientNetLite(width=width, in_channels=in_channels)
    return ResNet(LAYOUTS[name], width=width, in_channels=in_channels)
