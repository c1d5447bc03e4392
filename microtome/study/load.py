# SPDX-License-Identifier: MIT
"""Make the plans of all studies in one pass, with every fault of every file listed together.

Each study file is read and validated once at each of its scales, its sheet is read once, its files are looked
at once and its splits are made once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from microtome.config import kinds, project
from microtome.config.checks import check_dataset
from microtome.config.checks_products import runs_shown
from microtome.config.checks_splits import splits_shown
from microtome.config.load import STUDY_FOLDER, Draft, read_draft
from microtome.config.study import MAIN, Data, Split, Study
from microtome.config.workflow import WHOLE, Workflow
from microtome.faults import ConfigurationError, Fault, grouped, nearest, raise_faults
from microtome.files import SEGMENTATIONS
from microtome.study import modalities, splits
from microtome.study.depths import check_depths
from microtome.study.headers import check_files, remembered
from microtome.study.plan import StudyPlan
from microtome.study.sample import PARTS, Parts, Sample, resolve
from microtome.study.sheet import inspect_sheet, phantom_sheet, sheet_root
from microtome.study.splits import Place

HEADERS = Path(".snakemake/microtome-headers.json")
"""What the headers of image files said, beside Snakemake's own memory."""
LISTED = 8
"""Samples in a message."""


@dataclass(frozen=True)
class Inspected:
    """What one look at a study's samples found.

    Attributes:
        sheet: The sample sheet; of a phantom the study file.
        samples: The samples, as far as they can be read.
        splits: The part of each sample in each split; none where samples or splits have faults.
        faults: What is wrong with the sheet, with the user's own files and with the splits.
        is_whole: Whether the sheet itself is without faults.
    """

    sheet: Path
    samples: Sequence[Sample] = ()
    splits: Mapping[str, Parts] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    is_whole: bool = False


def load_plans(
    workflow: Workflow,
    *,
    mirror: Path | None = None,
    look_at_files: bool = True,
    folder: Path = STUDY_FOLDER,
) -> dict[str, StudyPlan]:
    """Load every study that is to run.

    Args:
        workflow: The options of the workflow.
        mirror: Folder that holds public data sets; headers are checked there before anything is fetched.
        look_at_files: Whether to read the headers of image files. A job of the workflow need not, as the
            process that started it did.
        folder: Holds the study files.

    Raises:
        ConfigurationError: With the faults of all studies and sample sheets together. A sheet is checked
            even if its study has faults elsewhere.
    """
    faults: list[Fault] = []
    plans: dict[str, StudyPlan] = {}
    with remembered(HEADERS):
        for name in dict.fromkeys(workflow.studies):
            draft = read_draft(name, workflow.scale, folder)
            found = inspect_draft(draft, look_at_files=look_at_files)
            faults += [*draft.faults, *grouped(found.faults)]
            if draft.study and found.is_whole:
                root = _root(draft.study, workflow)
                public = _public_faults(draft.study, found, root, mirror) if look_at_files else []
                faults += grouped(public)
                faults += _faults_beside_study(draft, found)
                faults += grouped(_label_faults(draft.study, found, root)) if look_at_files else []
                faults += _depth_faults(draft, found, root) if look_at_files else []
                plans[name] = _plan(draft.study, _scale_of(draft.study, workflow.scale), root, found)
                faults += _external_faults(plans[name], draft.places) if look_at_files else []
    faults += _clashing_runs({name: plan.study for name, plan in plans.items()})
    raise_faults(faults)
    return plans


def sheet_faults(draft: Draft) -> list[Fault]:
    """What is wrong with the samples of a study, for `config.load.load_workflow`."""
    return grouped(inspect_draft(draft).faults)


def inspect_draft(draft: Draft, *, look_at_files: bool = True) -> Inspected:
    """Look at the samples of a study, as far as what it says of its data can be understood."""
    study, plain = draft.study, draft.places.tree.plain
    try:
        data = study.data if study else Data.model_validate(plain.get("data"))
        ways = (study.splits or study.split) if study else _ways(plain)
    except ValidationError:
        return Inspected(draft.places.path)
    if data.source != "phantom" and data.samples is None:
        return Inspected(draft.places.path)
    sheet = project.find(str(data.samples)) if data.source != "phantom" else draft.places.path
    unknown = [] if study or not data.dataset else check_dataset(data, draft.places)
    names = (MAIN,) if isinstance(ways, Split) else tuple(ways)
    needed = {name: study.parts_needed_by(name) if study else ("train", "test") for name in names}
    options = {"place": draft.places, "look_at_files": look_at_files, "needed": needed}
    options |= {"reader": modalities.reader(plain)}
    found = inspect_data(data, ways, sheet=sheet, **options)
    return replace(found, faults=[*unknown, *found.faults])


