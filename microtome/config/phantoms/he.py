# SPDX-License-Identifier: MIT
"""Options of the phantom `he`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from microtome.config.phantoms import LARGEST_TILE, Images, Part
from microtome.config.section import Probability, Section, option

Organ = Literal["breast", "kidney", "liver", "prostate", "bladder", "colon", "stomach", "lung", "brain"]


class HEPhantomData(Section):
    """H&E phantom: tiles of several organs and hospitals with known nuclei and stains."""

    CHANNELS: ClassVar = 3
    OBJECTS: ClassVar = True
    kind: Literal["he"] = option("he", "the simulator")
    seed: NonNegativeInt = option(0, "fixes every draw")
    size: Annotated[int, Field(ge=64, le=LARGEST_TILE)] = option(256, "side, pixels of 0.25 µm")
    difficulty: NonNegativeFloat = option(
        1.0, "0: clean, hospitals alike; 1: like MoNuSeg 2018; above: harder"
    )
    touching: Probability = option(0.25, "share of nuclei that are put against another, or partly under it")
    hospitals: PositiveInt = option(4, "sites, each with its stains and scanner; the last is in test alone")
    organs: tuple[Organ, ...] = option(
        ("breast", "kidney", "prostate", "colon"), "kinds of tissue, in turn; empty: all"
    )
    tiles: PositiveInt = option(1, "images of each patient; a patient has one hospital and organ")
    images: dict[Part, Images] = option({"train": 8, "val": 2, "test": 4}, "images of each part, in order")
    concentrations: bool = option(False, "whether the true stain concentrations are written too")
