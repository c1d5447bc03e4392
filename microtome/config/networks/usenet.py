# SPDX-License-Identifier: MIT
"""Options of the network `usenet`."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from microtome.config.networks._base import NetworkOptions

IMAGENET_SIZES = {"width": 64, "in_channels": 3}
"""Of the networks that the public ImageNet weights are for."""


class USENet(NetworkOptions):
    """USE-Net: a residual encoder, with or without squeeze and excitation, and a U-Net decoder."""

    LABEL: ClassVar = "USE-Net"
    ENCODERS: ClassVar = {
        "resnet18": "ResNet-18",
        "resnet34": "ResNet-34",
        "resnet50": "ResNet-50",
        "seresnet50": "SE-ResNet-50",
    }
    """The encoders as tables and figures name them."""
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
