# SPDX-License-Identifier: MIT
"""A new study from a folder of images: look at it, write study file, sheets and boxes, say what is open."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from microtome.config.load import STUDY_FOLDER
from microtome.config.project import WORKFLOW
from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError, Fault, raise_faults
from microtome.files import finished_file
from microtome.provenance.environment import nvidia_gpus, usable_threads
from microtome.stages.slides.propose import propose_sections
from microtome.study.load import load_plans
from microtome.study.survey import text
from microtome.study.survey.draft import Draft, decide
from microtome.study.survey.look import Looked, look, with_boxes
from microtome.study.survey.settings import Machine

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
RESERVED = frozenset({"benchmarks", "reports", "workflow"})
NO_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "none", "nan", "inf", "infinity"})
"""Words that are read as something else than text where a study is asked for."""
SCALES = ("demo", "full")


@dataclass(frozen=True)
class Made:
    """A study that was written.

    Attributes:
        draft: What it says.
        files: What was written, from the project's folder on.
        faults: What `snakemake -n` finds wrong with it: what a person has to settle first.
    """

    draft: Draft
    files: tuple[Path, ...]
    faults: tuple[Fault, ...]


def new_study(name: str, images: Path, labels: Path | None = None, *, machine: Machine | None = None) -> Made:
    """Make a study of a folder of images, and its sample sheet, in the project that is the current folder.

    Args:
        name: Of the study.
        images: Folder of the images, and of the labels where they have no folder of their own.
        labels: Folder of the labels, if they have one.
        machine: What networks are trained on; None: this one.

    Raises:
        ValueError: The name cannot be a study's, or the folder holds no images, or labels that are none.
        FileExistsError: One of the files is there already.
    """
    _check_name(name)
    paths = [STUDY_FOLDER / f"{name}.yaml", Path(f"config/samples/{name}.tsv")]
    sections = Path(f"config/samples/{name}/sections")
    _refuse_to_replace([*paths, Path(f"config/samples/{name}-demo.tsv"), sections])
    looked = look(images, labels)
    if looked.kind == "slides" and looked.is_labelled:
        looked = _with_sections(looked, sections)
    draft = decide(name, looked, machine or this_machine())
    command = _command(name, images, labels)
    contents = {
        paths[0]: text.study_text(draft, project=Path.cwd(), command=command),
        paths[1]: text.sheet_text(draft, project=Path.cwd()),
    }
    if text.has_demo_sheet(draft):
        contents[text.sheet_of(draft, demo=True)] = text.sheet_text(draft, project=Path.cwd(), demo=True)
    for path, content in contents.items():
        with finished_file(path) as partial:
            partial.write_text(content, encoding="utf-8")
    return Made(draft, (*contents, *looked.boxes.values()), tuple(_faults(name)))


def asked_study(name: str | None, images: str | None, labels: str | None) -> str:
    """Make the study that options of the command line ask for, and say so.

    Raises:
        ConfigurationError: An option is missing.
    """
    given = {"study": name, "images": images}
    expected = {"study": "the name of the new study", "images": "the folder of its images"}
    raise_faults([Fault(f"--config {key}", "nothing", expected[key]) for key in given if not given[key]])
    return report(new_study(str(name), Path(str(images)), Path(labels) if labels else None))


def _check_name(name: str) -> None:
    refused = RESERVED | NO_TEXT
    if not NAME.fullmatch(name) or name.casefold() in refused:
        expected = "a letter, then letters, digits, '-' and '_', as it becomes a file name"
        msg = f"found the name '{name}'; expected {expected}, and none of {', '.join(sorted(refused))}"
        raise ValueError(msg)


def _refuse_to_replace(paths: Sequence[Path]) -> None:
    there = [path for path in paths if path.exists()]
    if there:
        msg = f"{', '.join(map(str, there))}: there already; delete it, or choose another name"
        raise FileExistsError(msg)


def _with_sections(looked: Looked, folder: Path) -> Looked:
    """The same with sections of its slides, proposed and written, each called by the annotations in it."""
    proposed = propose_sections(looked.pictures, looked.labels, folder)
    return with_boxes(looked, {one: folder / f"{one}.geojson" for one in proposed.samples}, proposed.mixed)


def this_machine() -> Machine:
    """What this machine has: threads, memory, the largest GPU that the NVIDIA driver shows."""
    gpus = nvidia_gpus()
    largest = max(gpus, key=lambda gpu: gpu["memory_bytes"] or 0, default={"name": "", "memory_bytes": 0})
    memory = int(psutil.virtual_memory().total)
    return Machine(usable_threads(), memory, largest["name"], int(largest["memory_bytes"] or 0))


def _command(name: str, images: Path, labels: Path | None) -> str:
    """The command line, as it is typed."""
    words = ["python", "-m", "microtome", "new", name, "--images", str(images)]
    return shlex.join([*words, *(["--labels", str(labels)] if labels is not None else [])])


def _faults(name: str) -> list[Fault]:
    """What is wrong with the study at any of its scales."""
    found: list[Fault] = []
    for scale in SCALES:
        try:
            load_plans(Workflow(scale=scale, studies=(name,)))
        except ConfigurationError as error:
            found += error.faults
    return list(dict.fromkeys(found))


def report(made: Made) -> str:
    """What was found, what is open, what was written, and what to do next, as text."""
    draft = made.draft
    lines = ["found", *(f"  {name:<11}{value}" for name, value in text.found_lines(draft))]
    if left := text.left_out_lines(draft):
        lines += ["left out", *(f"  {line}" for line in left)]
    asked = [f"{one.text}: {one.option}" for one in draft.questions] + [str(fault) for fault in made.faults]
    if asked:
        lines += ["to settle", *(f"  {number}. {line}" for number, line in enumerate(asked, 1))]
    shown = [path.as_posix() for path in made.files if path.suffix != ".geojson"]
    count = len(made.files) - len(shown)
    if count:
        shown.append(f"config/samples/{draft.name}/sections/ ({count} files of boxes)")
    lines += ["written", *(f"  {path}" for path in shown), "next", *_next(draft)]
    return "\n".join(lines) + "\n"


def _next(draft: Draft) -> list[str]:
    """The commands that come next, each with what it does; in a project elsewhere they name the workflow."""
    elsewhere = "" if Path.cwd() == WORKFLOW else f" -s {shlex.quote(str(WORKFLOW / 'Snakefile'))}"
    command, study = f"snakemake{elsewhere}", f"--config studies={draft.name}"
    steps = [
        (f"{command} -n {study}", "checks everything, runs nothing"),
        (f"{command} --cores 2 {study}", "scale demo: minutes, to see that all goes through"),
    ]
    if draft.is_trained:
        steps.append((f"{command} --cores 2 {study} scale=full", "as in the file"))
    width = max(len(command) for command, _ in steps)
    return [f"  {command:<{width}}  # {what}" for command, what in steps]
