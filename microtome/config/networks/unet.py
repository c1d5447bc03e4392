# SPDX-License-Identifier: MIT
"""Options of the network `unet`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from microtome.config.networks import Cost, NetworkOptions
from microtome.config.section import option


class UNet(NetworkOptions):
    """U-Net of the thesis."""

    LABEL: ClassVar = "U-Net"
    name: Literal["unet"] = option("unet", "this network")
    variant: Literal["tutorial", "classic"] = option(
        "tutorial", "tutorial: 23.4 M parameters at width 64; classic: two convolutions per stage, 31.0 M"
    )
    width: PositiveInt = option(64, "channels of the first stage")
    conv_bias: bool = option(
        True,
        "a bias in the convolutions, of no effect before their batch normalisation; counted as published",
    )
    init: Literal["uniform", "he_normal"] = option(
        "uniform",
        "how weights of convolutions are drawn. uniform: within ±1/√fan_in, as PyTorch does; he_normal: with "
        "variance 2 / fan_in, biases 0, as the U-Net that MED-Net was compared with",
    )
    in_channels: PositiveInt = option(1, "channels of an image; data.channels")
    out_channels: PositiveInt = option(1, "outputs: of a mask, or by softmax the number of data.classes")

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        of_weights, of_maps = (5750, 19.7) if self.variant == "tutorial" else (7600, 20.7)
        return Cost(of_weights * self.width**2, of_maps * self.width + self.in_channels)
