# SPDX-License-Identifier: MIT
"""Measuring variants of one task in child processes, interleaved, and comparing their medians.

This module must stay light: a child inherits the peak memory of the process that starts it.
"""

import importlib.util
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

REPEATS = 5
METRICS = {"seconds": "s", "cpu_seconds": "s CPU", "peak_mb": "MB", "error": "error"}


@dataclass(frozen=True)
class Prepared:
    """A variant, ready to run.

    Attributes:
        run: What is timed.
        error: Largest difference of its result from the truth; None: not checked.
        warm: Whether to run it once before timing (memory is that of the first run).
        scale: Factor from the time measured to the time reported, for peers too slow to run completely.
    """

    run: Callable[[], Any]
    error: Callable[[Any], float] | None = None
    warm: bool = False
    scale: float = 1.0


@dataclass(frozen=True)
class Comparison:
    """A claim: `ours` beats `peer` in a metric by at least `target`.

    Attributes:
        label: What is compared.
        ours: Name of a variant.
        peer: Name of a variant, or a fixed amount in the metric's unit that must not be exceeded.
        target: Least ratio peer / ours; None: for information.
        metric: `seconds`, `cpu_seconds`, `peak_mb` or `error`.
        beyond: Variant whose time is taken off both (what neither can avoid); None: nothing.
    """

    label: str
    ours: str
    peer: str | float
    target: float | None
    metric: str = "seconds"
    beyond: str | None = None


@dataclass(frozen=True)
class Case:
    """A benchmark.

    Attributes:
        name: Name of its module.
        title: The task, with sizes.
        variants: Name to a function of `quick` that prepares it.
        needs: Variant to the module it needs, or to a function that says why it cannot run here.
        comparisons: Claims about the variants.
        note: What a reader must know.
        moved: Variant to the bytes that it must read and write in memory or files, at full size.
        flop: Variant to the operations of its convolutions and products, two per multiply-add, at full size.
    """

    name: str
    title: str
    variants: Mapping[str, Callable[[bool], Prepared]]
    comparisons: Sequence[Comparison]
    needs: Mapping[str, str | Callable[[], str | None]] = field(default_factory=dict)
    note: str = ""
    moved: Mapping[str, float] = field(default_factory=dict)
    flop: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """Repeats of a variant."""

    variant: str
    samples: tuple[Mapping[str, float], ...]
    skipped: str | None = None

    def median(self, metric: str) -> float:
        """Median of a metric over the repeats."""
        return statistics.median(sample[metric] for sample in self.samples)

    def range(self, metric: str) -> tuple[float, float]:
        """Smallest and largest value of a metric."""
        values = [sample[metric] for sample in self.samples]
        return min(values), max(values)


def measure(case: Case, *, quick: bool, threads: int, repeats: int = REPEATS) -> dict[str, Measured]:
    """Run all variants of a case in turn, `repeats` times, each in a process of its own."""
    reasons = {variant: reason_to_skip(case, variant) for variant in case.variants}
    samples: dict[str, list[Mapping[str, float]]] = {variant: [] for variant in case.variants}
    for _ in range(repeats):
        for variant in case.variants:
            if reasons[variant] is None:
                samples[variant].append(run_child(case.name, variant, quick=quick, threads=threads))
    return {name: Measured(name, tuple(samples[name]), reasons[name]) for name in case.variants}


def reason_to_skip(case: Case, variant: str) -> str | None:
    """Why a variant cannot run here; None if it can."""
    need = case.needs.get(variant)
    if isinstance(need, str):
        return None if importlib.util.find_spec(need) else f"{need} is not installed"
    return need() if need is not None else None


def run_child(case: str, variant: str, *, quick: bool, threads: int) -> Mapping[str, float]:
    """Measure once in a new process.

    Raises:
        RuntimeError: The child failed; the message has the end of its error output.
    """
    command = [
        sys.executable,
        "-m",
        "benchmarks.child",
        case,
        variant,
        str(threads),
        "quick" if quick else "full",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        msg = f"{case}/{variant} failed with exit code {done.returncode}:\n{done.stderr[-2000:]}"
        raise RuntimeError(msg)
    return json.loads(done.stdout.splitlines()[-1])


def ratio(comparison: Comparison, measured: Mapping[str, Measured]) -> float | None:
    """Median of the peer over median of ours; None where one was skipped or time beyond is not positive.

    Without any error the ratio of errors is infinite.

    Example:
        >>> times = {"a": 3.0, "b": 9.0, "c": 1.0}
        >>> runs = {name: Measured(name, ({"seconds": value},)) for name, value in times.items()}
        >>> ratio(Comparison("", "a", "b", None, beyond="c"), runs)
        4.0
        >>> ratio(Comparison("", "a", 1e-9, 1.0, "error"), {"a": Measured("a", ({"error": 0.0},))})
        inf
    """
    names = [comparison.ours, comparison.peer, *([comparison.beyond] if comparison.beyond else [])]
    if any(measured[name].skipped for name in names if isinstance(name, str)):
        return None
    ours, peer, *beyond = (
        measured[name].median(comparison.metric) if isinstance(name, str) else name for name in names
    )
    base = beyond[0] if beyond else 0.0
    if comparison.metric == "error" and ours <= base:
        return math.inf
    return (peer - base) / (ours - base) if ours > base else None


def unmeasurable(comparison: Comparison, measured: Mapping[str, Measured]) -> str:
    """Why a comparison has no ratio; empty where it has one.

    Example:
        >>> runs = {"a": Measured("a", ({"seconds": 3.0},)), "b": Measured("b", (), "no GPU")}
        >>> unmeasurable(Comparison("", "a", "b", None), runs)
        'skipped: no GPU'
        >>> unmeasurable(Comparison("", "a", 1.0, None, beyond="a"), runs)
        'not to be told: without a (3) nothing is left of 3'
        >>> nothing = {"c": Measured("c", ({"peak_mb": -0.1},))}
        >>> unmeasurable(Comparison("", "c", 1.0, None, "peak_mb"), nothing)
        'not to be told: nothing is left of -0.1'
    """
    names = [comparison.ours, comparison.peer, comparison.beyond]
    skipped = [measured[name].skipped for name in names if isinstance(name, str) and measured[name].skipped]
    if skipped:
        return f"skipped: {skipped[0]}"
    if ratio(comparison, measured) is not None:
        return ""
    left, base = measured[comparison.ours].median(comparison.metric), comparison.beyond
    taken = f"without {base} ({measured[base].median(comparison.metric):.3g}) " if base else ""
    return f"not to be told: {taken}nothing is left of {left:.3g}"
