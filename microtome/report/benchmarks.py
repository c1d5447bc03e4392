# SPDX-License-Identifier: MIT
"""Time and memory per rule, from the files of Snakemake's ``benchmark:`` directive."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from microtome.report.inputs import RuleUsage

SECONDS = "s"
MEMORY = "max_rss"


@dataclass(frozen=True)
class Job:
    """One job: wall seconds and peak resident memory in MiB, each None where it is not known."""

    rule: str
    seconds: float | None
    peak_mb: float | None


def read_benchmarks(folder: Path, *, studies: Collection[str] = ()) -> tuple[RuleUsage, ...]:
    """Add up all benchmark files below a folder.

    Args:
        folder: Holds ``{rule}/….tsv``, ``{rule}.tsv`` or ``{study}/{rule}/….tsv``.
        studies: Names of studies, skipped at the front of a path.

    Returns:
        One entry per rule, the longest total first.
    """
    files = sorted(folder.rglob("*.tsv"))
    return summarize(read_job(path, rule_of(path.relative_to(folder), studies)) for path in files)


def rule_of(path: Path, studies: Collection[str] = ()) -> str:
    """Name the rule of a benchmark file by its first folder, or by its own name.

    Example:
        >>> rule_of(Path("membranes/train/unet.tsv"), ["membranes"]), rule_of(Path("report.tsv"))
        ('train', 'report')
    """
    parts = [part for part in path.with_suffix("").parts if part not in studies]
    return parts[0] if parts else path.stem


def read_job(path: Path, rule: str) -> Job:
    """Read one benchmark file: repeats (several rows) count as one job whose times add up.

    The job has no seconds if the file cannot be read.
    """
    try:
        frame = pd.read_csv(path, sep="\t").reindex(columns=[SECONDS, MEMORY])
    except (OSError, ValueError):
        return Job(rule, None, None)
    numbers = frame.apply(pd.to_numeric, errors="coerce")  # jobs too short to be sampled have "-" or "NA"
    seconds, peaks = (numbers[column].dropna().tolist() for column in (SECONDS, MEMORY))
    return Job(rule, sum(seconds) if seconds else None, max(peaks, default=None))


def summarize(jobs: Iterable[Job]) -> tuple[RuleUsage, ...]:
    """Add up jobs: one entry per rule, the longest total first.

    Example:
        >>> summarize([Job("a", 1.0, None), Job("a", 3.0, 20.0), Job("b", None, None)])[0]
        RuleUsage(rule='a', jobs=2, total_seconds=4.0, max_seconds=3.0, peak_mb=20.0, unread=0)
    """
    by_rule: dict[str, list[Job]] = {}
    for job in jobs:
        by_rule.setdefault(job.rule, []).append(job)
    usages = [_summarize_rule(rule, members) for rule, members in by_rule.items()]
    return tuple(sorted(usages, key=lambda usage: (-usage.total_seconds, usage.rule)))


def _summarize_rule(rule: str, jobs: list[Job]) -> RuleUsage:
    seconds = [job.seconds for job in jobs if job.seconds is not None]
    peaks = [job.peak_mb for job in jobs if job.peak_mb is not None]
    return RuleUsage(
        rule=rule,
        jobs=len(jobs),
        total_seconds=sum(seconds),
        max_seconds=max(seconds, default=0.0),
        peak_mb=max(peaks, default=None),
        unread=len(jobs) - len(seconds),
    )
