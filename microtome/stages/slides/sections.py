# SPDX-License-Identifier: MIT
"""The sections of each slide of a batch: given, or proposed."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from microtome.config.sections import Proposed, Sections, Whole, section_colors
from microtome.files import finished_folder
from microtome.io import images, views
from microtome.io.errors import ImageError
from microtome.io.failures import pass_on, recorded
from microtome.io.section_boxes import Box, read_boxes, write_boxes
from microtome.io.slides import Reference, read_reference
from microtome.slides import sections as method

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]


def find_sections(options: Options, root: Path, slides: Path, tissue: Path, folder: Path) -> None:
    """Find the sections of every slide of a batch: those of the sheet, else those that its tissue proposes.

    Args:
        options: `sections`, the study's `slides.sections`; `classes`, names in order; `samples`, rows with
            `sample` and `sections` (a file of boxes, or None); `may_fail`, whether a slide that cannot be
            used is recorded and passed over.
        root: Folder that the rows' paths start from.
        slides: Batch folder of references, `{sample}.slide`.
        tissue: Batch folder of masks of tissue, and records of slides that have none.
        folder: Gets `{sample}.tsv` and `{sample}.geojson` (`microtome.io.section_boxes`): boxes in slide
            pixels, numbered in reading order, with their class where the sheet gives it; or
            `{sample}.failed.json`. Written whole or not at all.

    Raises:
        AnnotationError: Boxes are wrong, and the slide may not fail.
        ImageError: A slide has no section, and may not fail.
    """
    wanted = TypeAdapter(Sections).validate_python(options["sections"])
    given = {row["sample"]: row.get("sections") for row in options["samples"]}
    colors = section_colors(options["classes"])
    with finished_folder(folder) as partial:
        failed = pass_on(tissue, partial)
        for sample, path in views.samples(slides).items():
            if sample not in failed:
                reference = read_reference(path)
                with recorded(sample, reference.path, partial, may_fail=options["may_fail"]):
                    if file := given.get(sample):
                        boxes = _given(root / file, reference, wanted, options["classes"])
                    else:
                        boxes = _proposed(views.find_sample([tissue], sample), reference, wanted)
                    write_boxes(partial, sample, boxes, colors)
                    logger.info("%s: %d sections", sample, len(boxes))


def _given(path: Path, reference: Reference, wanted: Proposed | Whole, classes: list[str]) -> list[Box]:
    size = reference.bounds.height, reference.bounds.width
    return method.given(read_boxes(path), wanted, size=size, classes=classes, path=path)


def _proposed(path: Path, reference: Reference, wanted: Proposed | Whole) -> list[Box]:
    """Sections by the mask of tissue, which covers the slide at its own pixel size."""
    mask, mpp = images.read(path) > 0, images.header(path).mpp
    seen = reference.at(mpp or reference.mpp[0])
    if mask.shape != seen.shape:
        found, expected = f"a mask of {mask.shape} pixels", f"{seen.shape}, as the slide has at {mpp} µm"
        raise ImageError(path, found, expected, "delete the folder and run its rule again")
    size = reference.bounds.height, reference.bounds.width
    laid = {"spacing": seen.mpp, "scale": seen.scale, "size": size}
    return method.propose(mask, wanted, **laid, name=reference.path)
