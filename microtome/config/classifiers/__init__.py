# SPDX-License-Identifier: MIT
"""Options of pixel classifiers, one file each: methods that are fitted to spectra at once, without epochs."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, PositiveInt

from microtome.config.section import Section, option, refuse
from microtome.registry import search_path

__path__ = search_path(__name__, __path__)


def _odd(side: int) -> int:
    """A neighbourhood has a pixel in its middle."""
    if side % 2 == 0:
        refuse("an odd number, such as 1, 3 or 5")
    return side


Neighbourhood = Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]


class ClassifierOptions(Section):
    """Options that every pixel classifier has.

    Attributes:
        LABEL: Its name in tables and figures; empty: the entry's name.
    """

    LABEL: ClassVar[str] = ""
    neighbourhood: Neighbourhood = option(
        1, "side of the square around a pixel that is looked at, pixels; 1: its own spectrum alone"
    )
    pixels: PositiveInt = option(
        4000, "labelled pixels that are drawn from each training image, at random, at most"
    )
