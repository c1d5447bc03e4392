# SPDX-License-Identifier: MIT
"""Options of the network `cnn2d`."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from microtome.config.networks._base import NetworkOptions, Odd


class CNN2D(NetworkOptions):
    """2-D network in the layout of V-Net, on bands or RGB as channels."""

    LABEL: ClassVar = "2D CNN"
    OUTPUT: ClassVar = "softmax"
    CLASS_MAP: ClassVar = True
    name: Literal["cnn2d"] = Field("cnn2d", description="this network")
    kernel: Odd = Field(
        5,
        description="side of the kernels: 5 (13.3 M parameters at width 16), or 3 (5.0 M)",
    )
    width: PositiveInt = Field(16, description="channels of the first stage; 16 in the paper")
    in_channels: PositiveInt = Field(16, description="bands or channels of an image; data.channels")
    classes: PositiveInt = Field(2, description="outputs; the number of data.classes")
