# SPDX-License-Identifier: MIT
"""Options of the network `usenet`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from microtome.config.networks import ENCODER_WEIGHTS, Cost, EncoderWeights, NetworkOptions
from microtome.config.section import option

COSTS = {
    "resnet18": (3550, 0, 4.7),
    "resnet34": (6050, 0, 5.5),
    "resnet50": (8050, 0, 10.0),
    "seresnet50": (8700, 0, 11.7),
    "efficientnet_lite0": (3490, 7200, 15.5),
}
"""By the encoder: weights by the square of the width and by the width, values of a pixel kept by the width,
at most."""


class USENet(NetworkOptions):
    """USE-Net: a public encoder, residual with or without squeeze and excitation, and a U-Net decoder."""

    LABEL: ClassVar = "USE-Net"
    ENCODERS: ClassVar = {
        "resnet18": "ResNet-18",
        "resnet34": "ResNet-34",
        "resnet50": "ResNet-50",
        "seresnet50": "SE-ResNet-50",
        "efficientnet_lite0": "EfficientNet-Lite0",
    }
    """The encoders as tables and figures name them."""
    name: Literal["usenet"] = option("usenet", "this network")
    encoder: Literal["resnet18", "resnet34", "resnet50", "seresnet50", "efficientnet_lite0"] = option(
        "seresnet50",
        "seresnet50 is the one called USE-Net: 35.0 M parameters at width 64; efficientnet_lite0, not in the "
        "paper: 3.8 M at width 32",
    )
    width: PositiveInt = option(
        64, "channels of the first convolution; 64 in the paper, 32 in the published efficientnet_lite0"
    )
    in_channels: PositiveInt = option(3, "channels of an image; data.channels")
    out_channels: PositiveInt = option(
        2, "outputs: 1 for the mask, 2 for mask and marker, or by softmax the number of data.classes"
    )
    weights: EncoderWeights = ENCODER_WEIGHTS

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        square, linear, of_maps = COSTS[self.encoder]
        parameters = square * self.width**2 + linear * self.width
        return Cost(parameters, of_maps * self.width + 32 + self.in_channels)
