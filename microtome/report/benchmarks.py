# SPDX-License-Identifier: MIT
"""Time and memory per rule, from the files of Snakemake's ``benchmark:`` directive."""

import csv
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from microtome.report.inputs import RuleUsage

SECONDS = "s"
MEMORY = "max_rss"
Job = tuple[float | None, float | None]
"""Wall seconds and peak resident memory in MiB, each None where it is not known."""


def read_benchmarks(folder: Path, *, studies: Collection[str] = ()) -> tuple[RuleUsage, ...]:
    """Add up all benchmark files below a folder: one entry per rule, the longest total first.

    Files are ``{rule}/….tsv``, ``{rule}.tsv`` or ``{study}/{rule}/….tsv``, of the names in `studies`.
    """
    jobs: dict[str, list[Job]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        jobs.setdefault(rule_of(path.relative_to(folder), studies), []).append(_read_job(path))
    usages = [_usage(rule, found) for rule, found in jobs.items()]
    return tuple(sorted(usages, key=lambda usage: (-usage.total_seconds, usage.rule)))


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
