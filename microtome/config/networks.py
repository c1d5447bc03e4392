# SPDX-License-Identifier: MIT
"""Options of each network. A model's `name` is the module in `microtome.networks` that builds it."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from microtome.config.base import Section


class UNet(Section):
    """U-Net of the thesis."""

    name: Literal["unet"] = Field("unet", description="this network")
    variant: Literal["tutorial", "classic"] = Field(
        "tutorial",
        description="tutorial: 23.4 M parameters at width 64; classic: two convolutions per stage, 31.0 M",
    )
    width: PositiveInt = Field(64, description="channels of the first stage")
    in_channels: PositiveInt = Field(1, description="channels of an image; data.channels")
    out_channels: PositiveInt = Field(1, description="sigmoid outputs")


class Ciresan(Section):
    """Sliding-window networks of Ciresan et al. (NIPS 2012)."""

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


Network = Annotated[UNet | Ciresan, Field(discriminator="name")]
WINDOW_NETWORKS = frozenset({"ciresan"})
