# SPDX-License-Identifier: MIT
"""What a workflow will take: hours and bytes of jobs still to do, from what finished jobs of their kind took.

A job's amount of work is the number of images it handles, in training times epochs. Time and bytes are taken
in proportion to it, from the most similar jobs that were measured. What was never measured is unknown, not 0.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

from microtome.formats import size as bytes_text

HOUR = 3600.0
UNKNOWN = "unknown"
KINSHIPS = ("by name", "by study", "by rule")
"""How measured jobs are like the one asked for: the same run, table, figure or stain; its study; its rule."""


@dataclass(frozen=True)
class Planned:
    """One job of the workflow.

    Attributes:
        rule: Its rule.
        study: Its study; empty for the report.
        name: Its run, table or figure; empty where it is of none.
        work: Images it handles, in training times epochs; above 0.
        to_do: Whether it is still to run.
        threads: CPU threads it asks for.
        gpus: GPUs it asks for.
        after: Places, in the list of jobs, of those it waits for.
    """

    rule: str
    study: str
    name: str
    work: float
    to_do: bool
    threads: int = 1
    gpus: int = 0
    after: tuple[int, ...] = ()


@dataclass(frozen=True)
class Measured:
    """One finished job; see `Planned` for what is not said here.

    Attributes:
        scale: The scale it was run at.
        seconds: Wall time; None: not measured.
        size: Bytes of its outputs; None: not known.
    """

    scale: str
    rule: str
    study: str
    name: str
    work: float
    seconds: float | None = None
    size: int | None = None


@dataclass(frozen=True)
class RulePlan:
    """What the jobs of a rule will take.

    Attributes:
        rule: Its name.
        jobs: Jobs in total.
        to_do: Jobs still to do.
        wall_hours: Hours of these, one after the other; None: unknown.
        gpu_hours: Hours times GPUs asked for; None: unknown.
        cpu_hours: Hours times threads asked for; None: unknown.
        disk_bytes: Bytes they will write; None: unknown.
        basis: What the hours come from.
    """

    rule: str
    jobs: int
    to_do: int
    wall_hours: float | None
    gpu_hours: float | None
    cpu_hours: float | None
    disk_bytes: float | None
    basis: str


@dataclass(frozen=True)
class Rate:
    """Amount per image, and where it was found: the scale, and one of `KINSHIPS`."""

    amount: float
    scale: str
    kinship: str


class Experience:
    """Rates of an amount (seconds, bytes) by similarity.

    Args:
        measured: Finished jobs.
        amount: What is asked of them; None where it is not known.
        scales: Scales in the order in which they are asked; the first is the one that is planned.
    """

    def __init__(
        self, measured: Iterable[Measured], amount: Callable[[Measured], float | None], scales: Sequence[str]
    ) -> None:
        self._scales = tuple(scales)
        self._totals: dict[tuple[str, ...], list[float]] = {}
        for job in measured:
            found = amount(job)
            for key in _keys(job.scale, job) if found is not None else ():
                total = self._totals.setdefault(key, [0.0, 0.0])
                total[0] += found
                total[1] += job.work

    def rate(self, job: Planned) -> Rate | None:
        """The rate of the most similar jobs: of the scale that is planned, by name, if there are such."""
        start = 0 if job.name else 1 if job.study else 2
        for scale in self._scales:
            for key, kinship in list(zip(_keys(scale, job), KINSHIPS, strict=True))[start:]:
                if key in self._totals:
                    amount, work = self._totals[key]
                    return Rate(amount / work, scale, kinship)
        return None


def _keys(scale: str, job: Planned | Measured) -> tuple[tuple[str, ...], ...]:
    """From the most similar jobs to the least."""
    whole = (scale, job.rule, job.study, job.name)
    return whole, whole[:3], whole[:2]


@dataclass(frozen=True)
class Estimate:
    """What all will take.

    Attributes:
        rules: One entry a rule, in the order in which jobs can begin.
        chain_hours: The longest chain of jobs that wait for one another; jobs that are unknown count nothing.
        scale: The scale that is planned.
        scales: The scales that anything was taken from.
    """

    rules: tuple[RulePlan, ...]
    chain_hours: float
    scale: str
    scales: tuple[str, ...]

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """Rules with jobs to do of which no time is known."""
        return tuple(rule.rule for rule in self.rules if rule.to_do and rule.wall_hours is None)

    @cached_property
    def known(self) -> bool:
        """Whether anything is known."""
        return any(rule.to_do and rule.wall_hours is not None for rule in self.rules)

    def total(self, field: str) -> float:
        """Sum of a field over the rules where it is known."""
        return sum(getattr(rule, field) or 0 for rule in self.rules)


def estimate(
    jobs: Sequence[Planned], measured: Sequence[Measured], *, scale: str, others: Sequence[str] = ()
) -> Estimate:
    """Estimate what the jobs to do will take.

    Args:
        jobs: All jobs of the workflow.
        measured: Finished jobs, of this scale and of others.
        scale: The scale that is planned.
        others: Other scales to learn from where nothing of this one was measured, the most similar first.

    Example:
        >>> jobs = [Planned("train", "nuclei", "a", 300.0, True, threads=2, gpus=1)]
        >>> one = Measured("demo", "train", "nuclei", "b", 10.0, seconds=60.0)
        >>> found = estimate(jobs, [one], scale="paper", others=["demo"]).rules[0]
        >>> found.gpu_hours, found.cpu_hours, found.disk_bytes, found.basis
        (0.5, 1.0, None, 'demo, by study')
    """
    scales = (scale, *others)
    times = Experience(measured, lambda job: job.seconds, scales)
    sizes = Experience(measured, lambda job: job.size, scales)
    found = [times.rate(job) if job.to_do else None for job in jobs]
    hours = [None if r is None else r.amount * j.work / HOUR for r, j in zip(found, jobs, strict=True)]
    after = [job.after for job in jobs]
    steps = chain_ends([1] * len(jobs), after)
    by_rule: dict[str, list[int]] = {}
    for place in sorted(range(len(jobs)), key=lambda place: (steps[place], jobs[place].rule)):
        by_rule.setdefault(jobs[place].rule, []).append(place)
    used = {rate.scale for rate in found if rate is not None}
    return Estimate(
        tuple(_rule_plan(rule, places, jobs, found, hours, sizes) for rule, places in by_rule.items()),
        max(chain_ends([hour or 0.0 for hour in hours], after), default=0.0),
        scale,
        tuple(name for name in scales if name in used),
    )


def _rule_plan(
    rule: str,
    places: Sequence[int],
    jobs: Sequence[Planned],
    rates: Sequence[Rate | None],
    hours: Sequence[float | None],
    sizes: Experience,
) -> RulePlan:
    waiting = [place for place in places if jobs[place].to_do]
    found = [(hours[place], jobs[place]) for place in waiting]
    known = [(hour, job) for hour, job in found if hour is not None]
    amounts = [(sizes.rate(jobs[place]), jobs[place].work) for place in waiting]
    whole = len(known) == len(found)
    measured = all(rate is not None for rate, _ in amounts)
    bases = Counter(f"{rate.scale}, {rate.kinship}" for rate in (rates[p] for p in waiting) if rate)
    return RulePlan(
        rule,
        len(places),
        len(waiting),
        sum(hour for hour, _ in known) if whole else None,
        (sum(hour * job.gpus for hour, job in known) if whole else None) if _asks_gpu(jobs, waiting) else 0.0,
        sum(hour * job.threads for hour, job in known) if whole else None,
        sum(rate.amount * work for rate, work in amounts if rate) if measured else None,
        "; ".join(bases) if whole else UNKNOWN,
    )


def _asks_gpu(jobs: Sequence[Planned], places: Iterable[int]) -> bool:
    return any(jobs[place].gpus for place in places)


def chain_ends(hours: Sequence[float], after: Sequence[Sequence[int]]) -> list[float]:
    """When each job ends, were there no end of machines.

    Args:
        hours: Of each job.
        after: For each job the places of those it waits for; without circles.

    Example:
        >>> chain_ends([1, 2, 4], [[], [0], [0]])
        [1, 3, 5]
    """
    ends: dict[int, float] = {}
    for start in range(len(hours)):
        waiting = [start]
        while waiting:
            place = waiting[-1]
            missing = [other for other in after[place] if other not in ends]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            ends[place] = hours[place] + max((ends[other] for other in after[place]), default=0)
    return [ends[place] for place in range(len(hours))]


def as_rows(found: Estimate) -> list[dict[str, str]]:
    """The rules as rows of text with full precision, for a table; `unknown` where nothing is known."""
    names = [field.name for field in fields(RulePlan)]
    return [{name: _cell(getattr(rule, name)) for name in names} for rule in found.rules]


def _cell(value: float | str | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def render(found: Estimate, *, devices: Mapping[str, Sequence[str]] | None = None) -> str:
    """The estimate as a page of text.

    Args:
        found: The estimate.
        devices: For each scale that anything was taken from, the devices that its networks ran on.
    """
    to_do, jobs = found.total("to_do"), found.total("jobs")
    if not to_do:
        return f"Nothing to do at scale {found.scale}: all {jobs} jobs are done.\n"
    lines = [f"{'rule':<24}{'jobs':>8}{'to do':>8}{'GPU h':>10}{'CPU h':>10}{'disk':>11}  from"]
    lines += [_line(rule) for rule in found.rules]
    sums = (
        [found.total(name) for name in ("gpu_hours", "cpu_hours", "disk_bytes")]
        if found.known
        else [None] * 3
    )
    cells = f"{_hours(sums[0]):>10}{_hours(sums[1]):>10}{_disk(sums[2]):>11}"
    lines += [f"{'all that is known':<24}{jobs:>8}{to_do:>8}{cells}", ""]
    return "\n".join(lines + _notes(found, devices or {})) + "\n"


def _line(rule: RulePlan) -> str:
    if not rule.to_do:
        return f"{rule.rule:<24}{rule.jobs:>8}{0:>8}{'-':>10}{'-':>10}{'-':>11}  done"
    gpu = "-" if rule.gpu_hours == 0 else _hours(rule.gpu_hours)
    cells = f"{gpu:>10}{_hours(rule.cpu_hours):>10}{_disk(rule.disk_bytes):>11}"
    return f"{rule.rule:<24}{rule.jobs:>8}{rule.to_do:>8}{cells}  {rule.basis}"


def _notes(found: Estimate, devices: Mapping[str, Sequence[str]]) -> list[str]:
    """What a reader must know of the numbers."""
    if not found.known and not found.scales:
        return [
            "No time is known: nothing was ever run here. Run a part of it, or the demo "
            "(snakemake --cores 2 --config scale=demo), and ask again."
        ]
    notes = []
    if found.unknown:
        notes.append(
            f"Unknown, and in no sum: {', '.join(found.unknown)}. No job of these rules was measured yet."
        )
    for scale in found.scales:
        if scale != found.scale:
            notes.append(
                f"Taken from scale {scale}: in proportion to the number of images, in training times epochs. "
                "Sizes of images and networks and the device are taken to be the same, which they are not."
            )
        if on := ", ".join(devices.get(scale, ())):
            notes.append(
                f"The networks of scale {scale} ran on {on}; GPU hours are those of jobs that ask for a GPU."
            )
    notes.append(
        f"One job after the other: {_hours(found.total('wall_hours'))} hours. However many run at once, at "
        f"least {_hours(found.chain_hours)} hours, the longest chain of jobs that wait for one another."
    )
    return notes


def _hours(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _disk(value: float | None) -> str:
    return UNKNOWN if value is None else bytes_text(value)
