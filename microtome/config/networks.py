# SPDX-License-Identifier: MIT
"""Options of each network. A model's `name` is the module in `microtome.networks` that builds it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from microtome.config.section import Section

IMAGENET_SIZES = {"width": 64, "in_channels": 3}
"""Of the networks that the public ImageNet weights are for."""
VNET_MULTIPLE = 16
ODD = ("odd", "an odd number, such as 3 or 5")
RESOLUTIONS = ("resolutions", "4 with variant alldual or dual parallel, which need two blocks at the lowest")
BANDS = ("bands", "a multiple of {multiple}, as each lower resolution has half the bands")


def _odd(side: int) -> int:
    """A kernel's padding is the same on both sides."""
    if side % 2 == 0:
        raise PydanticCustomError(*ODD)
    return side


Odd = Annotated[PositiveInt, AfterValidator(_odd)]


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


class HyperNet(Section):
    """Hyper-net: a residual 3-D network with a dilated path, and its ablations."""

    name: Literal["hypernet"] = Field("hypernet", description="this network")
    variant: Literal["proposed", "alldual", "alldilated", "maxpool"] = Field(
        "proposed", description="proposed: 5.2 M parameters at width 16; the others are its ablations"
    )
    dual: Literal["serial", "parallel"] = Field(
        "serial", description="whether the dilated block follows the standard one or both see the same input"
    )
    resolutions: Literal[4, 5] = Field(
        4,
        description="4: the first decoder block does not up-sample; 5: down-sampling before block 5 too",
    )
    dilated: Literal["all", "last"] = Field(
        "all", description="which convolutions of a dilated block are dilated"
    )
    dilation: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (1, 2, 2), description="along bands, rows and columns"
    )
    kernel: Odd = Field(3, description="side of the blocks' kernels: 3, or 5 as in V-Net")
    convs: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt] = Field(
        (1, 2, 3, 3, 3), description="convolutions of each encoder block"
    )
    decoder_convs: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = Field(
        (3, 3, 2, 1), description="convolutions of each decoder block, the lowest resolution first"
    )
    upsampling: Literal["trilinear", "nearest"] = Field("trilinear", description="kind of up-sampling")
    up_kernel: Odd = Field(3, description="side of the kernel after up-sampling: 3 or 1")
    head_kernel: Odd = Field(1, description="side of the last, 2-D kernel: 1 or 3")
    width: PositiveInt = Field(16, description="channels of the highest resolution; 16 in the paper")
    bands: PositiveInt = Field(16, description="bands of an image, a multiple of 8; data.channels")
    classes: PositiveInt = Field(2, description="outputs; the number of data.classes")

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return self.bands

    @field_validator("resolutions")
    @classmethod
    def _paired(cls, resolutions: int, info: ValidationInfo) -> int:
        """Of five resolutions, the lowest has one block."""
        if resolutions > 4 and (info.data.get("variant") == "alldual" or info.data.get("dual") == "parallel"):
            raise PydanticCustomError(*RESOLUTIONS)
        return resolutions

    @field_validator("bands")
    @classmethod
    def _divides(cls, bands: int, info: ValidationInfo) -> int:
        """Bands are halved at each lower resolution."""
        multiple = 2 ** (info.data.get("resolutions", 4) - 1)
        if bands % multiple:
            raise PydanticCustomError(*BANDS, {"multiple": multiple})
        return bands


class VNet(Section):
    """V-Net on the bands as depth, the comparison of Hyper-net."""

    name: Literal["vnet"] = Field("vnet", description="this network")
    kernel: Odd = Field(
        5,
        description="side of the kernels: 5 (65.2 M parameters at width 16), or 3 (14.7 M)",
    )
    width: PositiveInt = Field(16, description="channels of the first stage; 16 in the paper")
    bands: PositiveInt = Field(16, description="bands of an image, a multiple of 16; data.channels")
    classes: PositiveInt = Field(2, description="outputs; the number of data.classes")

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return self.bands

    @field_validator("bands")
    @classmethod
    def _divides(cls, bands: int) -> int:
        """Bands are halved four times."""
        if bands % VNET_MULTIPLE:
            raise PydanticCustomError(*BANDS, {"multiple": VNET_MULTIPLE})
        return bands


class CNN2D(Section):
    """2-D network in the layout of V-Net, on bands or RGB as channels."""

    name: Literal["cnn2d"] = Field("cnn2d", description="this network")
    kernel: Odd = Field(
        5,
        description="side of the kernels: 5 (13.3 M parameters at width 16), or 3 (5.0 M)",
    )
    width: PositiveInt = Field(16, description="channels of the first stage; 16 in the paper")
    in_channels: PositiveInt = Field(16, description="bands or channels of an image; data.channels")
    classes: PositiveInt = Field(2, description="outputs; the number of data.classes")


Network = Annotated[UNet | USENet | Ciresan | HyperNet | VNet | CNN2D, Field(discriminator="name")]
WINDOW_NETWORKS = frozenset({"ciresan"})
CLASS_MAP_NETWORKS = frozenset({"hypernet", "vnet", "cnn2d"})
"""Networks whose prediction is a probability map for each class, which sum to 1."""
SOFTMAX_NETWORKS = WINDOW_NETWORKS | CLASS_MAP_NETWORKS
