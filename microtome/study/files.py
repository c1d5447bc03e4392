# SPDX-License-Identifier: MIT
"""The files of a study against the study and one another, by their headers alone."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from microtome.faults import Fault
from microtome.study import modalities
from microtome.study.headers import Size, absent, look, missing

if TYPE_CHECKING:
    from microtome.config.study import Data
    from microtome.io.images import ImageHeader
    from microtome.study.sample import Sample

OUTLINES = frozenset({".xml", ".geojson", ".json"})
"""Endings of label files that hold outlines of objects; these are checked when they are drawn."""


def check_files(samples: Iterable[Sample], sheet: Path, data: Data) -> list[Fault]:
    """Compare what the headers of the files say with the study and with one another.

    Args:
        samples: Samples with resolved paths.
        sheet: The sheet, for messages.
        data: What the study says of its data.

    Returns:
        A fault for each file that is absent, unreadable, of another size or with other channels; one fault
        for a file that several rows name.
    """
    found: dict[tuple[str, str, str], tuple[Fault, list[int]]] = {}
    for sample in samples:
        for fault in _check_sample(sample, f"{sheet}:{sample.row}", data):
            key = (fault.where.rpartition(" ")[2], fault.found, fault.expected)
            found.setdefault(key, (fault, []))[1].append(sample.row)
    return [_with_rows(fault, rows) for fault, rows in found.values()]


def data_files(path: Path) -> list[Path]:
    """The further files that belong to a file of the sheet."""
    return [file for found in modalities.ask("data_files") for file in found(path)]


def _with_rows(fault: Fault, rows: Sequence[int]) -> Fault:
    """A fault that stands in several rows."""
    if len(rows) == 1:
        return fault
    further = f"{fault.found} (also in {len(rows) - 1} further row{'s' * (len(rows) > 2)}, to row {rows[-1]})"
    return replace(fault, found=further)


def _check_sample(sample: Sample, where: str, data: Data) -> Iterator[Fault]:
    image = yield from _look_at_image(sample, where, data)
    label = (yield from _look_at_label(sample, f"{where} label")) if sample.label else None
    if label and label.channels != 1:
        found = f"{label.channels} channels in '{sample.label}'"
        yield Fault(f"{where} label", found, "one channel of class values; save the label as a grey image")
    if image and label and (image.height, image.width) != (label.height, label.width):
        sizes = [f"{header.height} x {header.width} pixels" for header in (label, image)]
        found, expected = f"a label of {sizes[0]} ('{sample.label}')", f"{sizes[1]}, the size of its image"
        yield Fault(f"{where} label", found, expected)
    for check in modalities.ask("check_files"):
        yield from check(sample, where, image)


def _look_at_image(sample: Sample, where: str, data: Data) -> Generator[Fault, None, Size | None]:
    """The size of the image, which may be a file that a modality reads."""
    modality = modalities.of_suffix(sample.image)
    if modality is not None:
        return (yield from modality.look_at_image(sample.image, f"{where} image", data))
    image = yield from look(sample.image, f"{where} image", sample.page)
    if image and image.channels != data.channels:
        found = f"{image.channels} channel{'s' * (image.channels > 1)} in '{sample.image}'"
        expected = f"{data.channels}, as data.channels says; convert the image, or change the study"
        yield Fault(f"{where} image", found, expected)
    return image and Size(image.height, image.width, image.channels)


def _look_at_label(sample: Sample, where: str) -> Generator[Fault, None, ImageHeader | None]:
    """The header of a label image; None for outlines, of which only being there is checked."""
    if (file := Path(sample.label or "")).suffix.lower() not in OUTLINES:
        return (yield from look(file.as_posix(), where, sample.page))
    if not file.is_file():
        yield absent(file, where, "a file of outlines")
    elif wrong := missing(file, where, "outlines of objects"):
        yield wrong
    return None
