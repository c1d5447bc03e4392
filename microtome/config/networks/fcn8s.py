# SPDX-License-Identifier: MIT
"""Options of the network `fcn8s`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from microtome.config.networks import Cost, Dropout, NetworkOptions
from microtome.config.section import option


class FCN8s(NetworkOptions):
    """FCN-8s: scores of three resolutions of a VGG-16 encoder, summed and up-sampled."""

    LABEL: ClassVar = "FCN-8s"
    name: Literal["fcn8s"] = option("fcn8s", "this network")
    width: PositiveInt = option(32, "channels of the encoder's first stage; 64 in VGG-16")
    hidden: PositiveInt = option(180, "channels of the two convolutions before the coarsest scores")
    dropout: Dropout = option(0.5, "share of the hidden channels that training leaves out at random")
    in_channels: PositiveInt = option(1, "channels of an image; data.channels")
    classes: PositiveInt = option(
        6, "outputs: the number of data.classes, or of `outputs` with a loss by sigmoid"
    )

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        parameters = 3720 * self.width**2 + 400 * self.width * self.hidden + 2 * self.hidden**2
        return Cost(parameters, 9.9 * self.width + 0.02 * self.hidden + self.in_channels + 4)
