# SPDX-License-Identifier: MIT
"""Options of each phantom. A model's `kind` is the module in `microtome.phantoms` that simulates it."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from microtome.config.section import Section

Part = Literal["train", "val", "test"]
Organ = Literal["breast", "kidney", "liver", "prostate", "bladder", "colon", "stomach", "lung", "brain"]
LARGEST_TILE = 4096
"""Pixels of a side; the nuclei of such a tile still fit 16-bit labels."""
Images = Annotated[int, Field(gt=0, le=100_000)]
"""Images of a part; their sheet is made with the DAG, so it has to end."""


class EMPhantomData(Section):
    """Electron-microscopy phantom: serial sections of neuropil with known membranes."""

    kind: Literal["em"] = Field("em", description="the simulator")
    seed: NonNegativeInt = Field(0, description="fixes every draw")
    size: PositiveInt = Field(256, description="pixels of a side")
    difficulty: NonNegativeFloat = Field(
        1.0, description="0: clean; 1: like the ISBI 2012 stack; above: harder"
    )
    block: PositiveInt = Field(2, description="neighbouring slices that stay in one part")
    slices: dict[Part, Images] = Field(
        {"train": 8, "val": 2, "test": 2}, description="slices of each part, in order"
    )


class HEPhantomData(Section):
    """H&E phantom: tiles of several organs and hospitals with known nuclei and stains."""

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


class CubePhantomData(Section):
    """Melanoma phantom: hyperspectral cubes of H&E-stained skin with references and known transmittance."""

    kind: Literal["cubes"] = Field("cubes", description="the simulator")
    seed: NonNegativeInt = Field(0, description="fixes every draw")
    size: Annotated[int, Field(ge=32, le=LARGEST_TILE)] = Field(
        128, description="side, pixels of 1 µm (10x) or 0.5 µm (20x)"
    )
    difficulty: NonNegativeFloat = Field(
        1.0, description="0: no look-alikes, every tumour cell pigmented; above 1: more of both, and noise"
    )
    fields: PositiveInt = Field(2, description="scenes of each patient, at 10x and 20x in turn")
    images: dict[Part, Images] = Field(
        {"train": 6, "val": 2, "test": 4}, description="scenes of each part, in order"
    )
    references: Literal["frames", "lines", "averages"] = Field(
        "frames", description="dark and blank cubes: whole frames, one line a band, or one value a band"
    )
    transmittance: bool = Field(False, description="whether the true transmittance is written too")


Phantom = Annotated[EMPhantomData | HEPhantomData | CubePhantomData, Field(discriminator="kind")]
