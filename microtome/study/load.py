# SPDX-License-Identifier: MIT
"""Make the plans of all studies, with every fault of every file listed together."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from microtome.config import kinds, project
from microtome.config.load import load_studies, places_of
from microtome.config.study import Study
from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError, Fault, nearest, raise_faults
from microtome.study import splits
from microtome.study.headers import is_envi, remembered
from microtome.study.plan import StudyPlan
from microtome.study.sheet import Sample, check_files, phantom_sheet, read_sheet, resolve, sheet_root
from microtome.workflow.states.runs import run_kind

HEADERS = Path(".snakemake/microtome-headers.json")
"""What the headers of image files said, beside Snakemake's own memory."""


def load_plans(
    workflow: Workflow, *, mirror: Path | None = None, look_at_files: bool = True
) -> dict[str, StudyPlan]:
    """Load every study that is to run.

    Args:
        workflow: The options of the workflow.
        mirror: Folder that holds public data sets; headers are checked there before anything is fetched.
        look_at_files: Whether to read the headers of image files. A job of the workflow need not, as the
            process that started it did.

    Raises:
        ConfigurationError: With the faults of all studies and sample sheets together.
    """
    with remembered(HEADERS):
        return _load_plans(workflow, mirror, look_at_files=look_at_files)


def _load_plans(workflow: Workflow, mirror: Path | None, *, look_at_files: bool) -> dict[str, StudyPlan]:
    studies = load_studies(workflow.studies, workflow.scale, look_at_files=look_at_files)
    plans, faults = {}, []
    for name, study in studies.items():
        try:
            plans[name] = _plan(study, workflow, mirror, look_at_files=look_at_files)
        except ConfigurationError as error:
            faults += error.faults
            continue
        faults += _unknown_samples(plans[name])
    faults += _clashing_runs(studies)
    raise_faults(faults)
    return plans


def _plan(study: Study, workflow: Workflow, mirror: Path | None, *, look_at_files: bool) -> StudyPlan:
    data = study.data
    sheet = project.find(
        f"config/studies/{study.name}.yaml" if data.source == "phantom" else str(data.samples)
    )
    samples = phantom_sheet(data.phantom) if data.source == "phantom" else read_sheet(sheet, data)
    root = _root(study, workflow)
    if data.source == "files" and look_at_files:
        raise_faults(check_files(resolve(samples, root), sheet, data))
    elif data.source == "public" and look_at_files:
        raise_faults(
            check_files(_present(samples, root, mirror / str(data.dataset) if mirror else root), sheet, data)
        )
    raise_faults(_cube_faults(study, samples, sheet))
    parts = splits.make_splits(
        samples, study.split, sheet=sheet, column=data.group_by, needed=study.needed_parts
    )
    raise_faults(_stain_faults(study, workflow.scale, parts))
    batches = splits.batches([s.sample for s in samples], parts, data.batch_size)
    return StudyPlan(
        study,
        workflow.scale,
        {s.sample: s for s in samples},
        root,
        parts,
        {name: tuple(members) for name, members in batches.items()},
    )


def _cube_faults(study: Study, samples: list[Sample], sheet: Path) -> list[Fault]:
    """Cubes in a study that takes pictures, and pictures without a cube in one that takes cubes."""
    expected = "a picture, or the section `cubes` in the study file"
    if study.cubes is None:
        return [
            Fault(f"{sheet}:{s.row} image", f"'{s.image}', a cube", expected)
            for s in samples
            if is_envi(s.image)
        ]
    needed = "the path of the cube, as the study has the section `cubes`"
    return [Fault(f"{sheet}:{s.row} cube", "nothing", needed) for s in samples if not s.cube]


def _stain_faults(study: Study, scale: str, parts: Mapping[str, splits.Parts]) -> list[Fault]:
    """Stain targets that are no training samples: what is fitted must not see the test part."""
    wrong = [
        (name, settings.target, split)
        for name, settings in study.stains.items()
        for split, of in parts.items()
        if of.get(settings.target) != "train"
    ]
    if not wrong:
        return []
    places = places_of(study.name, scale)
    return [
        Fault(
            places(("stains", name, "target")),
            f"'{target}', which split {split} has in part '{parts[split][target]}'"
            if target in parts[split]
            else f"'{target}', which is no sample of the study",
            "a training sample: " + nearest(target, [s for s, p in parts[split].items() if p == "train"]),
        )
        for name, target, split in wrong
    ]


def _unknown_samples(plan: StudyPlan) -> list[Fault]:
    """Samples that tables and figures name though they are not evaluated, so that nothing can be shown."""
    parts = plan.study.evaluate.parts
    evaluated = [s for s in plan.samples if any(found[s] in parts for found in plan.splits.values())]
    wrong = [(keys, name) for keys, name in _named_samples(plan.study) if name not in evaluated]
    if not wrong:
        return []
    places, listed = places_of(plan.study.name, plan.scale), ", ".join(parts)
    return [
        Fault(
            places(keys),
            f"sample {name!r}, which is not in an evaluated part ({listed})"
            if name in plan.samples
            else f"sample {name!r}",
            nearest(str(name), evaluated),
        )
        for keys, name in wrong
    ]


def _named_samples(study: Study) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The samples that tables and figures name, and their keys."""
    for section in kinds.MAKERS:
        for entry_name, entry in getattr(study, section).items():
            kind, keys = kinds.find(section, entry.kind), (section, entry_name)
            for option in kind.declared("SAMPLE_OPTIONS"):
                value = entry.options.get(option)
                if isinstance(value, str) and value:
                    yield (*keys, option), value
                for number, name in enumerate(value if isinstance(value, list | tuple) else ()):
                    yield (*keys, option, str(number)), name


def _present(samples: list[Sample], *folders: Path) -> list[Sample]:
    """The samples of a public data set whose files can be looked at now; the others will be fetched."""
    found = []
    for sample in samples:
        resolved = (resolve([sample], folder)[0] for folder in folders)
        found += [
            s for s in resolved if Path(s.image).is_file() and (s.label is None or Path(s.label).is_file())
        ][:1]
    return found


def _root(study: Study, workflow: Workflow) -> Path:
    """Folder that the paths of a study's sheet start from."""
    data = study.data
    if data.source == "phantom":
        return Path(workflow.results) / workflow.scale / study.name / "raw"
    if data.source == "public":
        return Path(workflow.resources) / str(data.dataset)
    return sheet_root(project.find(str(data.samples)), data)


def _clashing_runs(studies: Mapping[str, Study]) -> list[Fault]:
    """A run name is of one kind in all studies, as the rules tell runs apart by name."""
    first: dict[str, tuple[str, str]] = {}
    faults = []
    for key, study in studies.items():
        for name, run in study.runs.items():
            other, kind = first.setdefault(name, (key, run_kind(run)))
            if kind != run_kind(run):
                found = f"a run of kind {run_kind(run)}; study {other} has one of that name of kind {kind}"
                place = project.find(f"config/studies/{key}.yaml")
                faults.append(Fault(f"{place} runs.{name}", found, "another name"))
    return faults
