# SPDX-License-Identifier: MIT
"""What `snakemake apply`, `evaluate_folder` and `export_model` are asked for."""

import csv
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from microtome.config.expected import Expected
from microtome.config.workflow import Workflow
from microtome.faults import Fault, nearest, raise_faults
from microtome.provenance.archives import Packed, read_archive
from microtome.provenance.cards import CARD_NAME, read_card
from microtome.study import modalities
from microtome.study.headers import OUTLINES, data_files, header_of, remembered
from microtome.study.load import HEADERS
from microtome.study.newcomers import (
    Newcomers,
    find_newcomers,
    is_hidden,
    listing,
    plain_name,
    results_name,
    same_names,
    unfit_faults,
    unlike,
)
from microtome.study.plan import StudyPlan
from microtome.study.sample import Sample
from microtome.workflow.paths import Layout

SUMMARY, MEASURED = "summary.tsv", "images.tsv"
"""What lies in a folder of results: a row for each image, with its file and its label."""
LABEL_SUFFIXES = (".png", ".tif", ".tiff", ".xml", ".geojson", ".json", ".nrrd", ".nhdr", ".mat")
NUMBER = re.compile(r"\d+(\.\d+)?")
NEEDED = {"apply": ("images",), "evaluate_folder": ("images", "labels"), "export_model": ("export",)}
"""Target to the options that it needs beside those that name a run."""

OF_RUNS = (
    *("study", "run", "seed", "split", "images", "name", "labels", "export"),
    *("mpp", "model", "phantom_model"),
)
"""Options that only the targets of `NEEDED` use."""
ORDINARY = frozenset({"all", "report", "tables", "figures", "crate", "paper"})
"""Targets that use none of them."""
MOST_NAMED = 8
"""Trained splits and seeds that a message names."""


@dataclass(frozen=True)
class Asked:
    """What a trained run is to be applied to.

    Attributes:
        plan: The study of the run; of a packed model as far as it is packed.
        run: The run.
        split: The split that it was trained on.
        seed: Its seed.
        is_rendered: Whether the pictures of its study are made from other files.
        model: What a packed model is called; empty for a run of a study.
        folder: Name of the results.
        newcomers: The images.
        labels: Sample to its label file, of those that have one.
    """

    plan: StudyPlan
    run: str
    split: str
    seed: int
    is_rendered: bool = False
    model: str = ""
    folder: str = ""
    newcomers: Newcomers = field(default_factory=Newcomers)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def label_files(self) -> list[str]:
        """Every file that the labels are made of, each once."""
        labels = [Path(path) for path in self.labels.values()]
        return list(dict.fromkeys(file.as_posix() for path in labels for file in (path, *data_files(path))))

    def rows(self, *, labelled: bool = False) -> list[dict[str, object]]:
        """The images as rows of `apply_run`, with their labels."""
        rows = self.newcomers.rows(self.plan.study.data.mpp)
        runs = [self.plan.study.runs[name] for name, _ in self.plan.trained(self.run, self.seed)]
        for cells in modalities.ask("new_cells"):
            more = cells(self.newcomers.samples, runs)
            rows = [row | more.get(str(row["sample"]), {}) for row in rows]
        return [row | {"label": self.labels[str(row["sample"])]} for row in rows] if labelled else rows


