# SPDX-License-Identifier: MIT
"""Options of the network `deeplab`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from microtome.config.networks import Cost, Dropout, NetworkOptions
from microtome.config.section import option


class DeepLab(NetworkOptions):
    """DeepLab v2: a dilated VGG-16 encoder and dilated convolutions of several rates side by side."""

    LABEL: ClassVar = "DeepLab v2"
    name: Literal["deeplab"] = option("deeplab", "this network")
    width: PositiveInt = option(26, "channels of the encoder's first stage; 64 in VGG-16")
    hidden: PositiveInt = option(392, "channels of each branch; 1024 in the paper")
    rates: tuple[PositiveInt, ...] = option((6, 12, 18, 24), "dilation of each branch", min_length=1)
    dropout: Dropout = option(0.5, "share of a branch's channels that training leaves out at random")
    in_channels: PositiveInt = option(1, "channels of an image; data.channels")
    classes: PositiveInt = option(
        6, "outputs: the number of data.classes, or of `outputs` with a loss by sigmoid"
    )

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        branch = 72 * self.width * self.hidden + self.hidden**2
        kept = 11.2 * self.width + 0.1 * len(self.rates) * self.hidden + self.in_channels + 4
        return Cost(3650 * self.width**2 + len(self.rates) * branch, kept)
