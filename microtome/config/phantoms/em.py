# SPDX-License-Identifier: MIT
"""Options of the phantom `em`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from microtome.config.phantoms import Images, Part
from microtome.config.section import Section, option


class EMPhantomData(Section):
    """Electron-microscopy phantom: serial sections of neuropil with known membranes."""

    CHANNELS: ClassVar = 1
    OBJECTS: ClassVar = False
    kind: Literal["em"] = option("em", "the simulator")
    seed: NonNegativeInt = option(0, "fixes every draw")
    size: Annotated[int, Field(ge=32)] = option(256, "pixels of a side")
    difficulty: NonNegativeFloat = option(1.0, "0: clean; 1: like the ISBI 2012 stack; above: harder")
    block: PositiveInt = option(2, "neighbouring slices that stay in one part")
    slices: dict[Part, Images] = option({"train": 8, "val": 2, "test": 2}, "slices of each part, in order")
