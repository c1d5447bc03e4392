# SPDX-License-Identifier: MIT
"""The page of a run of `make gpu`: docs/gpu.md."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.gpu.checks import Check
from benchmarks.gpu.epoch import Epoch
from benchmarks.gpu.hours import Cost, table
from benchmarks.gpu.project import STUDIES

GIB = 2**30
LEAST_SHARE = 0.85
"""Of the time of training, that its steps are computed."""


@dataclass(frozen=True)
class Outcome:
    """What `make gpu` found.

    Attributes:
        machine: Where, in words.
        date: When, ISO 8601.
        commit: Of which code.
        minutes: That all took.
        dry: Whether it was on a CPU, at small sizes.
        checks: Of the smoke test.
        rows: Of the benchmarks, as Markdown.
        epochs: Of the studies.
        failures: Studies or benchmarks that failed, and why.
        costs: Study to what its runs take as published.
    """

    machine: str
    date: str
    commit: str
    minutes: float
    dry: bool
    checks: Sequence[Check]
    rows: str
    epochs: Sequence[Epoch]
    failures: Sequence[str]
    costs: Mapping[str, Sequence[Cost]]

    @property
    def is_good(self) -> bool:
        """Whether every check passed, nothing failed, and, on a GPU, it was kept busy."""
        busy = self.dry or all(epoch.share >= LEAST_SHARE for epoch in self.epochs)
        return busy and not self.failures and all(check.passed for check in self.checks)


def render(outcome: Outcome) -> str:
    """The page."""
    parts = [_head(outcome), _checks(outcome.checks), "## Benchmarks\n\n" + outcome.rows, _epochs(outcome)]
    if outcome.failures:
        failures = "\n\n".join(f"```text\n{failure.strip()}\n```" for failure in outcome.failures)
        parts.append(f"## What failed\n\n{failures}")
    return "\n\n".join([*parts, _hours(outcome)]) + "\n"


def _head(outcome: Outcome) -> str:
    """What this is, and where it was run."""
    if outcome.dry:
        what = (
            "**This was `make gpu DRY=1`: on a CPU, with the small sizes of the demo.** It shows that "
            "everything runs; its times, shares and memory say nothing of a GPU, and **no GPU has been "
            "measured yet**. `make gpu` on a machine with one writes this page anew; it is meant to take 20 "
            "minutes at most, which no GPU has shown yet."
        )
    else:
        what = "Written by `make gpu`."
    where = f"{outcome.date}, {outcome.machine}, commit {outcome.commit[:10]}; {outcome.minutes:.0f} minutes."
    return f"# On a GPU\n\n{what}\n\n{where}"


def _checks(checks: Sequence[Check]) -> str:
    """How many checks passed in each group, and those that did not."""
    groups: dict[str, list[Check]] = defaultdict(list)
    for check in checks:
        groups[check.group].append(check)
    lines = [
        "## Smoke test",
        "",
        "Forward and backward of every network and loss against the CPU, an epoch with every augmentation "
        "against the CPU, a training of each sampler killed and resumed, and two processes against one.",
        "",
        "| what | passed | seconds | found |",
        "|---|---|---|---|",
    ]
    for group, found in groups.items():
        passed, seconds = sum(one.passed for one in found), sum(one.seconds for one in found)
        worst = "; ".join(f"{one.name}: {one.said}" for one in found if not one.passed)
        said = worst or _spread(found)
        lines.append(f"| {group} | {passed} of {len(found)} | {seconds:.0f} | {said} |")
    return "\n".join(lines)


def _spread(found: Sequence[Check]) -> str:
    """What all checks of a group said, once each."""
    return "; ".join(dict.fromkeys(one.said for one in found))


def _epochs(outcome: Outcome) -> str:
    """Steps per second, how busy the device was, and memory."""
    lines = [
        "## An epoch of each study",
        "",
        "The workflow's own training on phantoms"
        + (" of the demo's size." if outcome.dry else " of full size, with the settings of the papers.")
        + " Share: of the seconds of an epoch (without validation), those that as many bare steps take: "
        "forward, backward and optimizer on a batch that is there already. "
        f"At least {LEAST_SHARE:.0%} is asked for.",
        "",
        "| study, run | batch | format | steps | steps/s | share | of it forward | GPU, GiB | host, GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_epoch(one, dry=outcome.dry) for one in outcome.epochs]
    return "\n".join(lines)


def _epoch(one: Epoch, *, dry: bool) -> str:
    """One row; of a dry run what was computed, not how fast."""
    batch = " × ".join(map(str, one.batch))
    missed = "" if one.share >= LEAST_SHARE else " **missed**"
    amounts = [f"{one.steps / one.seconds:.3g}", f"{one.share:.0%}{missed}"]
    amounts += [f"{one.forward_seconds / one.bare_seconds:.0%}"]
    amounts += [f"{amount / GIB:.1f}" for amount in (one.device_bytes, one.host_bytes)]
    told = " | ".join(["–"] * len(amounts) if dry else amounts)
    return f"| {one.study}, `{one.run}` | {batch} | {one.precision} | {one.steps} | {told} |"


def _hours(outcome: Outcome) -> str:
    """Hours of each study as published."""
    how = (
        "**Estimates, not measured**: operations of a step are counted, an A100 is taken to do 40 TFLOP/s "
        "in bf16 (an eighth of its peak), and to compute 85 % of the time. "
        if outcome.dry
        else "From bare steps of each run, measured on this GPU, which is taken to compute 85 % of the time. "
    )
    how += "Memory is counted: weights, gradients and moments, and what the forward pass keeps, in bf16. "
    how += "All epochs are counted, whatever early stopping saves; prediction is not."
    lines = ["## Hours of a study as published", "", how]
    for name, found in outcome.costs.items():
        lines += ["", f"**{name}**: {STUDIES[name].stands_for}.", "", table(found)]
    return "\n".join(lines)
