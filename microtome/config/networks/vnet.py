# SPDX-License-Identifier: MIT
"""Options of the network `vnet`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt, field_validator

from microtome.config.networks._base import NetworkOptions, Odd, divisible
from microtome.config.section import option

MULTIPLE = 16


class VNet(NetworkOptions):
    """V-Net on the bands as depth, the comparison of Hyper-net."""

    LABEL: ClassVar = "V-net"
    OUTPUT: ClassVar = "softmax"
    CLASS_MAP: ClassVar = True
    name: Literal["vnet"] = option("vnet", "this network")
    kernel: Odd = option(5, "side of the kernels: 5 (65.2 M parameters at width 16), or 3 (14.7 M)")
    width: PositiveInt = option(16, "channels of the first stage; 16 in the paper")
    bands: PositiveInt = option(16, "bands of an image, a multiple of 16; data.channels")
    classes: PositiveInt = option(2, "outputs; the number of data.classes")

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return self.bands

    @field_validator("bands")
    @classmethod
    def _divides(cls, bands: int) -> int:
        """Bands are halved four times."""
        return divisible(bands, MULTIPLE)
