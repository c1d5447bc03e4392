# SPDX-License-Identifier: MIT
"""The sample sheet of the slide phantom: part, patient, growth type and file of each slide."""

from dataclasses import dataclass
from typing import get_args

from microtome.config.phantoms.slides import SlidePart, SlidePhantomData
from microtome.phantoms._rows import Row

GROWTHS = ("nodular", "sclerodermiform", "superficial", "none")
"""How the tumour of a slide grows; a part begins with the first."""
NONE = GROWTHS[-1]
SUFFIXES = {"tiff": "tif", "svs": "svs", "scn": "scn"}
WEAK = "weak"
PARTS = {"train": "train", "val": "val", WEAK: "val", "test": "test"}


@dataclass(frozen=True)
class SectionPlan:
    """What a section holds."""

    number: int  # its place on the slide, from 0
    growth: str  # of its tumour, `none` where it has no
    look_alikes: bool  # whether follicles, cysts or keratosis are in it


@dataclass(frozen=True)
class Slide:
    """One slide of the options."""

    number: int  # its place in the phantom, from 0
    part: str  # `train`, `val` or `test`
    annotated: bool  # whether it has annotations beside the labels of its sections
    patient: str  # whose skin it is
    growth: str  # one of `GROWTHS`
    format: str  # `tiff`, `svs` or `scn`
    sections: tuple[SectionPlan, ...]

    @property
    def sample(self) -> str:
        """Name of the slide in the sample sheet."""
        return f"slide-{self.number:03d}"

    @property
    def file(self) -> str:
        """Path of the slide below the phantom's folder."""
        return f"slides/{self.number:03d}.{SUFFIXES[self.format]}"

    @property
    def annotations(self) -> str:
        """Path of its annotations."""
        return f"annotations/{self.number:03d}.geojson"

    @property
    def boxes(self) -> str:
        """Path of its section boxes with labels."""
        return f"sections/{self.number:03d}.geojson"


def rows(options: SlidePhantomData) -> list[Row]:
    """Slides in order, parts in order.

    Example:
        >>> found = rows(SlidePhantomData(slides={"train": 1, "val": 1, "weak": 1}))
        >>> [(row["part"], row["label"]) for row in found]
        [('train', 'annotations/000.geojson'), ('val', 'annotations/001.geojson'), ('val', None)]
    """
    return [
        {
            "sample": slide.sample,
            "image": slide.file,
            "label": slide.annotations if slide.annotated else None,
            "unit": slide.patient,
            "group": slide.growth,
            "part": slide.part,
            "mpp": options.mpp,
            "sections": slide.boxes,
        }
        for slide in slides(options)
    ]


def slides(options: SlidePhantomData) -> list[Slide]:
    """Which part, patient, growth type and sections each slide of the phantom has.

    Growth types go round in each part; the slides of val that have annotations come first. Train and val
    have annotations. A patient is in one part only.

    Example:
        >>> found = slides(SlidePhantomData())
        >>> [slide.growth for slide in found if slide.part == "val"]
        ['nodular', 'sclerodermiform', 'superficial', 'none']
    """
    made: list[Slide] = []
    turns = dict.fromkeys(PARTS.values(), 0)
    patient = -1
    for listed in get_args(SlidePart):
        part = PARTS[listed]
        for place in range(options.slides.get(listed, 0)):
            patient += place % options.patients == 0
            number, growth = len(made), GROWTHS[turns[part] % len(GROWTHS)]
            turns[part] += 1
            file_format = options.formats[number % len(options.formats)]
            holds = _sections(options, number, growth)
            name = f"patient-{patient:03d}"
            made.append(Slide(number, part, listed in ("train", "val"), name, growth, file_format, holds))
    return made


def _sections(options: SlidePhantomData, number: int, growth: str) -> tuple[SectionPlan, ...]:
    """Every second section has the slide's tumour; of the others every second has look-alikes."""
    plans = []
    for place in range(options.sections):
        tumour = growth != NONE and place % 2 == 0
        without = (place // 2 + number) % 2 == 0 if growth != NONE else place % 2 == 1
        plans.append(SectionPlan(place, growth if tumour else NONE, tumour or not without))
    return tuple(plans)
