# SPDX-License-Identifier: MIT
"""Options of the network `ciresan`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from microtome.config.networks import Cost, NetworkOptions
from microtome.config.section import option

SIDES = {"n4": 95, "w65": 65}
"""Pixels of a side of the windows of each variant."""


class Ciresan(NetworkOptions):
    """Sliding-window networks of Ciresan et al. (NIPS 2012)."""

    LABEL: ClassVar = "Ciresan"
    WINDOWS: ClassVar = True
    name: Literal["ciresan"] = option("ciresan", "this network")
    variant: Literal["n4", "w65"] = option("n4", "n4: window of 95 pixels; w65: three 5x5 convolutions, 65")
    activation: Literal["tanh", "relu"] = option(
        "tanh", "tanh: scaled, as recalled from the MCDNN paper, not checked"
    )
    maps: PositiveInt = option(48, "feature maps of each convolution")
    hidden: PositiveInt = option(200, "units of the hidden fully connected layer")
    in_channels: PositiveInt = option(1, "channels of an image; data.channels")
    classes: PositiveInt = option(2, "outputs; the number of data.classes")

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        of_maps, left = (58, 9) if self.variant == "n4" else (51, 16)
        parameters = self.maps * (of_maps * self.maps + left * self.hidden + 40) + 5 * self.hidden
        return Cost(parameters, 2.4 * self.maps + self.in_channels + 1)

    @property
    def side(self) -> int:
        """Side of a window, pixels."""
        return SIDES[self.variant]
