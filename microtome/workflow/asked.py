# SPDX-License-Identifier: MIT
"""What `snakemake apply`, `evaluate_folder` and `export_model` are asked for."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from microtome.config.workflow import Workflow
from microtome.faults import Fault, nearest, raise_faults
from microtome.study.headers import remembered
from microtome.study.load import HEADERS
from microtome.study.newcomers import (
    Newcomers,
    find_newcomers,
    is_hidden,
    listing,
    results_name,
    same_names,
    unfit_faults,
)
from microtome.study.plan import StudyPlan
from microtome.study.sample import Sample

LABEL_SUFFIXES = (".png", ".tif", ".tiff", ".xml", ".geojson", ".json")
NEEDED = {"apply": ("images",), "evaluate_folder": ("images", "labels"), "export_model": ("export",)}
"""Target to the options that it needs beside those that name a run."""

OF_RUNS = ("study", "run", "seed", "split", "images", "name", "labels", "export")
"""Options that only the targets of `NEEDED` use."""
ORDINARY = frozenset({"all", "report", "tables", "figures", "crate"})
"""Targets that use none of them."""


@dataclass(frozen=True)
class Asked:
    """What a trained run is to be applied to.

    Attributes:
        folder: Name of the results.
        newcomers: The images.
        labels: Sample to its label file, of those that have one.
    """

    folder: str = ""
    newcomers: Newcomers = field(default_factory=Newcomers)
    labels: Mapping[str, str] = field(default_factory=dict)


def ask(workflow: Workflow, plans: Mapping[str, StudyPlan], needed: Sequence[str]) -> Asked:
    """Check the options that name a trained run and what is to be done with it, and look at the images.

    Args:
        workflow: The options.
        plans: The studies that run.
        needed: Which of `images`, `labels` and `export` the target needs.

    Raises:
        ConfigurationError: An option is missing, or names nothing that exists, or an image does not fit.
    """
    faults = _run_faults(workflow, plans)
    of_export = _export_faults(workflow) if "export" in needed else []
    if "images" not in needed:
        raise_faults(faults + of_export)
        return Asked()
    plan = plans.get(str(workflow.study))
    runs = [] if faults else [plan.study.runs[name] for name, _ in plan.trained(workflow.run, workflow.seed)]
    folder = Path(workflow.images or "")
    with remembered(HEADERS):
        found = find_newcomers(folder, plan.study if plan else None, runs) if workflow.images else Newcomers()
    faults += _image_faults(workflow.images, found)
    labels = pair_labels(found.samples, Path(workflow.labels)) if workflow.labels else {}
    if "labels" in needed and found.samples:
        faults += _label_faults(workflow.labels, found.samples, labels)
    faults += unfit_faults("labels", map(Path, labels.values()))
    raise_faults(faults + of_export)
    return Asked(workflow.name or results_name(folder), found, labels)


def check_unasked(given: Mapping[str, object], targets: Callable[[], Iterable[str]]) -> None:
    """Ask back where the command line has options of a trained run, but no target that uses them.

    Args:
        given: The options of the command line.
        targets: Finds its targets, where that matters; none: all.

    Raises:
        ConfigurationError: `study=mine` may have been meant as `studies=mine`.
    """
    if not given.keys() & set(OF_RUNS) or not set(targets()) <= ORDINARY:
        return
    known, last = [*NEEDED][:-1], [*NEEDED][-1]
    found = f", an option of {', '.join(known)} and {last}, none of which is asked for"
    faults = []
    for option in OF_RUNS:
        if option in given:
            expected = f"the target at the end of the command, such as -- {known[0]}"
            meant = f"studies={given[option]} to run that study, or " if option == "study" else ""
            faults.append(Fault(f"--config {option}", f"{str(given[option])!r}{found}", meant + expected))
    raise_faults(faults)


def pair_labels(samples: Iterable[Sample], folder: Path) -> dict[str, str]:
    """The label file in a folder of each sample that has one: its image's name, one of `LABEL_SUFFIXES`.

    Of several labels it is the one whose suffix stands first there; an image is no label, should both be in
    one folder.
    """
    listed = list(samples)
    images = {one.image for one in listed}
    there = [path for path in sorted(folder.iterdir()) if not is_hidden(path)] if folder.is_dir() else []
    labels = {
        _composed(path.stem): path.as_posix()
        for suffix in reversed(LABEL_SUFFIXES)
        for path in there
        if path.suffix.lower() == suffix and path.as_posix() not in images
    }
    stems = {one.sample: _composed(Path(one.image).stem) for one in listed}
    return {sample: labels[stem] for sample, stem in stems.items() if stem in labels}


def _composed(name: str) -> str:
    """A name in one Unicode form; archives of macOS take letters with marks apart."""
    return unicodedata.normalize("NFC", name)


def _run_faults(workflow: Workflow, plans: Mapping[str, StudyPlan]) -> list[Fault]:
    study = plans.get(str(workflow.study))
    if study is None:
        return [_unknown("study", workflow.study, plans)]
    if workflow.run not in study.study.runs:
        return [_unknown("run", workflow.run, study.study.runs)]
    if (workflow.split, workflow.run, workflow.seed) not in study.evaluated():
        found = f"split '{workflow.split}', seed {workflow.seed}"
        return [Fault("--config split, seed", found, f"a trained one of run '{workflow.run}'")]
    return []


def _export_faults(workflow: Workflow) -> list[Fault]:
    if workflow.export:
        return []
    return [Fault("--config export", "nothing", "the folder that gets the packed model")]


def _unknown(option: str, value: str | None, known: Iterable[str]) -> Fault:
    """An option that names nothing, or is not there at all."""
    if value is None:
        return Fault(f"--config {option}", "nothing", f"one of: {', '.join(sorted(known))}")
    return Fault(f"--config {option}", repr(value), nearest(value, known))


def _quoted(folder: str | None) -> str:
    return repr(folder) if folder else "nothing"


def _image_faults(folder: str | None, found: Newcomers) -> list[Fault]:
    if found.samples:
        return [*same_names(found.samples), *found.faults]
    others = [name for name, _ in found.notes]
    holds = f", which holds {listing(others)}" if others else ""
    expected = "a folder with PNG, TIFF, JPEG, JPEG 2000 or BMP images"
    return [*found.faults, Fault("--config images", f"{_quoted(folder)}{holds}", expected)]


def _label_faults(folder: str | None, samples: Sequence[Sample], paired: Mapping[str, str]) -> list[Fault]:
    expected = f"a folder with a label of each image's name ({', '.join(LABEL_SUFFIXES)})"
    if not folder or not Path(folder).is_dir():
        return [Fault("--config labels", _quoted(folder), expected)]
    missing = list(dict.fromkeys(Path(one.image).stem for one in samples if one.sample not in paired))
    if not missing:
        return []
    return [Fault("--config labels", f"{folder!r} without a label for {listing(missing)}", expected)]