def ask(
    workflow: Workflow, plans: Mapping[str, StudyPlan], needed: Sequence[str], *, at: Layout | None = None
) -> Asked:
    """Check the options that name a trained run and what is to be done with it, and look at the images.

    Args:
        workflow: The options.
        plans: The studies that run.
        needed: Which of `images`, `labels` and `export` the target needs.
        at: Where the results are, so that the card of the run says what it was trained on.

    Raises:
        ConfigurationError: An option is missing, or names nothing that exists, or an image does not fit.
        ValueError: The packed model is none, or this version cannot use it.
        OSError: It cannot be read.
    """
    packed = read_archive(Path(workflow.model)) if workflow.model else None
    found, faults = _packed_run(workflow, packed, needed) if packed else _named_run(workflow, plans)
    newcomers, labels = Newcomers(), {}
    if "images" in needed:
        newcomers = _newcomers(workflow, found)
        labels = pair_labels(newcomers.samples, Path(workflow.labels)) if workflow.labels else {}
        faults += _image_faults(workflow.images, newcomers)
        if found:
            with remembered(HEADERS):
                looks = modalities.ask("check_new_images")
                faults += [one for look in looks for one in look(found.plan.study, newcomers.samples)]
        expected = packed.expected if packed else found and _expected(found, at)
        factor = found.plan.study.data.downsample if found else 1
        faults += _unlike_faults(workflow, newcomers, _native(expected, factor)) if expected else []
    if "labels" in needed and newcomers.samples:
        faults += _label_faults(workflow.labels, newcomers.samples, labels)
        if found:
            checks = modalities.ask("check_new_labels")
            faults += [fault for check in checks for fault in check(found.plan.study, list(labels.values()))]
    faults += unfit_faults("labels", map(Path, labels.values()))
    faults += _export_faults(workflow) if "export" in needed else []
    folder = workflow.name or results_name(Path(str(workflow.images)))
    if found and at and "images" in needed:
        faults += _name_faults(workflow, found, at)
        faults += _evaluated_faults(workflow, found, at, folder) if "labels" in needed else []
    raise_faults(faults)
    if "images" not in needed:
        return found
    return replace(found, folder=folder, newcomers=newcomers, labels=labels)


def _named_run(workflow: Workflow, plans: Mapping[str, StudyPlan]) -> tuple[Asked | None, list[Fault]]:
    """The run that study, run, split and seed name."""
    faults = _run_faults(workflow, plans)
    if faults:
        return None, faults
    plan = plans[str(workflow.study)]
    return Asked(plan, str(workflow.run), workflow.split, workflow.seed, has_rendered_pictures(plan)), []


def has_rendered_pictures(plan: StudyPlan) -> bool:
    """Whether the pictures of a study are made from other files."""
    return any(ask_of(plan) for ask_of in modalities.ask("is_rendered"))


def _packed_run(workflow: Workflow, packed: Packed, needed: Sequence[str]) -> tuple[Asked, list[Fault]]:
    """The run in a packed model."""
    plan = StudyPlan(packed.study, packed.scale, {}, Path(), {}, {})
    given = {"study": workflow.study, "run": workflow.run}
    faults = [
        Fault(f"--config {name}", repr(value), "nothing beside `model`, which holds one run")
        for name, value in given.items()
        if value is not None
    ]
    if "export" in needed:
        faults.append(Fault("--config model", repr(workflow.model), "study and run, to pack one"))
    return Asked(plan, packed.run, packed.split, packed.seed, packed.rendered, model_name(packed)), faults


def model_name(packed: Packed) -> str:
    """What results of a packed model are filed under: its name and a digest of all that it holds."""
    return f"{plain_name(packed.path.stem, 'model')}-{packed.digest[:8]}"


def _newcomers(workflow: Workflow, found: Asked | None) -> Newcomers:
    """The images, with the pixel size that the options say, if they say one."""
    if not workflow.images:
        return Newcomers()
    plan = found.plan if found else None
    trained = plan.trained(found.run, found.seed) if plan else []
    runs = [plan.study.runs[name] for name, _ in trained]
    with remembered(HEADERS):
        rendered = found.is_rendered if found else False
        newcomers = find_newcomers(Path(workflow.images), plan and plan.study, runs, is_rendered=rendered)
    return newcomers.of_size(workflow.mpp) if workflow.mpp else newcomers


def _expected(found: Asked, at: Layout | None) -> Expected:
    """What a run of a study was trained on: as its card says, or else, before it is trained, the study."""
    member, seed = found.plan.trained(found.run, found.seed)[0]
    names = {"study": found.plan.study.name, "split": found.split, "run": member, "seed": seed}
    card = Path(at.run(CARD_NAME).format(**names)) if at else None
    if card and card.is_file():
        known = {key: value for key, value in read_card(card).items() if key in Expected.model_fields}
        if {"classes", "channels", "data_kind"} <= set(known):
            return Expected.model_validate(known)
    data, is_phantom = found.plan.study.data, found.plan.data_kind == "phantom"
    return Expected(
        classes=tuple(data.classes),
        channels=data.channels,
        mpp=(data.mpp * data.downsample,) * 2 if data.mpp else None,
        modality=found.plan.study.runs[member].view,
        data_kind="phantom" if is_phantom else "real",
    )


