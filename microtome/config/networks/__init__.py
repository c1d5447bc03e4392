# SPDX-License-Identifier: MIT
"""Options of each network, one file each."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, PositiveInt, ValidationInfo, field_validator

from microtome.config.section import Section, refuse
from microtome.registry import search_path

__path__ = search_path(__name__, __path__)


class NetworkOptions(Section):
    """Options of a network, and what the workflow has to know of it.

    Attributes:
        OUTPUT: What makes probabilities of its logits: `sigmoid`, each output by itself, or `softmax`.
        WINDOWS: Whether it classifies the central pixel of a window.
        CLASS_MAP: Whether its prediction is a probability map for each class, which sum to 1.
        LABEL: Its name in tables and figures; empty: the entry's name.
    """

    OUTPUT: ClassVar[Literal["sigmoid", "softmax"]] = "sigmoid"
    WINDOWS: ClassVar[bool] = False
    CLASS_MAP: ClassVar[bool] = False
    LABEL: ClassVar[str] = ""


class VolumeOptions(NetworkOptions):
    """Options of a network that sees `bands` as depth, which it halves `RESOLUTIONS` - 1 times."""

    OUTPUT: ClassVar = "softmax"
    CLASS_MAP: ClassVar = True
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


def _odd(side: int) -> int:
    """A kernel's padding is the same on both sides."""
    if side % 2 == 0:
        refuse("an odd number, such as 3 or 5")
    return side


Odd = Annotated[PositiveInt, AfterValidator(_odd)]
