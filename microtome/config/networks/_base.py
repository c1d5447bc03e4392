# SPDX-License-Identifier: MIT
"""What the options of networks share."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, PositiveInt
from pydantic_core import PydanticCustomError

from microtome.config.section import Section


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


def _odd(side: int) -> int:
    """A kernel's padding is the same on both sides."""
    if side % 2 == 0:
        kind, text = "odd", "an odd number, such as 3 or 5"
        raise PydanticCustomError(kind, text)
    return side


Odd = Annotated[PositiveInt, AfterValidator(_odd)]


def divisible(bands: int, multiple: int) -> int:
    """Bands that can be halved at each lower resolution.

    Raises:
        PydanticCustomError: They cannot.
    """
    if bands % multiple:
        kind, text = "bands", "a multiple of {multiple}, as each lower resolution has half the bands"
        raise PydanticCustomError(kind, text, {"multiple": multiple})
    return bands
