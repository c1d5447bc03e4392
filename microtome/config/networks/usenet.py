# SPDX-License-Identifier: MIT
"""Options of the network `usenet`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt, ValidationInfo, field_validator

from microtome.config.networks import NetworkOptions
from microtome.config.section import option, refuse

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
    name: Literal["usenet"] = option("usenet", "this network")
    encoder: Literal["resnet18", "resnet34", "resnet50", "seresnet50"] = option(
        "seresnet50", "seresnet50 is the one called USE-Net: 35.0 M parameters at width 64"
    )
    width: PositiveInt = option(64, "channels of the first convolution; 64 in the paper")
    in_channels: PositiveInt = option(3, "channels of an image; data.channels")
    out_channels: PositiveInt = option(
        2, "outputs: 1 for the mask, 2 for mask and marker, or by softmax the number of data.classes"
    )
    weights: str | None = option(
        None,
        "start of the encoder: null (random), imagenet (public weights; width 64, 3 channels) "
        "or a file with a state dictionary",
        min_length=1,
    )

    @field_validator("weights")
    @classmethod
    def _fits(cls, weights: str | None, info: ValidationInfo) -> str | None:
        """The public weights have one width and three channels."""
        others = [option for option, size in IMAGENET_SIZES.items() if info.data.get(option, size) != size]
        if weights == "imagenet" and others:
            sizes = " and ".join(f"{option} {size}" for option, size in IMAGENET_SIZES.items())
            refuse(f"null or a file, as those need {sizes}")
        return weights
