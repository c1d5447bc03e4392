# SPDX-License-Identifier: MIT
"""Options of the phantom `slides`."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from microtome.config.phantoms import Images
from microtome.config.section import Section, option, refuse

SlidePart = Literal["train", "val", "weak", "test"]
"""`weak`: slides of val that have labels of sections alone."""
SlideFormat = Literal["tiff", "svs", "scn"]
Micrometres = Annotated[float, Field(ge=900, le=60_000)]
Place = tuple[float, float, float, float]
GAP = 300.0
"""Micrometres between the places of neighbouring sections, and at the border of the slide."""
SMALLEST = 300.0
LARGEST = (4500.0, 8000.0)
"""Height and width of the place of a section, µm; their tissue is laid out in memory."""
ASPECT = 1.5


class SlidePhantomData(Section):
    """Slide phantom: skin sections with basal-cell carcinoma, look-alikes, annotations and section boxes."""

    CHANNELS: ClassVar = 3
    OBJECTS: ClassVar = False
    kind: Literal["slides"] = option("slides", "the simulator")
    seed: NonNegativeInt = option(0, "fixes every draw")
    height: Micrometres = option(2000.0, "of the scanned area, µm")
    width: Micrometres = option(3600.0, "of the scanned area, µm")
    mpp: Annotated[float, Field(ge=0.1, le=8)] = option(
        0.5, "micrometres per pixel of the scan; the tissue stays the same"
    )
    difficulty: NonNegativeFloat = option(
        1.0, "0: look-alikes differ from tumour, stains are alike; above 1: more look-alikes, and more alike"
    )
    sections: Annotated[int, Field(gt=0, le=24)] = option(2, "sections of each slide")
    patients: PositiveInt = option(1, "slides of each patient")
    formats: Annotated[tuple[SlideFormat, ...], Field(min_length=1)] = option(
        ("tiff", "svs", "scn"), "files of the slides, in turn: pyramidal TIFF, Aperio SVS, Leica SCN"
    )
    slides: dict[SlidePart, Images] = option(
        {"train": 4, "val": 2, "weak": 2, "test": 4},
        "slides of each part; `weak`: further ones of val, without annotations",
    )

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        height, width = self._place_of(self._rows)
        if min(height, width) < SMALLEST:
            refuse(
                f"{SMALLEST:g} µm or more for each section and {GAP:g} between them, where height and width "
                f"leave {height:.0f} x {width:.0f}"
            )
        return self

    @property
    def places(self) -> list[Place]:
        """Top, left, height and width (µm) of the place of each section, in reading order.

        Example:
            >>> SlidePhantomData(height=2000, width=3600).places
            [(300.0, 300.0, 1400.0, 1350.0), (300.0, 1950.0, 1400.0, 1350.0)]
        """
        rows = self._rows
        height, width = self._place_of(rows)
        at = [divmod(number, -(-self.sections // rows)) for number in range(self.sections)]
        size = (min(height, LARGEST[0]), min(width, LARGEST[1]))
        return [(GAP + row * (height + GAP), GAP + column * (width + GAP), *size) for row, column in at]

    @property
    def _rows(self) -> int:
        """As many as make the places nearest to three by two."""
        return min(range(1, self.sections + 1), key=lambda rows: self._unlike(*self._place_of(rows)))

    def _place_of(self, rows: int) -> tuple[float, float]:
        columns = -(-self.sections // rows)
        return (self.height - GAP) / rows - GAP, (self.width - GAP) / columns - GAP

    def _unlike(self, height: float, width: float) -> float:
        return abs(width / height - ASPECT) if height > 0 else float("inf")