def _name_faults(workflow: Workflow, found: Asked, at: Layout) -> list[Fault]:
    """A chosen name whose results are those of another folder."""
    if not workflow.name or not workflow.images:
        return []
    folder = _folder_of(found, at, f"applied/{workflow.name}")
    other = _before(folder / SUMMARY, "image", workflow.images)
    text = f"'{workflow.name}', which holds the results of {other}"
    return [Fault("--config name", text, f"another name, or none; or delete {folder}")] if other else []


def _evaluated_faults(workflow: Workflow, found: Asked, at: Layout, name: str) -> list[Fault]:
    """Images that were evaluated by other labels, whose results would be lost."""
    if not workflow.images or not workflow.labels:
        return []
    folder = _folder_of(found, at, f"evaluated/{name}")
    other = _before(folder / MEASURED, "label", workflow.labels)
    text = f"'{workflow.labels}' for images that were evaluated by the labels in {other}"
    expected = f"a name of their own for these results (name=…); or delete {folder}"
    return [Fault("--config labels", text, expected)] if other else []


def _folder_of(found: Asked, at: Layout, name: str) -> Path:
    """The folder of some results of a run, or of a packed model."""
    names = {"study": found.plan.study.name, "split": found.split, "run": found.run, "seed": found.seed}
    return Path((at.model if found.model else at.run)(name).format(model=found.model, **names))


def _before(table: Path, column: str, folder: str) -> str:
    """The other folder that the files in a column of a table of results are of; empty if it is this one."""
    if not table.is_file():
        return ""
    with table.open(encoding="utf-8") as lines:
        first = next(csv.DictReader(lines, delimiter="\t"), {})
    other = Path(first.get(column, "")).parent
    given = Path(folder).resolve()
    return "" if other.resolve() in (given, given.parent if given.is_file() else given) else other.as_posix()


def _native(expected: Expected, factor: int) -> Expected:
    """What files were like of which a run has seen fewer pixels, each of them `factor` a side."""
    sizes = expected.mpp and (expected.mpp[0] / factor, expected.mpp[1] / factor)
    return expected.model_copy(update={"mpp": sizes})


