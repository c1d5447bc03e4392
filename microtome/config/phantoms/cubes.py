# SPDX-License-Identifier: MIT
"""Options of the phantom `cubes`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from microtome.config.phantoms import LARGEST_TILE, Images, Part
from microtome.config.section import Section, option


class CubePhantomData(Section):
    """Melanoma phantom: hyperspectral cubes of H&E-stained skin with references and known transmittance."""

    CHANNELS: ClassVar = 3
    OBJECTS: ClassVar = False
    kind: Literal["cubes"] = option("cubes", "the simulator")
    seed: NonNegativeInt = option(0, "fixes every draw")
    size: Annotated[int, Field(ge=32, le=LARGEST_TILE)] = option(128, "side, pixels of `mpp`")
    mpp: tuple[PositiveFloat, PositiveFloat] = option(
        (1.0, 0.5), "micrometres per pixel at 10x and at 20x; cells are 9 to 15 µm apart"
    )
    light: Literal["instrument", "flat"] = option(
        "instrument",
        "what the camera gets of a clear field. instrument: most from 670 to 782.5 nm, so that bands 16 to "
        "31 tell most; flat: as much in each band, so that a choice of bands follows from the tissue alone",
    )
    difficulty: NonNegativeFloat = option(
        1.0, "0: no look-alikes, every tumour cell pigmented; above 1: more of both, and noise"
    )
    fields: PositiveInt = option(2, "scenes of each patient, at 10x and 20x in turn")
    images: dict[Part, Images] = option({"train": 6, "val": 2, "test": 4}, "scenes of each part, in order")
    references: Literal["frames", "lines", "averages"] = option(
        "frames", "dark and blank cubes: whole frames, one line a band, or one value a band"
    )
    transmittance: bool = option(False, "whether the true transmittance is written too")
