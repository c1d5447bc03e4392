# SPDX-License-Identifier: MIT
"""How long jobs will take: by their benchmark files of an earlier run, and by those that are done."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from microtome.workflow.progress.jobs import Planned

SECONDS = "s"
"""Column of a benchmark file: wall time."""
DAMPING = 20.0
"""Seconds of jobs by which the first few do not yet tell how slow the machine is."""
Key = tuple[str, ...]


@dataclass
class Sum:
    """Seconds of some jobs, and how many these are."""

    seconds: float = 0.0
    jobs: int = 0

    def add(self, seconds: float) -> None:
        """One more job."""
        self.seconds += seconds
        self.jobs += 1

    @property
    def mean(self) -> float:
        """Seconds of a job."""
        return self.seconds / self.jobs


class Times:
    """What jobs took, and what others like them are expected to take.

    Args:
        planned: All jobs of a run of the workflow; their benchmark files are read, which an earlier run left.
    """

    def __init__(self, planned: Iterable[Planned]) -> None:
        self._own: dict[Planned, float] = {}
        self._earlier: dict[Key, Sum] = {}
        self._now: dict[Key, Sum] = {}
        self._took, self._expected = DAMPING, DAMPING
        for job in planned:
            if (seconds := seconds_of(job.times)) is not None:
                self._own[job] = seconds
                _add(self._earlier, job, seconds)

    def add(self, job: Planned, seconds: float) -> None:
        """A job was done in so many seconds."""
        if job in self._own:
            self._took, self._expected = self._took + seconds, self._expected + self._own[job]
        _add(self._now, job, seconds)

    def expected(self, job: Planned) -> float | None:
        """Seconds of a job; None: nothing like it is known.

        It is taken to last what it lasted in an earlier run, longer or shorter as the others did; else what
        jobs of its rule and study last, or else of its rule. One that does not train may be taken for any
        other such.
        """
        slower = self._took / self._expected
        if job in self._own:
            return self._own[job] * slower
        for key in _keys(job):
            if key in self._now:
                return self._now[key].mean
            if key in self._earlier:
                return self._earlier[key].mean * slower
        return None


def _keys(job: Planned) -> tuple[Key, ...]:
    """What a job is like, the likest first."""
    return (job.rule, job.study), (job.rule,), *(() if job.trains else ((),))


def _add(sums: dict[Key, Sum], job: Planned, seconds: float) -> None:
    for key in _keys(job):
        sums.setdefault(key, Sum()).add(seconds)


def seconds_of(file: Path | None) -> float | None:
    """Wall seconds in a benchmark file; None if there is none, or no number can be read in it."""
    if file is None:
        return None
    try:
        rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
        return sum(float(row[SECONDS]) for row in rows) if rows else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
