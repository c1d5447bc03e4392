# SPDX-License-Identifier: MIT
"""How far a run of the workflow is: which jobs wait, run, are done and failed, and the time that is left."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from microtome.workflow.progress.jobs import Failed, Planned, Running
from microtome.workflow.progress.times import Times

ENOUGH = 20.0
"""Seconds of work after which the time left is said; less tells too little of the machine."""


class Progress:
    """The jobs of a run of the workflow, as Snakemake tells of them, by their ids.

    Args:
        planned: What is to be done.
        now: The time: seconds of a clock, here as everywhere.
        is_local: Whether jobs begin as they are started; those of a cluster wait in its queue first.
    """

    def __init__(self, planned: Mapping[int, Planned], now: float, *, is_local: bool = True) -> None:
        self.planned = dict(planned)
        self.began = now
        self.queued: dict[int, Running] = {}
        self.running: dict[int, Running] = {}
        self.done: set[int] = set()
        self.failed: dict[int, Failed] = {}
        self._is_local = is_local
        self._times = Times(self.planned.values())
        self._work = 0.0

    @property
    def total(self) -> int:
        """How many jobs there are in all."""
        return len(self.planned)

    @property
    def not_run(self) -> int:
        """How many jobs are neither done nor failed."""
        return self.total - len(self.done) - len(self.failed)

    def start(self, number: int, job: Planned, label: str, log: Path | None, now: float) -> None:
        """A job is started, or submitted to a cluster; again, where it failed before."""
        self.planned.setdefault(number, job)
        self.failed.pop(number, None)
        place = self.running if self._is_local else self.queued
        place[number] = Running(self.planned[number], label, log, now)

    def look(self, now: float) -> None:
        """See which jobs have left the queue of a cluster."""
        for number, one in list(self.queued.items()):
            if one.has_begun:
                self.running[number] = Running(one.job, one.label, one.log, now)
                del self.queued[number]

    def finish(self, number: int, now: float) -> tuple[Running, float] | None:
        """A job is done: what it was, and its seconds; None if it was not known to run."""
        self.done.add(number)
        self.failed.pop(number, None)
        self.planned.setdefault(number, Planned(""))
        found = self._end(number)
        if found is None:
            return None
        seconds = now - found.since
        self._times.add(found.job, seconds)
        self._work += seconds
        return found, seconds

    def fail(self, number: int, label: str, log: Path | None) -> Failed:
        """A job failed; it may be started again."""
        found = self._end(number)
        failed = Failed(found.label if found else label, log)
        if number not in self.done:  # of a group, those that were done are told of, too
            self.failed[number] = failed
        return failed

    def _end(self, number: int) -> Running | None:
        return self.running.pop(number, None) or self.queued.pop(number, None)

    def left(self, now: float) -> float | None:
        """Seconds until all is done, if as many jobs at once go on; None: it is not known yet.

        What a training takes is known by its epochs; that of those that wait, by others of their study, or
        by any that runs.
        """
        known = {number: _whole(one, now) for number, one in self.running.items()}
        trained = [seconds for number, seconds in known.items() if seconds and self.planned[number].trains]
        amounts = []
        for number in self.planned.keys() - self.done - self.failed.keys():
            whole = known.get(number) or self._times.expected(self.planned[number])
            if whole is None and self.planned[number].trains and trained:
                whole = fmean(trained)
            if whole is None:
                return None
            past = now - self.running[number].since if number in self.running else 0.0
            amounts.append(max(0.0, whole - past))
        work = self._work + sum(now - one.since for one in self.running.values())
        return sum(amounts) * (now - self.began) / work if work >= ENOUGH else None


def _whole(running: Running, now: float) -> float | None:
    """Seconds of a training from its beginning to its end, by the epochs that it has done."""
    epoch = running.epoch
    if epoch is None or not running.job.epochs:
        return None
    return (now - running.since) / epoch.number * running.job.epochs
