# SPDX-License-Identifier: MIT
"""Options of the phantom `he`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from microtome.config.phantoms._shared import LARGEST_TILE, Images, Part
from microtome.config.section import Section

Organ = Literal["breast", "kidney", "liver", "prostate", "bladder", "colon", "stomach", "lung", "brain"]


class HEPhantomData(Section):
    """H&E phantom: tiles of several organs and hospitals with known nuclei and stains."""

    CHANNELS: ClassVar = 3
    OBJECTS: ClassVar = True
    kind: Literal["he"] = Field("he", description="the simulator")
    seed: NonNegativeInt = Field(0, description="fixes every draw")
    size: Annotated[int, Field(ge=64, le=LARGEST_TILE)] = Field(256, description="side, pixels of 0.25 µm")
    difficulty: NonNegativeFloat = Field(
        1.0, description="0: clean, all hospitals alike; 1: like MoNuSeg 2018; above: harder"
    )
    touching: Annotated[float, Field(ge=0, le=1)] = Field(
        0.25, description="share of nuclei that are put against another, or partly under it"
    )
    hospitals: PositiveInt = Field(
        4, description="sites, each with its stains and scanner; the last is seen in test alone"
    )
    organs: tuple[Organ, ...] = Field(
        ("breast", "kidney", "prostate", "colon"), description="kinds of tissue, in turn; empty: all"
    )
    tiles: PositiveInt = Field(1, description="images of each patient; a patient has one hospital and organ")
    images: dict[Part, Images] = Field(
        {"train": 8, "val": 2, "test": 4}, description="images of each part, in order"
    )
    concentrations: bool = Field(False, description="whether the true stain concentrations are written too")
