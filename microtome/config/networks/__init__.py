# SPDX-License-Identifier: MIT
"""Options of each network, one file each."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, PositiveInt, ValidationInfo, field_validator

from microtome.config.section import Section, refuse
from microtome.registry import search_path

__path__ = search_path(__name__, __path__)


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


def _odd(side: int) -> int:
    """A kernel's padding is the same on both sides."""
    if side % 2 == 0:
        refuse("an odd number, such as 3 or 5")
    return side


Odd = Annotated[PositiveInt, AfterValidator(_odd)]
