# SPDX-License-Identifier: MIT
"""Options of the network `cnn2d`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from microtome.config.networks import Cost, NetworkOptions, Odd
from microtome.config.section import option


class CNN2D(NetworkOptions):
    """2-D network in the layout of V-Net, on bands or RGB as channels."""

    LABEL: ClassVar = "2D CNN"
    name: Literal["cnn2d"] = option("cnn2d", "this network")
    kernel: Odd = option(5, "side of the kernels: 5 (13.3 M parameters at width 16), or 3 (5.0 M)")
    width: PositiveInt = option(16, "channels of the first stage; 16 in the paper")
    in_channels: PositiveInt = option(16, "bands or channels of an image; data.channels")
    classes: PositiveInt = option(
        2, "outputs: the number of data.classes, or of `outputs` with a loss by sigmoid"
    )

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        return Cost(2230 * (self.kernel * self.width) ** 2, 39.3 * self.width + self.in_channels)
