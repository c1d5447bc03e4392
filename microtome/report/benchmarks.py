# SPDX-License-Identifier: MIT
"""Time and memory per rule, from the files of Snakemake's ``benchmark:`` directive."""

import csv
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from microtome.io import views
from microtome.report.inputs import Jobs, RuleUsage, RunInput

SECONDS = "s"
MEMORY = "max_rss"
FETCH = "fetch_"
ASKED_BESIDES = frozenset({"apply_run", "apply_model", "evaluate_applied", "evaluate_model", "export_run"})
"""Rules whose jobs are asked for one by one, and make nothing that the report shows."""
RUN_PARTS = 3
"""Split, run and seed."""
Job = tuple[float | None, float | None]
"""Wall seconds and peak resident memory in MiB, each None where it is not known."""


def read_benchmarks(folder: Path, studies: Mapping[str, Jobs | None]) -> tuple[RuleUsage, ...]:
    """Add up the benchmark files of the jobs of some studies: one entry per rule, the longest total first.

    Files of other studies and of jobs that there are no more (of a removed run, a renamed table) stay on disk
    and do not count.

    Args:
        folder: The folder of benchmark files: ``{rule}/{study}/….tsv``, ``{rule}/{study}.tsv``,
            ``{rule}.tsv``, or ``{study}/{rule}/….tsv``.
        studies: The jobs of each study, by its name; None: all that are its.
    """
    jobs: dict[str, list[Job]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        place = path.relative_to(folder)
        if is_shown(place, studies):
            jobs.setdefault(rule_of(place, studies), []).append(_read_job(path))
    usages = [_usage(rule, found) for rule, found in jobs.items()]
    return tuple(sorted(usages, key=lambda usage: (-usage.total_seconds, usage.rule)))


def is_shown(path: Path, studies: Mapping[str, Jobs | None]) -> bool:
    """Whether a benchmark file is that of a job of one of the studies.

    Example:
        >>> jobs = Jobs(runs=frozenset({("main", "unet", "0")}), batches=frozenset({"test-0"}))
        >>> [is_shown(Path("predict/s/main", run, "0/test-0.tsv"), {"s": jobs}) for run in ("unet", "gone")]
        [True, False]
    """
    parts = path.with_suffix("").parts
    places = [number for number, part in enumerate(parts[:2]) if part in studies]
    if not places:
        return _is_common(parts, studies)
    at = places[-1]
    rule, rest, jobs = (
        parts[0 if at else 1] if len(parts) > 1 else "",
        parts[max(at, 1) + 1 :],
        studies[parts[at]],
    )
    return rule not in ASKED_BESIDES and (jobs is None or _is_of(rule, rest, jobs))


def _is_common(parts: Sequence[str], studies: Mapping[str, Jobs | None]) -> bool:
    """Whether a job without a study fetches a data set that one of them shows, or jobs are not known."""
    known = [jobs for jobs in studies.values() if jobs is not None]
    fetched = {f"{FETCH}{jobs.dataset}" for jobs in known if jobs.dataset}
    return len(parts) == 1 and (parts[0] in fetched or len(known) < len(studies))


def _is_of(rule: str, rest: Sequence[str], jobs: Jobs) -> bool:
    """Whether what a path names beside rule and study is all the study's."""
    if rule in jobs.names:
        return len(rest) == 1 and rest[0] in jobs.names[rule]
    of_run = tuple(rest[:RUN_PARTS])
    if of_run in jobs.runs:
        return jobs.batches.issuperset(rest[RUN_PARTS:])
    return (jobs.batches | jobs.names.get("", frozenset())).issuperset(rest)


def complete(jobs: Jobs, folder: Path, runs: Sequence[RunInput], samples: Collection[str]) -> Jobs:
    """Add to the jobs of a study what its results tell: the runs behind ensembles, and the batches.

    Args:
        jobs: What the study file tells.
        folder: Folder of the study; a batch has a folder of images there, also where it is none any more.
        runs: Its runs, read; the card of an ensemble names the runs that were trained for it.
        samples: All samples; a batch that holds others is none any more. Without any, all batches count.
    """
    trained = {
        (run.expected.split, one["run"], str(one["seed"]))
        for run in runs
        for one in ((run.card or {}).get("network") or {}).get("trained") or ()
    }
    batches = (path for path in folder.glob("images/*") if path.is_dir())
    present = (path.name for path in batches if not samples or set(samples) >= set(views.samples(path)))
    return replace(jobs, runs=jobs.runs | trained, batches=jobs.batches | frozenset(present))


def rule_of(path: Path, studies: Collection[str] = ()) -> str:
    """Name the rule of a benchmark file by its first folder, or by its own name.

    Example:
        >>> rule_of(Path("membranes/train/unet.tsv"), ["membranes"]), rule_of(Path("report.tsv"))
        ('train', 'report')
    """
    parts = [part for part in path.with_suffix("").parts if part not in studies]
    return parts[0] if parts else path.stem


def _read_job(path: Path) -> Job:
    """Repeats (several rows) count as one job whose times add up; no seconds if it cannot be read."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    except (OSError, ValueError):
        return None, None
    seconds, peaks = (list(_numbers(row.get(column) for row in rows)) for column in (SECONDS, MEMORY))
    return sum(seconds) if seconds else None, max(peaks, default=None)


def _numbers(cells: Iterable[str | None]) -> Iterator[float]:
    """Those that are numbers: jobs too short to be sampled have "-" or "NA"."""
    for cell in cells:
        with suppress(TypeError, ValueError):
            number = float(cell)
            if math.isfinite(number):
                yield number


def _usage(rule: str, jobs: Sequence[Job]) -> RuleUsage:
    seconds = [each for each, _ in jobs if each is not None]
    return RuleUsage(
        rule=rule,
        jobs=len(jobs),
        total_seconds=sum(seconds),
        max_seconds=max(seconds, default=0.0),
        peak_mb=max((peak for _, peak in jobs if peak is not None), default=None),
        unread=len(jobs) - len(seconds),
    )
