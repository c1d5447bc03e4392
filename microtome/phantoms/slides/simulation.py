# SPDX-License-Identifier: MIT
"""Slide phantom: sections of skin, some with basal-cell carcinoma, as scanners store them.

In the manner of the slides of Le'Clerc Arrastia et al. 2021 (doi:10.3390/jimaging7040071): several sections a
slide, tumours of three growth types, loose stroma around them, hair follicles, cysts and actinic keratosis
that look like tumour, pen and dust. The truth is the outline of each nest, which is annotated whole as
*Tumornest*; *Stroma* and *Normal* are annotated in part; each section has a box and a label.

All lengths are µm: slides scanned with other pixels show the same tissue.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import Polygon

from microtome.config.phantoms.slides import SlidePhantomData
from microtome.phantoms.he.staining import Hospital, hospitals
from microtome.phantoms.slides import look_alikes, outlines, slide_files
from microtome.phantoms.slides.lattice import Field, outside
from microtome.phantoms.slides.marks import draw_marks
from microtome.phantoms.slides.rendering import STROMA, Stained, stain
from microtome.phantoms.slides.scanning import Glass, scan_tile
from microtome.phantoms.slides.sheet import NONE, SectionPlan, Slide, slides
from microtome.phantoms.slides.skin import Skin, grow_skin
from microtome.phantoms.slides.tumours import grow_nests

FOR_HOSPITALS, FOR_SECTIONS, FOR_MARKS, FOR_SCANS = range(4)
"""What a stream of random numbers is for, so that further slides and sections change no other."""
HOSPITALS = 5
PHOTONS = 4  # times those of a single field, as scanners of slides have
BOX_MARGIN = 25.0  # of a section's box, µm
PARTIAL = 0.7  # share of the outlines of Stroma and Normal that are annotated
TUMORNEST, STROMA_CLASS, NORMAL = "Tumornest", "Stroma", "Normal"
LABELS = {True: "Tumor", False: "Normal"}


@dataclass(frozen=True, eq=False)
class Section:
    """A section and its truth, polygons in µm of the slide (x, y).

    Attributes:
        plan: What it was to hold.
        stained: What a scanner sees.
        tissue: Its outline.
        nests: Outlines of all nests.
        stroma: Outlines of the loose stroma around nests.
        normal: Outlines of look-alikes.
        annotated: Which of `stroma`, then of `normal`, are annotated.
    """

    plan: SectionPlan
    stained: Stained
    tissue: tuple[Polygon, ...]
    nests: tuple[Polygon, ...]
    stroma: tuple[Polygon, ...]
    normal: tuple[Polygon, ...]
    annotated: tuple[tuple[Polygon, ...], tuple[Polygon, ...]]

    @property
    def label(self) -> str:
        """`Tumor` or `Normal`."""
        return LABELS[bool(self.nests)]

    @property
    def box(self) -> Polygon:
        """Its box with a margin."""
        left, top, right, bottom = Polygon.union(self.tissue[0], self.tissue[-1]).bounds
        return outlines.rectangle(
            top - BOX_MARGIN, left - BOX_MARGIN, bottom + BOX_MARGIN, right + BOX_MARGIN
        )


def simulate(settings: SlidePhantomData, slide: Slide) -> tuple[Section, ...]:
    """The sections of a slide, of :func:`microtome.phantoms.slides.sheet.slides`, with their truth.

    Example:
        >>> settings = SlidePhantomData(height=1000, width=1200, sections=1)
        >>> (section,) = simulate(settings, slides(settings)[0])
        >>> section.label, len(section.nests) > 0
        ('Tumor', True)
    """
    places = settings.places
    return tuple(
        _section(settings, slide, plan, place) for plan, place in zip(slide.sections, places, strict=True)
    )


def _section(
    settings: SlidePhantomData, slide: Slide, plan: SectionPlan, place: tuple[float, ...]
) -> Section:
    rng = np.random.default_rng([settings.seed, FOR_SECTIONS, slide.number, plan.number])
    skin = grow_skin(place, rng)
    nests = outside(skin.frame) if plan.growth == NONE else grow_nests(skin, plan.growth, rng)
    others = look_alikes.grow_look_alikes(
        skin, nests, settings.difficulty, all_kinds=plan.look_alikes, rng=rng
    )
    stained = stain(skin, nests, others, settings.difficulty, rng)
    frame = skin.frame
    stroma = tuple(outlines.outlines(frame, _stroma(skin, nests), 20 * outlines.SMALLEST))
    normal = tuple(outlines.outlines(frame, others.whole, 4 * outlines.SMALLEST))
    return Section(
        plan=plan,
        stained=stained,
        tissue=tuple(outlines.outlines(frame, skin.inside, 100 * outlines.SMALLEST)),
        nests=tuple(outlines.outlines(frame, nests)),
        stroma=stroma,
        normal=normal,
        annotated=(_some(stroma, rng), _some(normal, rng)),
    )


def _stroma(skin: Skin, nests: Field) -> Field:
    around = np.minimum(nests + STROMA, -nests)
    return np.minimum(np.minimum(around, skin.frame.depth - skin.floor), skin.inside - 4)


def _some(shapes: tuple[Polygon, ...], rng: np.random.Generator) -> tuple[Polygon, ...]:
    """The share of the outlines that somebody annotated, at least one."""
    if not shapes:
        return ()
    kept = rng.random(len(shapes)) < PARTIAL
    kept[rng.integers(len(shapes))] = True
    return tuple(shape for shape, keep in zip(shapes, kept, strict=True) if keep)


def mount(settings: SlidePhantomData, slide: Slide, sections: tuple[Section, ...]) -> Glass:
    """The slide with its sections, pen strokes and dust, before it is scanned."""
    rng = np.random.default_rng([settings.seed, FOR_MARKS, slide.number])
    places = settings.places
    return Glass(
        shape=slide_files.scanned_shape(settings.height, settings.width, settings.mpp),
        mpp=settings.mpp,
        sections=tuple(section.stained for section in sections),
        marks=draw_marks(settings.height, settings.width, places, rng),
        hospital=_hospital(settings, slide),
        seed=(settings.seed, FOR_SCANS, slide.number),
    )


def _hospital(settings: SlidePhantomData, slide: Slide) -> Hospital:
    """The stains of a slide; lens and shade are left to the scan, whose tiles have to fit."""
    rng = np.random.default_rng([settings.seed, FOR_HOSPITALS])
    drawn = hospitals(HOSPITALS, settings.difficulty, rng)[slide.number % HOSPITALS]
    return replace(drawn, shading=0.0, blur=0.0, quality=0, photons=PHOTONS * drawn.photons)


def files(settings: SlidePhantomData) -> Iterator[tuple[str, Any]]:
    """Simulate the slides and name the file of each.

    Yields:
        For each slide `slides/NNN.tif`, `.svs` or `.scn` with a function that writes it, where it is
        annotated `annotations/NNN.geojson`, and `sections/NNN.geojson`; last `truth.json` with the outlines'
        areas (µm²) and what each section holds. Outlines are in pixels of the slide, from the upper left
        corner of what is scanned.
    """
    described = []
    for slide in slides(settings):
        sections = simulate(settings, slide)
        yield slide.file, writer(settings, slide, sections)
        if slide.annotated:
            yield slide.annotations, _annotations(settings, slide, sections)
        boxes = {name: [one.box for one in sections if one.label == name] for name in LABELS.values()}
        yield slide.boxes, outlines.collection(boxes, settings.mpp, slide.sample)
        described.append(_described(slide, sections))
    yield "truth.json", {"mpp": settings.mpp, "slides": described}


def writer(
    settings: SlidePhantomData, slide: Slide, sections: tuple[Section, ...], kind: str | None = None
) -> Callable[[Path], None]:
    """A function that writes the slide to a path, in its own format or another of `slide_files`."""
    glass = mount(settings, slide, sections)
    scan = slide_files.Scan(
        shape=glass.shape,
        mpp=settings.mpp,
        tile=lambda row, column: scan_tile(glass, row, column, slide_files.SIDE),
        white=glass.white,
    )
    return partial(slide_files.write, scan=scan, kind=kind or slide.format)


def _annotations(settings: SlidePhantomData, slide: Slide, sections: tuple[Section, ...]) -> dict[str, Any]:
    shapes = {
        TUMORNEST: [shape for section in sections for shape in section.nests],
        STROMA_CLASS: [shape for section in sections for shape in section.annotated[0]],
        NORMAL: [shape for section in sections for shape in section.annotated[1]],
    }
    return outlines.collection(shapes, settings.mpp, slide.sample)


def _described(slide: Slide, sections: tuple[Section, ...]) -> dict[str, Any]:
    return {
        "sample": slide.sample,
        "patient": slide.patient,
        "part": slide.part,
        "growth": slide.growth,
        "sections": [
            {
                "label": section.label,
                "growth": section.plan.growth,
                "look_alikes": len(section.normal),
                "tissue_area": sum(shape.area for shape in section.tissue),
                "tumour_area": sum(shape.area for shape in section.nests),
                "largest_nest": max((shape.area for shape in section.nests), default=0.0),
            }
            for section in sections
        ],
    }
