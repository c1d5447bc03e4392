# SPDX-License-Identifier: MIT
"""What the workflow will take: asks Snakemake for its jobs and the results for what finished ones took."""

import csv
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from microtome.config.base import ConfigurationError
from microtome.config.load import load_workflow
from microtome.config.workflow import Workflow
from microtome.estimate import Estimate, Measured, Planned, as_rows, estimate, render
from microtome.job import finished_file
from microtome.plan import StudyPlan
from microtome.planning import load_plans
from microtome.report.benchmarks import read_job

SCALES = get_args(Workflow.model_fields["scale"].annotation)
Job = Mapping[str, Any]
"""A job as `microtome.workflow_jobs` describes it."""


@dataclass(frozen=True)
class Scale:
    """A scale whose results can be learnt from.

    Attributes:
        name: Its name.
        root: Folder of its results.
        plans: The studies as they are at that scale.
    """

    name: str
    root: Path
    plans: Mapping[str, StudyPlan]


def write_plan(config: Mapping[str, Any], *, python: str) -> str:
    """Estimate what is still to do, and write it as `plan.tsv` beside the results.

    Args:
        config: The configuration of the workflow.
        python: The interpreter that has Snakemake.

    Returns:
        The estimate as text.

    Raises:
        ValueError: Snakemake cannot make the graph of jobs; with its message.
    """
    jobs = ask_jobs(config, python=python)
    workflow = load_workflow(dict(config))
    here, *others = _scales(workflow)
    measured = [found for scale in (here, *others) for found in measure(jobs, scale, planned=here)]
    planned = [_planned(job, here.plans) for job in jobs]
    found = estimate(planned, measured, scale=here.name, others=[scale.name for scale in others])
    _write(here.root / "plan.tsv", found)
    return render(found, devices={scale.name: _devices(scale) for scale in (here, *others)})


def ask_jobs(config: Mapping[str, Any], *, python: str) -> list[dict[str, Any]]:
    """The jobs of the workflow in the current folder.

    Raises:
        ValueError: Snakemake cannot make the graph of jobs.
    """
    command = [python, "-m", "microtome.workflow_jobs"]
    done = subprocess.run(command, input=json.dumps(config), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        msg = f"the graph of jobs could not be made; `snakemake -n` says why:\n{done.stderr.strip()}"
        raise ValueError(msg)
    return json.loads(done.stdout)


def _scales(workflow: Workflow) -> list[Scale]:
    """This scale, then the others that have benchmarks and can be read, the last in the list first."""
    names = [workflow.scale, *(name for name in reversed(SCALES) if name != workflow.scale)]
    return [scale for name in names if (scale := _scale(workflow, name)) is not None]


def _scale(workflow: Workflow, name: str) -> Scale | None:
    root = Path(workflow.results) / name
    if name != workflow.scale and not (root / "benchmarks").is_dir():
        return None
    plans = {}
    for study in workflow.studies:
        options = workflow.model_copy(update={"scale": name, "studies": (study,)})
        try:
            plans |= load_plans(options, look_at_files=False)
        except (ConfigurationError, OSError):
            if name == workflow.scale:
                raise
    return Scale(name, root, plans)


def _planned(job: Job, plans: Mapping[str, StudyPlan]) -> Planned:
    wildcards = job["wildcards"]
    study = wildcards.get("study", "")
    return Planned(
        job["rule"],
        study,
        _name(wildcards),
        work_of(plans[study], job["rule"], wildcards) if study else 1.0,
        job["to_do"],
        threads=job["threads"],
        gpus=job["gpus"],
        after=tuple(job["after"]),
    )


def _name(wildcards: Mapping[str, str]) -> str:
    """What the jobs of a study are most alike in: the run, the table or figure, the stain."""
    return next((wildcards[key] for key in ("run", "name", "stain") if key in wildcards), "")


def work_of(plan: StudyPlan, rule: str, wildcards: Mapping[str, str]) -> float:
    """How many images a job handles, in training times epochs; 1 where it handles none.

    Raises:
        KeyError: The study has no such batch, run or split.
    """
    if "batch" in wildcards:
        return float(len(plan.batches[wildcards["batch"]]))
    if rule == "train":
        settings = plan.study.runs[wildcards["run"]]
        sampler = settings.sampler
        seen = (getattr(sampler, "copies", None) or 0) + (getattr(sampler, "repeats", None) or 1)
        return float(max(1, len(plan.members(wildcards["split"], "train"))) * seen * settings.training.epochs)
    parts = {"evaluate": plan.study.evaluate.parts, "fit_calibration": ("val",)}.get(rule)
    if parts is None:
        return 1.0
    return float(max(1, sum(len(plan.members(wildcards["split"], part)) for part in parts)))


def measure(jobs: Sequence[Job], scale: Scale, *, planned: Scale) -> list[Measured]:
    """The finished jobs of a scale, found by the patterns of the jobs that are planned.

    Args:
        jobs: Jobs of the planned scale.
        scale: The scale to look at.
        planned: The scale of the jobs.
    """
    rules = {job["rule"]: job["patterns"] for job in jobs}
    found = []
    for rule, patterns in rules.items():
        if not patterns["benchmark"]:
            continue
        texts = (patterns["benchmark"], *patterns["outputs"])
        pattern, *outputs = (_moved(text, planned.root, scale.root) for text in texts)
        for path, wildcards in _matching(pattern):
            one = _measured(rule, wildcards, scale, [Path(text.format(**wildcards)) for text in outputs])
            if one is not None:
                found.append(replace(one, seconds=read_job(path, rule).seconds))
    return found


def _moved(pattern: str, root: Path, other: Path) -> str:
    """A pattern below one folder as it is below another; patterns elsewhere stay."""
    path = Path(pattern)
    return (other / path.relative_to(root)).as_posix() if path.is_relative_to(root) else pattern


def _measured(
    rule: str, wildcards: Mapping[str, str], scale: Scale, outputs: Sequence[Path]
) -> Measured | None:
    """A finished job, without its time; None if the study has no such job any more."""
    study = wildcards.get("study", "")
    if study and study not in scale.plans:
        return None
    try:
        work = work_of(scale.plans[study], rule, wildcards) if study else 1.0
    except KeyError:
        return None
    size = sum(_size(path) for path in outputs) if all(path.exists() for path in outputs) else None
    return Measured(scale.name, rule, study, _name(wildcards), work, size=size)


def _matching(pattern: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """The files that match a pattern with wildcards, and what these are.

    Each wildcard of a benchmark's name is one part of its path, or of the file's name.
    """
    expression = re.compile(
        "".join(
            f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part)
            for number, part in enumerate(re.split(r"\{(\w+)\}", pattern))
        )
    )
    start = Path(pattern.partition("{")[0]).parent if "{" in pattern else Path(pattern).parent
    for path in sorted(start.rglob("*.tsv")):
        if match := expression.fullmatch(path.as_posix()):
            yield path, match.groupdict()


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _devices(scale: Scale) -> list[str]:
    """The devices that the run cards of a scale name."""
    cards = scale.root.glob("*/runs/*/*/seed-*/card.json")
    found = {json.loads(card.read_text(encoding="utf-8")).get("device") for card in cards}
    return sorted(str(device) for device in found if device)


def _write(path: Path, found: Estimate) -> None:
    rows = as_rows(found)
    with finished_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
