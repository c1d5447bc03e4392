# SPDX-License-Identifier: MIT
"""Options of the phantom `mosaics`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from microtome.config.phantoms import LARGEST_TILE, Images, Part
from microtome.config.section import Section, option

LabelFormat = Literal["png", "tiff", "nrrd", "mat"]
LARGEST_CLINICS = 26


class MosaicPhantomData(Section):
    """Mosaic phantom: confocal mosaics of the dermal-epidermal junction, six patterns, partial labels."""

    CHANNELS: ClassVar = 1
    OBJECTS: ClassVar = False
    kind: Literal["mosaics"] = option("mosaics", "the simulator")
    seed: NonNegativeInt = option(0, "fixes every draw")
    size: Annotated[int, Field(ge=128, le=LARGEST_TILE)] = option(
        384, "pixels of the longer side; every second mosaic is an eighth narrower than it is high"
    )
    mpp: Annotated[float, Field(ge=0.5, le=4)] = option(2.0, "micrometres per pixel; the tissue stays alike")
    difficulty: NonNegativeFloat = option(
        1.0,
        "0: patterns are pure up to their borders, clinics alike; above 1: wider transitions, more deformed "
        "meshwork, clinics further apart, more speckle",
    )
    labelled: Annotated[float, Field(ge=0.01, le=1)] = option(
        0.58, "share of the pixels that readers labelled"
    )
    europe: Annotated[int, Field(gt=0, le=LARGEST_CLINICS)] = option(
        2, "clinics of the parts train and val of scenario 2"
    )
    us: Annotated[int, Field(gt=0, le=LARGEST_CLINICS)] = option(4, "clinics of its part test")
    of_patient: PositiveInt = option(2, "mosaics of each patient")
    formats: Annotated[tuple[LabelFormat, ...], Field(min_length=1)] = option(
        ("png", "tiff", "nrrd", "mat"), "files of the labels, in turn: PNG, TIFF, NRRD, MATLAB 5"
    )
    mosaics: dict[Part, Images] = option(
        {"train": 8, "val": 4, "test": 8}, "mosaics of each part of scenario 2, in order"
    )
