# SPDX-License-Identifier: MIT
"""The boxes of sections that a sheet names: whether they can be read, fit their slides, and mean classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from microtome.faults import Fault, nearest
from microtome.study.headers import missing, reason

if TYPE_CHECKING:
    from microtome.config.study import Study
    from microtome.io.section_boxes import Box
    from microtome.study.sample import Sample

PART = "val"
"""By the labelled sections of this part thresholds are chosen."""
PixelSize = tuple[int, int]
"""Rows and columns."""


def check_boxes(
    study: Study, samples: Sequence[tuple[Sample, PixelSize | None]], sheet: Path
) -> Iterator[Fault]:
    """What is wrong with boxes, and with what is chosen by them.

    Args:
        study: Of slides.
        samples: Samples with resolved paths and a file of boxes, and the size of their slides, if known.
        sheet: The sheet, for messages.
    """
    columns = [split.column for split in study.named_splits.values() if split.kind == "column"]
    of_part: dict[tuple[str, str], list[Sequence[Box] | None]] = {}
    for sample, size in samples:
        where, path = f"{sheet}:{sample.row} sections", sample.more["sections"]
        boxes = yield from _read(path, where)
        if boxes is not None:
            yield from _check_places(boxes, path, where, size)
            yield from _check_labels(study, boxes, path, where)
        for column in columns or [""]:
            part = sample.cell(column) if column else PART
            of_part.setdefault((column, part or ""), []).append(boxes)
    for (column, part), found in of_part.items():
        if all(boxes is not None for boxes in found):
            every = [box for boxes in found for box in boxes or ()]
            whose = f"of the part '{part}'" if column else "of all slides"
            if part == PART:
                yield from _check_choice(study, whose, every, sheet)
            else:
                yield from _check_measured(study, part, every, sheet)


def _read(path: str, where: str) -> Generator[Fault, None, list[Box] | None]:
    """The boxes of a file, None if it cannot be read."""
    if wrong := missing(Path(path), where, "a file of boxes"):
        yield wrong
        return None
    from microtome.io.section_boxes import SUFFIXES, read_boxes

    if Path(path).suffix.lower() not in SUFFIXES:
        yield Fault(where, f"'{path}'", f"boxes with labels ({', '.join(SUFFIXES)})")
        return None
    try:
        boxes = read_boxes(Path(path))
    except ValueError as error:
        told = f"'{path}', which cannot be read ({reason(error, path)})"
        yield Fault(where, told, "a complete file of boxes")
        return None
    if not boxes:
        yield Fault(where, f"no box in '{path}'", "one at least; or leave the cell empty")
        return None
    return boxes


def _check_places(boxes: Sequence[Box], path: str, where: str, size: PixelSize | None) -> Iterator[Fault]:
    for number, box in enumerate(boxes, 1) if size else ():
        if not box.is_inside(*size):
            found = f"box {number} (y {box.y}, x {box.x}, {box.height} x {box.width} pixels) in '{path}'"
            expected = f"boxes inside the slide, {size[0]} x {size[1]} pixels at its finest level"
            yield Fault(where, found, expected)


def _check_labels(study: Study, boxes: Sequence[Box], path: str, where: str) -> Iterator[Fault]:
    """Labels that mean no class, each once."""
    known = study.slides.sections.meanings(study.data.classes)
    for label, count in Counter(box.label for box in boxes if box.label not in {"", *known}).items():
        found = f"the label '{label}' of {count} box{'es' * (count > 1)} in '{path}'"
        expected = f"{nearest(label, known)}; correct it, or name it in slides.sections.names"
        yield Fault(where, found, expected)


def _check_measured(study: Study, part: str, boxes: Sequence[Box], sheet: Path) -> Iterator[Fault]:
    """Calls are measured on sections with labels."""
    if study.runs and part in study.evaluate.parts and not any(box.label for box in boxes):
        expected = "one with a label at least, as calls are measured by them; or see evaluate.parts"
        yield Fault(f"{sheet} sections", f"{len(boxes)} boxes of part '{part}', none with a label", expected)


def _check_choice(study: Study, whose: str, boxes: Sequence[Box], sheet: Path) -> Iterator[Fault]:
    """Thresholds are chosen where there are sections with and without what is called."""
    meant = study.slides.sections.meanings(study.data.classes)
    labels = [meant.get(box.label) for box in boxes if box.label]
    for called in dict.fromkeys(run.calls.of for run in study.runs.values() if run.calls is not None):
        positive = labels.count(called)
        if None not in labels and positive in (0, len(labels)):
            count = f"{len(labels)} section{'s' * (len(labels) != 1)}"
            found = f"{count} {whose} with a label, {positive} of them '{called}'"
            expected = f"'{called}' and others, as thresholds are chosen by both; label more sections"
            yield Fault(f"{sheet} sections", found, expected)
