# SPDX-License-Identifier: MIT
"""Options of each network. A model's `name` is the module in `microtome.networks` that builds it."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from microtome.config.base import Section

IMAGENET_SIZES = {"width": 64, "in_channels": 3}
"""Of the networks that the public ImageNet weights are for."""


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


class USENet(Section):
    """USE-Net: a residual encoder, with or without squeeze and excitation, and a U-Net decoder."""

    name: Literal["usenet"] = Field("usenet", description="this network")
    encoder: Literal["resnet18", "resnet34", "resnet50", "seresnet50"] = Field(
        "seresnet50", description="seresnet50 is the one called USE-Net: 35.0 M parameters at width 64"
    )
    width: PositiveInt = Field(64, description="channels of the first convolution; 64 in the paper")
    in_channels: PositiveInt = Field(3, description="channels of an image; data.channels")
    out_channels: PositiveInt = Field(2, description="sigmoid outputs: 1 for the mask, 2 for mask and marker")
    weights: str | None = Field(
        None,
        min_length=1,
        description="start of the encoder: null (random), imagenet (public weights; width 64, 3 channels) "
        "or a file with a state dictionary",
    )

    @field_validator("weights")
    @classmethod
    def _fits(cls, weights: str | None, info: ValidationInfo) -> str | None:
        """The public weights have one width and three channels."""
        others = [option for option, size in IMAGENET_SIZES.items() if info.data.get(option, size) != size]
        if weights == "imagenet" and others:
            kind, text = (
                "imagenet",
                "null or a file, as those need width {width} and in_channels {in_channels}",
            )
            raise PydanticCustomError(kind, text, IMAGENET_SIZES)
        return weights


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


Network = Annotated[UNet | USENet | Ciresan, Field(discriminator="name")]
WINDOW_NETWORKS = frozenset({"ciresan"})