def _ways(plain: Mapping[str, Any]) -> Split | dict[str, Split]:
    """How samples are divided in a study that has faults elsewhere."""
    several = plain.get("splits")
    if isinstance(several, dict) and several:
        return {str(name): Split.model_validate(split) for name, split in several.items()}
    return Split.model_validate(plain.get("split") or {})


def inspect_data(
    data: Data,
    ways: Split | Mapping[str, Split],
    *,
    sheet: Path,
    place: Place = ".".join,
    look_at_files: bool = True,
    needed: Mapping[str, Sequence[str]] | None = None,
    reader: ModuleType | None = None,
) -> Inspected:
    """Check a study's sample sheet, the headers of the user's own files, and the splits, all at once.

    Args:
        data: What the study says of its data.
        ways: How samples are divided: the study's `split`, or its `splits` by name.
        sheet: The sample sheet; of a phantom its study file.
        place: Says where an option stands.
        look_at_files: Whether to read the headers of files.
        needed: The parts that may not be empty, by the name of the split; all, where it is not given.
        reader: The modality that reads all images, if one does.
    """
    named = {"": ways} if isinstance(ways, Split) else ways
    columns = [split.column for split in named.values() if split.kind == "column"]
    if data.source == "phantom":
        samples, faults = phantom_sheet(data.phantom, columns), []
    else:
        samples, faults = inspect_sheet(sheet, data, reader, columns)
    is_whole, made = not faults, {}
    if data.source == "files" and look_at_files:
        faults = faults + _own_file_faults(samples, sheet, data, place, reader)
    options = {"sheet": sheet, "column": data.group_by, "place": place, "classes": list(data.classes)}
    for name, split in named.items() if is_whole else ():
        own = options | {"needed": (needed or {}).get(name or MAIN, PARTS), "name": name}
        try:
            made[name] = splits.make_splits(samples, split, **own)
        except ConfigurationError as error:
            faults = faults + [fault for fault in error.faults if fault not in faults]
    is_dealt = len(made) == len(named)
    every = {split: parts for dealt in made.values() for split, parts in dealt.items()} if is_dealt else {}
    return Inspected(sheet, samples, every, faults, is_whole)


def _own_file_faults(
    samples: Sequence[Sample], sheet: Path, data: Data, place: Place, reader: ModuleType | None
) -> list[Fault]:
    """Look for the folder of the user's own files, and at the header of each."""
    root = sheet_root(sheet, data)
    if samples and not root.is_dir():
        expected = f"the folder that the paths in {sheet} start from"
        return [Fault(place(("data", "root")), f"'{root}', which is no folder", expected)]
    return check_files(resolve(samples, root), sheet, data, reader)


def _public_faults(study: Study, found: Inspected, root: Path, mirror: Path | None) -> list[Fault]:
    """What is wrong with those files of a public data set that are there; the others will be fetched."""
    data, reader = study.data, modalities.reader(dict(study))
    if data.source != "public":
        return []
    folders, present = (root, mirror / str(data.dataset) if mirror else root), []
    for same in zip(*(resolve(found.samples, folder) for folder in folders), strict=True):
        present += [s for s in same if all(Path(path).is_file() for path in (s.image, s.label) if path)][:1]
    return check_files(present, found.sheet, data, reader)


def _faults_beside_study(draft: Draft, found: Inspected) -> list[Fault]:
    """What only shows when the study is known beside its samples."""
    study = draft.study
    faults: list[Fault] = []
    for check in modalities.ask("check_samples"):
        faults += check(study, found.samples, found.sheet)
    for check in (*modalities.ask("check_splits"), _unknown_samples) if found.splits else ():
        faults += check(study, found.splits, draft.places)
    return faults


def _depth_faults(draft: Draft, found: Inspected, root: Path) -> list[Fault]:
    """What is wrong with the pixel types of the user's own images."""
    if draft.study.data.source != "files" or modalities.reader(dict(draft.study)):
        return []
    return list(check_depths(draft.study, resolve(found.samples, root), found.sheet, draft.places))


def _scale_of(study: Study, scale: str) -> str:
    """What the cards of a study call a scale, whichever of two words was asked for."""
    return (WHOLE[1] if study.paper else WHOLE[0]) if scale in WHOLE else scale


