# SPDX-License-Identifier: MIT
"""Options of the network `vnet`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from microtome.config.networks import Cost, Odd, VolumeOptions
from microtome.config.section import option


class VNet(VolumeOptions):
    """V-Net on the bands as depth, the comparison of Hyper-net."""

    LABEL: ClassVar = "V-net"
    RESOLUTIONS: ClassVar = 5
    name: Literal["vnet"] = option("vnet", "this network")
    kernel: Odd = option(5, "side of the kernels: 5 (65.2 M parameters at width 16), or 3 (14.7 M)")
    width: PositiveInt = option(16, "channels of the first stage; 16 in the paper")
    bands: PositiveInt = option(16, "bands of an image, a multiple of 16; data.channels")
    classes: PositiveInt = option(
        2, "outputs: the number of data.classes, or of `outputs` with a loss by sigmoid"
    )

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        return Cost(2150 * self.kernel**3 * self.width**2, self.bands * (22.1 * self.width + 3))
