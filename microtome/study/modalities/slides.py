# SPDX-License-Identifier: MIT
"""Whole slides: their headers, the boxes of their sections, and the rules that slides have of their own."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING

from microtome.faults import Fault
from microtome.study.headers import OUTLINES, SAME_MPP, Size, absent, reason, recalled
from microtome.study.new_slides import check_new_images, check_new_labels, take_files
from microtome.study.slide_boxes import check_boxes

if TYPE_CHECKING:
    from microtome.config.study import Data, Study
    from microtome.io.slides import SlideHeader
    from microtome.study.plan import StudyPlan
    from microtome.study.sample import Sample

__all__ = ["check_new_images", "check_new_labels", "take_files"]

SECTION = "slides"
"""The section of a study file by which all its images are slides."""
OWN_MPP = True
COLUMNS = {"sections": Path}
"""Boxes of the sections of a slide, with labels."""
WEAK = frozenset(COLUMNS)
SEVERAL_FILES = frozenset({".dcm", ".mrxs", ".vms", ".vmu"})
"""Endings of slides that lie in several files."""
RULES = frozenset(
    {
        "import_images",
        "rasterize_targets",
        "extract_patches",
        "predict",
        "segment",
        "evaluate",
        "export_objects",
    }
)
"""Rules that `rules/slides.smk` has others for."""
RGB = 3
COLOURS = (1, RGB)


def replaces(study: Study) -> frozenset[str]:
    """The rules of images that are decoded once."""
    return RULES if study.slides is not None else frozenset()


def samples_are(study: Study) -> str | None:
    """What the report calls the samples."""
    return "slides" if study.slides is not None else None


def data_files(path: Path) -> list[Path]:
    """The further files of a slide that has several: the series of a DICOM slide, the folder of an MRXS."""
    if path.suffix.lower() not in SEVERAL_FILES and not path.is_dir():
        return []
    from microtome.io import slides

    return [file for file in slides.data_files(path) if file != path]


def look_at_sample(sample: Sample, where: str, data: Data) -> Generator[Fault, None, Size | None]:
    """The size of a slide at its finest level, within its bounds; yields what is wrong with its header."""
    header = yield from _look(sample.image, f"{where} image")
    if header is None:
        return None
    if header.dtype != "uint8" or header.channels not in COLOURS:
        found = (
            f"{header.channels} channel{'s' * (header.channels > 1)} of {header.dtype} in '{sample.image}'"
        )
        yield Fault(
            f"{where} image", found, "RGB (or grey) of 8 bits (uint8), as slides are; convert the slide"
        )
    yield from _check_mpp(sample, header, f"{where} mpp", data)
    return Size(header.bounds.height, header.bounds.width, RGB)


def pixels_seen(study: Study, sample: Sample) -> int | None:
    """Pixels of a slide at the pixel size of the study; None where its size or pixel size is not known."""
    header, size = _sound(sample), _size(sample, study.slides.crop)
    if header is None or size is None:
        return None
    own = _told(sample.mpp) or header.mpp or _told(study.data.mpp)
    return own and round(size[0] * size[1] * own[0] * own[1] / study.slides.mpp**2)


def phantom_pixels(study: Study) -> int | None:
    """Pixels of a simulated slide at the pixel size of the study."""
    phantom = study.data.phantom
    sides = [getattr(phantom, name, None) for name in ("height", "width")]
    return None if None in sides else round(sides[0] * sides[1] / study.slides.mpp**2)


def _told(mpp: float | None) -> tuple[float, float] | None:
    """A pixel size that sheet or study say, which is one of rows and columns."""
    return None if mpp is None else (mpp, mpp)


def _look(path: str, where: str) -> Generator[Fault, None, SlideHeader | None]:
    from microtome.io import slides
    from microtome.io.images import ImageError

    if not Path(path).exists():
        yield absent(Path(path), where, "a slide")
        return None
    try:
        return recalled("slide", path, slides.header, slides.SlideHeader)
    except (ImageError, OSError) as error:
        expected = "a slide that can be read; copy the file again, or correct the path"
        told = reason(error, path).removeprefix("found ")
        yield Fault(where, f"'{path}', which cannot be read ({told})", expected)
    return None


def _check_mpp(sample: Sample, header: SlideHeader, where: str, data: Data) -> Iterator[Fault]:
    """A pixel size has to be known, and one where two are said."""
    if header.mpp is None and sample.mpp is None and data.mpp is None:
        expected = "`mpp`, its micrometres per pixel, in this column, or in data.mpp for all slides"
        yield Fault(where, f"nothing, nor does '{sample.image}' say it", expected)
    elif header.mpp is not None and sample.mpp is not None and data.mpp_from is None:
        wrong = [size for size in header.mpp if not isclose(size, sample.mpp, rel_tol=SAME_MPP)]
        if wrong:
            found = f"{sample.mpp:g} µm per pixel, where '{sample.image}' says {wrong[0]:g} µm"
            yield Fault(where, found, "the same; or say which is right by data.mpp_from: sheet, or file")


def check_samples(study: Study, samples: Sequence[Sample], sheet: Path) -> Iterator[Fault]:
    """Boxes of sections in a study that has no slides; labels of slides that are no annotations."""
    for sample in samples:
        where, boxes = f"{sheet}:{sample.row}", sample.more.get("sections")
        if study.slides is None and boxes:
            expected = "nothing, or the section `slides` in the study file"
            yield Fault(f"{where} sections", f"'{boxes}'", expected)
        if study.slides is not None and sample.label and Path(sample.label).suffix.lower() not in OUTLINES:
            expected = f"annotations ({', '.join(sorted(OUTLINES))}), as labels of slides are outlines"
            yield Fault(f"{where} label", f"'{sample.label}'", expected)
        if study.slides is not None and sample.page:
            yield Fault(f"{where} page", str(sample.page), "nothing, as pages of slides are their levels")
    if study.slides is not None and study.runs:
        yield from _check_chosen_by(study, samples, sheet)


def _check_chosen_by(study: Study, samples: Sequence[Sample], sheet: Path) -> Iterator[Fault]:
    """Parts without labelled sections, by which runs are chosen (val) and measured."""
    columns = [split.column for split in study.named_splits.values() if split.kind == "column"]
    for column, part in itertools.product(columns or [""], dict.fromkeys(("val", *study.evaluate.parts))):
        of_part = [sample for sample in samples if not column or sample.cell(column) == part]
        if of_part and not any(sample.more.get("sections") for sample in of_part):
            why = "thresholds are chosen" if part == "val" else "calls are measured"
            expected = f"boxes with labels for at least one, as {why} by them"
            yield Fault(f"{sheet} sections", f"nothing, for all slides of part '{part}'", expected)
            if not column:
                return


def check_labels(study: Study, samples: Sequence[Sample], sheet: Path) -> Iterator[Fault]:
    """Boxes of sections that do not fit, or by which nothing can be chosen."""
    if study.slides is None:
        return
    crop, boxed = study.slides.crop, [sample for sample in samples if sample.more.get("sections")]
    yield from check_boxes(study, [(sample, _size(sample, crop)) for sample in boxed], sheet)


def check_headers(study: Study, samples: Sequence[Sample], sheet: Path) -> Iterator[Fault]:
    """Slides that are too coarse for the pixels that networks see."""
    for sample in samples if study.slides is not None else ():
        header = _sound(sample)
        from_file = header is not None and (study.data.mpp_from == "file" or sample.mpp is None)
        own = (header.mpp if from_file else None) or _told(sample.mpp or study.data.mpp)
        if header is None or own is None:
            continue
        from microtome.io.slides.pyramid import ENLARGED

        if max(own) > study.slides.mpp * ENLARGED:
            found = f"pixels of {max(own):g} µm in '{sample.image}', where slides.mpp is {study.slides.mpp:g}"
            expected = f"pixels of {study.slides.mpp * ENLARGED:g} µm at most; leave the slide out, or "
            expected += "correct its `mpp`, or see coarser pixels"
            yield Fault(f"{sheet}:{sample.row} image", found, expected)


def _size(sample: Sample, crop: bool) -> tuple[int, int] | None:
    """Rows and columns of a slide at its finest level; None where its header cannot be read."""
    header = _sound(sample)
    if header is None:
        return None
    return (header.bounds.height, header.bounds.width) if crop else header.shape


def _sound(sample: Sample) -> SlideHeader | None:
    """The header of a slide; None where it cannot be read, which is a fault by itself."""
    looked = _look(sample.image, "")
    try:
        next(looked)
    except StopIteration as end:
        return end.value
    looked.close()
    return None


def may_fail(plan: StudyPlan, batch: str) -> bool:
    """Whether a slide of a batch that cannot be read is recorded, as all of the batch are only tested."""
    splits = plan.split_groups[plan.group_of(batch)]
    return all(plan.splits[split][name] == "test" for split in splits for name in plan.batches[batch])
