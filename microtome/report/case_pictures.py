# SPDX-License-Identifier: MIT
"""Thumbnails of the worst images: input, truth, the best run's probability map and its errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from microtome.report.inputs import CaseInput, CaseRow, Picture, RunInput
from microtome.report.limits import CASE_PICTURES
from microtome.report.thumbnails import (
    encode_thumbnail,
    load_overview,
    show_errors,
    show_image,
    show_labels,
    show_object_errors,
    show_probability,
)

SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff")
OBJECTS = "instances"
"""Folder, in that of a batch, with maps of object ids."""
Files = Mapping[str, Path]


@dataclass(frozen=True)
class Sources:
    """Files of one study by sample: images, targets, true objects if any; by run the folders of its seeds."""

    images: Files
    targets: Files
    objects: Files
    runs: Mapping[str, tuple[Path, ...]]


def add_pictures(
    cases: CaseInput, folder: Path, runs: Sequence[RunInput], *, most: int = CASE_PICTURES
) -> CaseInput:
    """Add thumbnails to the worst images.

    Args:
        cases: The ranked images.
        folder: The study's folder.
        runs: Its runs.
        most: Number of images that get pictures.

    Returns:
        The same with pictures; one that cannot be made carries the reason.
    """
    if not cases.rows or most < 1:
        return cases
    sources = Sources(
        images=index(folder / "images"),
        targets=index(folder / "targets"),
        objects=index(folder / "targets", below=OBJECTS),
        runs=_folders(folder, runs),
    )
    first = [replace(row, pictures=_pictures(row, cases, sources)) for row in cases.rows[:most]]
    return replace(cases, rows=(*first, *cases.rows[most:]))


def index(folder: Path, *, below: str = "") -> dict[str, Path]:
    """Find the TIFF files of a folder's batches by the name of their sample.

    Args:
        folder: ``images``, ``targets``, ``predictions`` or ``segmentations`` with ``{batch}/{sample}.tif``.
        below: Folder in that of each batch, for ``{batch}/{below}/{sample}.tif``.

    Returns:
        File by sample; empty if the folder does not exist.
    """
    found = {}
    for path in sorted(folder.glob(f"*/{below}/*.tif*" if below else "*/*.tif*")):
        suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), "")
        if suffix:
            found[path.name.removesuffix(suffix)] = path
    return found


def _folders(folder: Path, runs: Sequence[RunInput]) -> dict[str, tuple[Path, ...]]:
    """Folders of a run's seeds and splits by the run's printed name."""
    found: dict[str, tuple[Path, ...]] = {}
    for run in runs:
        if run.card is not None:
            found[run.expected.name] = (*found.get(run.expected.name, ()), folder / run.expected.folder)
    return found


def _pictures(row: CaseRow, cases: CaseInput, sources: Sources) -> tuple[Picture, ...]:
    """Input, truth, then the best run on the whole and the worst on this image."""
    given = [(name, value) for name, value in zip(cases.runs, row.values, strict=True) if value is not None]
    best, worst = given[0][0], (min if cases.higher_is_better else max)(given, key=lambda pair: pair[1])[0]
    pictures = [
        _picture("input", row.sample, sources.images, show_image),
        _picture("truth", row.sample, {**sources.targets, **sources.objects}, show_labels),
        *_outputs("best run", best, row.sample, sources),
    ]
    if worst != best:
        pictures += _outputs("worst here", worst, row.sample, sources)
    return tuple(pictures)


def _outputs(role: str, run: str, sample: str, sources: Sources) -> list[Picture]:
    """Probability map and errors of a run on one image, of the first seed that has it."""
    folders = sources.runs.get(run, ())
    predictions = _merged([index(folder / "predictions") for folder in folders])
    segmentations = _merged([index(folder / "segmentations") for folder in folders])
    objects = _merged([index(folder / "segmentations", below=OBJECTS) for folder in folders])
    errors = _errors_against(sources.targets.get(sample), show_errors)
    if sample in objects and sample in sources.objects:
        segmentations, errors = objects, _errors_against(sources.objects[sample], show_object_errors)
    return [
        _picture(f"{role}: {run}", sample, predictions, show_probability),
        _picture(f"errors of {run}", sample, segmentations, errors),
    ]


def _merged(files: Sequence[Files]) -> dict[str, Path]:
    """First file of each sample."""
    return {sample: path for found in reversed(files) for sample, path in found.items()}


def _errors_against(
    target: Path | None, compare: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Callable[[np.ndarray], np.ndarray]:
    """Make the comparison with a target file."""

    def show(segmentation: np.ndarray) -> np.ndarray:
        if target is None:
            msg = "there is no truth to compare with"
            raise ValueError(msg)
        return compare(segmentation, load_overview(target))

    return show


def _picture(label: str, sample: str, files: Files, show: Callable[[np.ndarray], np.ndarray]) -> Picture:
    """Make one thumbnail; without a picture, and saying why, if that fails."""
    alt = f"{label} of {sample}"
    path = files.get(sample)
    if path is None:
        return Picture(label, alt, problem="not produced: no such file")
    try:
        return encode_thumbnail(show(load_overview(path)), label=label, alt=alt)
    except (OSError, ValueError, KeyError, IndexError) as error:
        return Picture(label, alt, problem=f"not shown: {error}")
