# SPDX-License-Identifier: MIT
"""Options of the network `ciresan`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from microtome.config.networks import NetworkOptions
from microtome.config.section import option


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