def _label_faults(study: Study, found: Inspected, root: Path) -> list[Fault]:
    """What is wrong with what labels and headers say beside the study, as far as they can be read.

    What is simulated is not asked, so that a dry run of phantoms needs no reader of images.
    """
    if study.data.source == "phantom":
        return []
    samples = resolve(found.samples, root)
    checks = (*modalities.ask("check_labels"), *modalities.ask("check_headers"))
    return [fault for check in checks for fault in check(study, samples, found.sheet)]


def _plan(study: Study, scale: str, root: Path, found: Inspected) -> StudyPlan:
    samples = {sample.sample: sample for sample in found.samples}
    weak = {name for name, sample in samples.items() if sample.is_weak}
    made: dict[str, list[str]] = {}
    groups: dict[str, str] = {}
    for name, split in study.named_splits.items() if found.splits else ():
        of = name if study.splits else ""
        own = {key: found.splits[key] for key in splits.split_names(split, of)}
        dealt = splits.batches(list(samples), own, study.data.batch_size, weak=weak, of=of)
        made |= dealt
        groups |= dict.fromkeys(dealt, name)
    return StudyPlan(study, scale, samples, root, found.splits, made, groups)


def _external_faults(plan: StudyPlan, place: Place) -> Iterator[Fault]:
    """Evaluated images that another tool has no segmentation of."""
    wanted = {sample for found in plan.evaluated_parts.values() for sample in found}
    for name, external in plan.study.external.items():
        where, folder = place(("external", name, "predictions")), Path(external.predictions)
        try:
            missing = sorted(wanted - plan.external_files(name).keys())
        except ValueError as error:
            yield Fault(where, f"two files of one name ({error})", "one file for each evaluated image")
            continue
        if not folder.is_dir():
            yield Fault(where, f"'{folder}', which is no folder", "the folder of the segmentations")
        elif missing:
            more = f" and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
            found = f"no file of {', '.join(missing[:LISTED])}{more}"
            expected = (
                f"a file ({', '.join(SEGMENTATIONS)}) named as each of the {len(wanted)} evaluated images"
            )
            yield Fault(where, found, expected)


def _unknown_samples(study: Study, made: Mapping[str, Parts], place: Place) -> list[Fault]:
    """Samples that tables and figures name though they are not evaluated, so that nothing can be shown."""
    parts, samples = study.evaluate.parts, next(iter(made.values()))
    why, faults = f", which is not in an evaluated part ({', '.join(parts)})", []
    for keys, name, split in _named_samples(study):
        own = splits.split_names(study.named_splits[split], split if study.splits else "")
        evaluated = [sample for sample in samples if any(made[key][sample] in parts for key in own)]
        if name not in evaluated:
            found = f"sample {name!r}{why if name in samples else ''}"
            faults.append(Fault(place(keys), found, nearest(str(name), evaluated)))
    return faults


def _named_samples(study: Study) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """The samples that tables and figures name, their keys, and the split whose records are shown."""
    for section in kinds.MAKERS:
        for entry_name, entry in getattr(study, section).items():
            kind, keys = kinds.find(section, entry.kind), (section, entry_name)
            for at, name in kind.listed("SAMPLE_OPTIONS", entry.options) if kind else ():
                split = splits_shown(study, runs_shown(study, kind, entry), entry)[0]
                if split in study.named_splits:
                    yield (*keys, *at), name, split


def _root(study: Study, workflow: Workflow) -> Path:
    """Folder that the paths of a study's sheet start from."""
    data = study.data
    if data.source == "phantom":
        return Path(workflow.results) / workflow.place / study.name / "raw"
    if data.source == "public":
        return Path(workflow.resources) / str(data.dataset)
    return sheet_root(project.find(str(data.samples)), data)


def _clashing_runs(studies: Mapping[str, Study]) -> list[Fault]:
    """A run name is of one kind in all studies, as the rules tell runs apart by name."""
    first: dict[str, tuple[str, str]] = {}
    faults = []
    for key, study in studies.items():
        for name, run in study.runs.items():
            other, kind = first.setdefault(name, (key, run.kind))
            if kind != run.kind:
                found = f"a run of kind {run.kind}; study {other} has one of that name of kind {kind}"
                place = project.find(f"config/studies/{key}.yaml")
                faults.append(Fault(f"{place} runs.{name}", found, "another name"))
    return faults
