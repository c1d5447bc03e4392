# SPDX-License-Identifier: MIT
"""Options of the network `ciresan`."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from microtome.config.networks._base import NetworkOptions


class Ciresan(NetworkOptions):
    """Sliding-window networks of Ciresan et al. (NIPS 2012)."""

    LABEL: ClassVar = "Ciresan"
    OUTPUT: ClassVar = "softmax"
    WINDOWS: ClassVar = True
    name: Literal["ciresan"] = Field("ciresan", description="this network")
    variant: Literal["n4", "w65"] = Field(
        "n4", description="n4: 95-pixel window; w65: three 5x5 convolutions, 65 pixels"
    )
    activation: Literal["tanh", "relu"] = Field(
        "tanh", description="tanh is the scaled tanh of the MCDNN paper"
    )
    maps: PositiveInt = Field(48, description="feature maps of each convolution")
    hidden: PositiveInt = Field(200, description="units of the hidden fully connected layer")
    in_channels: PositiveInt = Field(1, description="channels of an image; data.channels")
    classes: PositiveInt = Field(2, description="outputs; the number of data.classes")
