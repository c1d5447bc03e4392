# SPDX-License-Identifier: MIT
"""Options of the network `unet`."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from microtome.config.networks._base import NetworkOptions


class UNet(NetworkOptions):
    """U-Net of the thesis."""

    LABEL: ClassVar = "U-Net"
    name: Literal["unet"] = Field("unet", description="this network")
    variant: Literal["tutorial", "classic"] = Field(
        "tutorial",
        description="tutorial: 23.4 M parameters at width 64; classic: two convolutions per stage, 31.0 M",
    )
    width: PositiveInt = Field(64, description="channels of the first stage")
    in_channels: PositiveInt = Field(1, description="channels of an image; data.channels")
    out_channels: PositiveInt = Field(1, description="sigmoid outputs")
