# SPDX-License-Identifier: MIT
"""Boxes of sections of slides that are in no study yet, each with the class that is annotated in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from shapely import STRtree

from microtome.config.sections import Glass, Proposed, section_colors
from microtome.files import finished_folder
from microtome.io import slides
from microtome.io.annotations import Polygon, read_polygons, starts_at_canvas
from microtome.io.errors import ImageError
from microtome.io.section_boxes import Box, write_boxes
from microtome.io.slides import Reference
from microtome.slides import sections, tissue
from microtome.study.survey.kinds.slides import called_class
from microtome.study.survey.labels import Labels
from microtome.study.survey.pictures import Picture


@dataclass(frozen=True)
class SlideSections:
    """What was proposed.

    Attributes:
        samples: Slides with boxes.
        mixed: Those with sections of several classes.
    """

    samples: tuple[str, ...]
    mixed: tuple[str, ...]


def propose_sections(pictures: Sequence[Picture], labels: Labels, folder: Path) -> SlideSections:
    """Propose the sections of annotated slides by their tissue, and write them for QuPath.

    A section is of the class that is to be called (`called_class`) where an outline of it meets its box, else
    of the first class. Slides without a pixel size or without tissue get no boxes.

    Args:
        pictures: Annotated slides.
        labels: What the annotations mean.
        folder: Gets `{sample}.geojson` and `{sample}.tsv`; written whole, and only where there are boxes.
    """
    classes = list(labels.classes)
    called = called_class(classes)
    found = {one.sample: boxes for one in pictures if (boxes := _sections(one, labels, called, classes[0]))}
    if found:
        with finished_folder(folder) as partial:
            for sample, boxes in found.items():
                write_boxes(partial, sample, boxes, section_colors(classes))
    mixed = [sample for sample, boxes in found.items() if len({box.label for box in boxes}) > 1]
    return SlideSections(tuple(found), tuple(mixed))


def _sections(one: Picture, labels: Labels, called: str, rest: str) -> list[Box]:
    """The labelled boxes of a slide; none where it has no pixel size or no tissue."""
    if one.mpp is None or one.label is None:
        return []
    options, proposed = Glass(), Proposed()
    seen_at = max(options.mpp, one.mpp)
    reference = slides.describe(one.path, mpp=seen_at)
    try:
        boxes = _of_tissue(reference, options, proposed)
    except ImageError:
        return []
    outlines = _outlines(one.label, reference, labels, called)
    tree = STRtree(outlines)
    return [replace(box, label=called if _meets(tree, box) else rest) for box in boxes]


def _of_tissue(reference: Reference, options: Glass, proposed: Proposed) -> list[Box]:
    source = slides.SlideSource(reference)
    rgb = source.read(0, 0, *source.shape[1:])
    found = tissue.find_tissue(rgb, options, spacing=source.mpp, name=reference.path)
    size = reference.bounds.height, reference.bounds.width
    laid = {"spacing": source.mpp, "scale": source.scale, "size": size}
    return sections.propose(found.tissue, proposed, **laid, name=reference.path)


def _outlines(label: Path, reference: Reference, labels: Labels, called: str) -> list[shapely.Geometry]:
    """The outlines of a class, in pixels of the slide's bounds."""
    shift = (reference.bounds.x, reference.bounds.y) if starts_at_canvas(label) else (0, 0)
    chosen = (one for one in read_polygons(label) if _class_of(one, labels) == called)
    rings = (part[0] - np.asarray(shift) for one in chosen for part in one.parts)
    return [shapely.make_valid(shapely.Polygon(ring)) for ring in rings]


def _class_of(one: Polygon, labels: Labels) -> str:
    return labels.names.get(one.classification, one.classification)


def _meets(tree: STRtree, box: Box) -> bool:
    drawn = shapely.box(box.x, box.y, box.right, box.bottom)
    return len(tree.query(drawn, predicate="intersects")) > 0
