# SPDX-License-Identifier: MIT
"""Options of each network, one file each."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, PositiveInt, ValidationInfo, field_validator

from microtome.config.section import Section, option, refuse
from microtome.registry import search_path

__path__ = search_path(__name__, __path__)


@dataclass(frozen=True)
class Cost:
    """What training a network takes, at most.

    Attributes:
        parameters: Numbers that are learnt.
        values: Numbers that the forward pass keeps for the backward pass, for each pixel of a window.
    """

    parameters: float
    values: float


class NetworkOptions(Section):
    """Options of a network, and what the workflow has to know of it.

    The option `out_channels` or `classes` is the number of its outputs; where a study does not say it, it is
    what classes, loss and `outputs` ask for (`microtome.config.outputs`). The loss says what makes
    probabilities of the logits.

    Attributes:
        WINDOWS: Whether it classifies the central pixel of a window.
        LABEL: Its name in tables and figures; empty: the entry's name.
    """

    WINDOWS: ClassVar[bool] = False
    LABEL: ClassVar[str] = ""

    @property
    def cost(self) -> Cost | None:
        """What training it takes, by which a job asks for memory; None: nothing is known of it."""
        return None

    @property
    def levels(self) -> int:
        """Logits that its `levels` gives, coarse to fine, each of them a prediction; 1: the result alone."""
        return 1

    @property
    def merges_levels(self) -> bool:
        """Whether the result is made of all levels, so that it is not the last of them."""
        return False


class VolumeOptions(NetworkOptions):
    """Options of a network that sees `bands` as depth, which it halves `RESOLUTIONS` - 1 times."""

    RESOLUTIONS: ClassVar[int]

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return self.bands

    @field_validator("bands", check_fields=False)
    @classmethod
    def _divides(cls, bands: int, info: ValidationInfo) -> int:
        multiple = 2 ** (info.data.get("resolutions", cls.RESOLUTIONS) - 1)
        if bands % multiple:
            refuse(f"a multiple of {multiple}, as each lower resolution has half the bands")
        return bands


IMAGENET, IF_INSTALLED = "imagenet", "imagenet_if_installed"
"""Words for the public weights: needed, or taken where they are at hand."""
IMAGENET_ENCODERS = {
    "resnet18": 64,
    "resnet34": 64,
    "resnet50": 64,
    "seresnet50": 64,
    "efficientnet_lite0": 32,
}
"""The encoders of which there are public weights, and the width that these are for."""
IMAGENET_CHANNELS = 3


def _fits(weights: str, info: ValidationInfo) -> str:
    """The public weights are of some encoders, and have one width of each and three channels."""
    if weights not in (IMAGENET, IF_INSTALLED) or "encoder" not in info.data:  # its own fault is told first
        return weights
    encoder = info.data["encoder"]
    if encoder not in IMAGENET_ENCODERS:
        refuse(f"null or a file, as there are public weights of {', '.join(IMAGENET_ENCODERS)} alone")
    sizes = {"width": IMAGENET_ENCODERS[encoder], "in_channels": IMAGENET_CHANNELS}
    if any(info.data.get(option, size) != size for option, size in sizes.items()):
        needed = " and ".join(f"{option} {size}" for option, size in sizes.items())
        refuse(f"null or a file, as those need {needed}")
    return weights


EncoderWeights = Annotated[str, Field(min_length=1), AfterValidator(_fits)] | None
"""Of an option `weights` that stands below `encoder`, `width` and `in_channels`."""
ENCODER_WEIGHTS = option(
    None,
    "start of the encoder: null (random), imagenet (public weights of 3 channels; width 64, "
    "efficientnet_lite0: 32, from an optional package), imagenet_if_installed (as imagenet where they are at "
    "hand, never downloaded, else random: the card says which) or a file with a state dictionary",
)


def _odd(side: int) -> int:
    """A kernel's padding is the same on both sides."""
    if side % 2 == 0:
        refuse("an odd number, such as 3 or 5")
    return side


Odd = Annotated[PositiveInt, AfterValidator(_odd)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
