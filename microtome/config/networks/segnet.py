# SPDX-License-Identifier: MIT
"""Options of the network `segnet`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from microtome.config.networks import Cost, NetworkOptions
from microtome.config.section import option


class SegNet(NetworkOptions):
    """SegNet: a VGG-16 encoder, and its mirror image that puts maxima back where they were."""

    LABEL: ClassVar = "SegNet"
    name: Literal["segnet"] = option("segnet", "this network")
    width: PositiveInt = option(29, "channels of the encoder's first stage; 64 in VGG-16")
    in_channels: PositiveInt = option(1, "channels of an image; data.channels")
    classes: PositiveInt = option(
        6, "outputs: the number of data.classes, or of `outputs` with a loss by sigmoid"
    )

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        return Cost(7250 * self.width**2, 17.5 * self.width + self.in_channels + 2)
