# SPDX-License-Identifier: MIT
"""Options of the phantom `em`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from microtome.config.phantoms._shared import Images, Part
from microtome.config.section import Section


class EMPhantomData(Section):
    """Electron-microscopy phantom: serial sections of neuropil with known membranes."""

    CHANNELS: ClassVar = 1
    OBJECTS: ClassVar = False
    kind: Literal["em"] = Field("em", description="the simulator")
    seed: NonNegativeInt = Field(0, description="fixes every draw")
    size: Annotated[int, Field(ge=32)] = Field(256, description="pixels of a side")
    difficulty: NonNegativeFloat = Field(
        1.0, description="0: clean; 1: like the ISBI 2012 stack; above: harder"
    )
    block: PositiveInt = Field(2, description="neighbouring slices that stay in one part")
    slices: dict[Part, Images] = Field(
        {"train": 8, "val": 2, "test": 2}, description="slices of each part, in order"
    )