def _unlike_faults(workflow: Workflow, newcomers: Newcomers, expected: Expected) -> list[Fault]:
    """Images that are not like those of training, or are real where those were simulated."""
    faults = list(unlike(newcomers, expected, mpp=workflow.mpp))
    if expected.data_kind == "phantom" and not workflow.phantom_model:
        found = "a run that was trained on simulated images: what it says of real ones means nothing"
        remedy = "one that was trained on real images (another scale?), or phantom_model=true for a trial"
        faults.append(Fault("--config phantom_model", found, remedy))
    return faults


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
    one folder, whichever way its path is written.
    """
    listed = list(samples)
    images = {Path(one.image).resolve() for one in listed}
    there = [path for path in sorted(folder.iterdir()) if not is_hidden(path)] if folder.is_dir() else []
    labels = {
        _composed(path.stem): path.as_posix()
        for suffix in reversed(LABEL_SUFFIXES)
        for path in there
        if path.suffix.lower() == suffix and path.resolve() not in images
    }
    stems = {one.sample: _composed(Path(one.image).stem) for one in listed}
    return {sample: labels[stem] for sample, stem in stems.items() if stem in labels}


def _composed(name: str) -> str:
    """A name in one Unicode form; archives of macOS take letters with marks apart."""
    return unicodedata.normalize("NFC", name)


def _run_faults(workflow: Workflow, plans: Mapping[str, StudyPlan]) -> list[Fault]:
    study = plans.get(str(workflow.study))
    if study is None:
        fault = _unknown("study", workflow.study, plans)
        others = "" if workflow.study is None else f"; or name it in `studies`, too: studies={workflow.study}"
        return [replace(fault, expected=fault.expected + others)]
    if workflow.run not in study.study.runs:
        return [_unknown("run", workflow.run, study.study.runs)]
    if any(study.study.runs[member].classifier for member in study.members_of(str(workflow.run))):
        expected = "a run of networks, as pixel classifiers are neither packed nor applied to other images"
        return [Fault("--config run", f"'{workflow.run}', a pixel classifier or made of one", expected)]
    trained = [(split, seed) for split, run, seed in study.every_trained() if run == workflow.run]
    if (workflow.split, workflow.seed) not in trained:
        found = f"split '{workflow.split}', seed {workflow.seed}"
        known = "; ".join(f"split={split} seed={seed}" for split, seed in trained[:MOST_NAMED])
        expected = f"a trained one of run '{workflow.run}': {known}{'; …' * (len(trained) > MOST_NAMED)}"
        return [Fault("--config split, seed", found, expected)]
    return []


def _export_faults(workflow: Workflow) -> list[Fault]:
    if workflow.export:
        return []
    return [Fault("--config export", "nothing", "the folder that gets the packed model")]


def _unknown(option: str, value: str | None, known: Iterable[str]) -> Fault:
    """An option that names nothing, or is not there at all."""
    if value is None:
        return Fault(f"--config {option}", "nothing", f"one of: {', '.join(sorted(known))}")
    expected = nearest(value, known)
    if NUMBER.fullmatch(value):
        expected += (
            f"; Snakemake reads 007 as 7 and 1e3 as 1000.0: write {option}: '007' in config/config.yaml"
        )
    return Fault(f"--config {option}", repr(value), expected)


def _quoted(folder: str | None) -> str:
    return repr(folder) if folder else "nothing"


def _image_faults(folder: str | None, found: Newcomers) -> list[Fault]:
    if found.samples:
        return [*same_names(found.samples), *found.faults]
    others = [name for name, _ in found.notes]
    holds = f", which holds {listing(others)}" if others and Path(str(folder)).is_dir() else ""
    expected = f"a folder with {found.wanted}, or one such file"
    return [*found.faults, Fault("--config images", f"{_quoted(folder)}{holds}", expected)]


def _label_faults(folder: str | None, samples: Sequence[Sample], paired: Mapping[str, str]) -> list[Fault]:
    expected = f"a folder with a label of each image's name ({', '.join(LABEL_SUFFIXES)})"
    if not folder or not Path(folder).is_dir():
        return [Fault("--config labels", _quoted(folder), expected)]
    missing = list(dict.fromkeys(Path(one.image).stem for one in samples if one.sample not in paired))
    if not missing:
        return list(_page_faults(samples, paired))
    return [Fault("--config labels", f"{folder!r} without a label for {listing(missing)}", expected)]


def _page_faults(samples: Sequence[Sample], paired: Mapping[str, str]) -> Iterator[Fault]:
    """Labels that have no page for a page of their image, or several for an image that is one."""
    wrong: dict[str, str] = {}
    with remembered(HEADERS):
        for one in samples:
            pages = _pages(Path(paired[one.sample]))
            if one.page is None and pages > 1:
                wrong[paired[one.sample]] = f"{pages} pages of a label for one image"
            elif one.page is not None and one.page >= pages > 0:
                wrong[paired[one.sample]] = (
                    f"{pages} page{'s' * (pages > 1)} of labels for the stack of images"
                )
    for label, found in wrong.items():
        expected = "a label image with a page for each page of its image (outlines are of one page)"
        yield Fault("--config labels", f"{found}, in '{label}'", expected)


def _pages(label: Path) -> int:
    """The pages of a label file that may be the label; 0 where it cannot be read, which its row will say."""
    if label.suffix.lower() in OUTLINES:
        return 1
    try:
        found = header_of(label.as_posix())
    except (ValueError, OSError):
        return 0
    return found.pages if found.is_stack else 1
