# SPDX-License-Identifier: MIT
"""Slides that no sheet names: those of a folder that a trained run is applied to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from microtome.faults import Fault
from microtome.study import headers
from microtome.study.modalities import Taken

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.io.slides import SlideHeader
    from microtome.study.sample import Sample

DICOM = ".dcm"
SCANNED = frozenset({".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", DICOM})
"""Endings of what scanners write; pictures (`headers.PICTURES`) are small slides."""
WANTED = "slides (SVS, NDPI, MRXS, SCN, BIF, DICOM, …) or pictures"
KINDS = (("uint8", 3), ("uint8", 1))
"""Type and channels of slides; grey ones are seen as RGB."""


def take_files(
    files: Sequence[Path], study: Study | None, runs: Sequence[Run], *, is_rendered: bool
) -> Taken:
    """The slides of a folder, each with the pixel size that it says; files of one slide are one sample."""
    if study is None or study.slides is None:
        return Taken()
    candidates = [path for path in files if path.suffix.lower() in SCANNED | headers.PICTURES]
    read: dict[Path, float | None] = {}
    belonging: set[Path] = set()
    damaged: dict[str, str] = {}
    for path in candidates:
        if path in belonging:
            continue
        found = _header(path)
        read[path] = None if isinstance(found, str) else _mean(found.mpp)
        damaged |= {path.name: found} if isinstance(found, str) else {}
        belonging |= set() if isinstance(found, str) else set(headers.data_files(path))
    return Taken({path: {} for path in read}, belonging, damaged=damaged, wanted=WANTED, mpp=read)


def _mean(mpp: tuple[float, float] | None) -> float | None:
    """One pixel size of two; a slide is read by its own."""
    return None if mpp is None else (mpp[0] * mpp[1]) ** 0.5


def _header(path: Path) -> SlideHeader | str:
    """What a slide says of itself, or why it cannot be read."""
    from microtome.io import slides
    from microtome.io.errors import ImageError

    try:
        return headers.recalled("slide", path.as_posix(), slides.header, slides.SlideHeader)
    except (ImageError, OSError) as error:
        return headers.reason(error, path.as_posix())


def check_new_images(study: Study, samples: Sequence[Sample]) -> Iterator[Fault]:
    """Slides without a pixel size, coarser than networks see them, or of other values than 8-bit RGB."""
    wrong: dict[tuple[str, str, str], list[str]] = {}
    for sample in samples if study.slides is not None else ():
        header = _header(Path(sample.image))
        for fault in () if isinstance(header, str) else _faults(study, sample, header):
            wrong.setdefault(fault, []).append(Path(sample.image).name)
    for (option, found, expected), names in wrong.items():
        yield Fault(f"--config {option}", f"{found}: {', '.join(names)}", expected)


def _faults(study: Study, sample: Sample, header: SlideHeader) -> Iterator[tuple[str, str, str]]:
    """The option that is to be changed, what was found in a slide, and what was expected."""
    if (header.dtype, header.channels) not in KINDS:
        found, expected = f"{header.channels} channels of {header.dtype}", "8-bit RGB; convert the slide"
        yield "images", found, expected
    mpp, seen = sample.mpp or study.data.mpp, study.slides.mpp
    if mpp is None:
        remedy = "its micrometres per pixel by mpp=… (of a folder's slides those take it that say none)"
        yield "mpp", "nothing, nor does the file say its pixel size", remedy
    elif mpp > seen * (1 + study.slides.tolerance):
        expected = f"at most {seen:g} µm, as the run sees slides; or the true size by mpp=…"
        yield "images", f"{mpp:g} µm per pixel", expected


def check_new_labels(study: Study, labels: Sequence[str]) -> Iterator[Fault]:
    """Labels of slides, which no rule compares with what was found in a folder."""
    if study.slides is not None and labels:
        expected = "the slides in the sample sheet, with their sections or annotations, as part test"
        yield Fault("--config labels", "labels of slides", expected)
