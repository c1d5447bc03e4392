# SPDX-License-Identifier: MIT
"""What is said of a run of the workflow: how far it is, each training that is done, and what came of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import isfinite

from microtome.workflow.progress.jobs import Epoch, Failed, Planned, Running
from microtome.workflow.progress.state import Progress

MINUTE, HOUR, DAY = 60, 3600, 86400
UNITS = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s"))
LIMITS = ((HOUR, MINUTE), (6 * HOUR, 5 * MINUTE), (float("inf"), HOUR))
"""Below so many seconds a guess is rounded to so many."""
SHOWN = 2
"""Jobs that are named in a line, the longest at work first; of others the number."""


def duration(seconds: float) -> str:
    """A time as people say it.

    Example:
        >>> [duration(seconds) for seconds in (0.4, 59, 61, 3700, 200_000)]
        ['0 s', '59 s', '1 min 1 s', '1 h 1 min', '2 d 7 h']
    """
    whole = round(seconds)
    for unit, name, below, small in UNITS:
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def rough(seconds: float) -> str:
    """A time that is guessed, no more exact than a guess can be.

    Example:
        >>> [rough(seconds) for seconds in (20, 170, 4000, 40_000, 400_000)]
        ['less than a minute', 'about 3 min', 'about 1 h 5 min', 'about 11 h', 'about 4 d 15 h']
    """
    if seconds < MINUTE:
        return "less than a minute"
    step = next(step for limit, step in LIMITS if seconds < limit)
    return f"about {duration(round(seconds / step) * step)}"


def status(progress: Progress, now: float) -> str:
    """How far a run is: jobs done, the time left, and what is at work.

    Example:
        >>> progress = Progress({1: Planned("draw"), 2: Planned("draw")}, 0.0)
        >>> progress.start(1, Planned("draw"), "nuclei: figure tissue", None, 0.0)
        >>> status(progress, 5.0)
        '0 of 2 jobs done (0 %) | nuclei: figure tissue'
    """
    done, total = len(progress.done), progress.total
    parts = [f"{done} of {total} jobs done ({100 * done // max(total, 1)} %)"]
    if progress.failed:
        parts[0] += f", {len(progress.failed)} failed"
    if (left := progress.left(now)) is not None:
        parts.append(f"{rough(left)} left")
    parts.append(_at_work(list(progress.running.values())) or "no job is at work")
    if progress.queued:
        parts.append(f"{len(progress.queued)} in the queue")
    return " | ".join(parts)


def _at_work(running: Sequence[Running]) -> str:
    """The jobs at work: trainings before others, then those that began first."""
    ordered = sorted(running, key=lambda one: (not one.job.trains, one.since))
    named = [_named(one) for one in ordered[:SHOWN]]
    more = [f"{len(ordered) - SHOWN} more"] if len(ordered) > SHOWN else []
    return "; ".join([*named, *more])


def _named(running: Running) -> str:
    epoch = running.epoch
    if epoch is None:
        return running.label
    of = f" of {running.job.epochs}" if running.job.epochs else ""
    return f"{running.label}, epoch {epoch.number}{of}, {_losses(epoch)}"


def _losses(epoch: Epoch) -> str:
    """The losses of an epoch.

    Example:
        >>> _losses(Epoch(3, 0.12345, 0.2)), _losses(Epoch(3, 17.4, float("nan")))
        ('loss 0.1235, validation 0.2', 'loss 17.4')
    """
    validation = f", validation {epoch.validation:.4g}" if isfinite(epoch.validation) else ""
    return f"loss {epoch.loss:.4g}{validation}"


def trained(running: Running, seconds: float) -> str:
    """That a training is done."""
    epoch = running.epoch
    found = f": {epoch.number} epochs, {_losses(epoch)}" if epoch else ""
    return f"{running.label}: done in {duration(seconds)}{found}"


def planned(jobs: Iterable[Planned]) -> str:
    """What is to be done: how many jobs, of which studies.

    Example:
        >>> planned([Planned("train", "nuclei"), Planned("train", "bcc"), Planned("report_page")])
        '3 jobs to do (2 trainings): bcc 1, nuclei 1, all studies 1'
    """
    jobs = list(jobs)
    counts = Counter(job.study for job in jobs)
    studies = [
        f"{study or 'all studies'} {counts[study]}" for study in sorted(counts, key=lambda s: (not s, s))
    ]
    trainings = sum(job.trains for job in jobs)
    told = f" ({trainings} {_plural(trainings, 'training')})" if trainings else ""
    return f"{len(jobs)} {_plural(len(jobs), 'job')} to do{told}: {', '.join(studies)}"


def summary(progress: Progress, now: float, *, products: Sequence[str] = ()) -> str:
    """What came of a run: jobs done, each job that failed with its reason and log, and the files to look at.

    Args:
        progress: The run, at its end.
        now: The time.
        products: What a person looks at first, a line each.
    """
    took = f"in {duration(now - progress.began)}"
    done, total = len(progress.done), progress.total
    lines = []
    if done == total:
        lines.append(f"{_all(total)} done, {took}.")
    else:
        failed = f"{len(progress.failed)} failed, " if progress.failed else ""
        waits = progress.not_run
        left = f"{waits} {_was(waits)} not run"
        lines.append(f"{done} of {total} jobs {_is(done)} done, {failed}{left}, {took}.")
    for one in progress.failed.values():
        lines += _failure(one)
    if done < total:
        cause = "Mend the cause; the" if progress.failed else "The"
        lines.append(f"{cause} same command goes on from here.")
    return "\n".join([*lines, *products])


def _failure(failed: Failed) -> list[str]:
    """A job that failed, its reason and its log."""
    reason = [f"    {failed.message}"] if failed.message else []
    log = f"log: {failed.log}" if failed.log else "it has no log"
    return [f"  failed: {failed.label}", *reason, f"    {log}"]


def _all(total: int) -> str:
    return f"All {total} jobs are" if total > 1 else "The job is"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
