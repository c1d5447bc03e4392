# SPDX-License-Identifier: MIT
"""Calls of sections against their labels: counts, rates of them with intervals, a paired test of two runs.

A section is called tumour or not as a whole, so a run is measured on sections, not on pixels. Sections of one
patient are alike, so intervals resample patients (or slides, where no patient is known), each with all of its
sections.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from microtome.metrics import overlap
from microtome.metrics.overlap import COUNTS
from microtome.metrics.summary import CONFIDENCE, RESAMPLES

PREFIX = "f"
"""What the name of F-beta begins with: `f1.5`."""


def outcomes(sections: pd.DataFrame, positive: str) -> pd.Series:
    """What the call of each section is: one of `COUNTS`.

    Args:
        sections: One row a section: `label` and `call`, names of classes; the label is known.
        positive: The class that is called; every other name is the negative one.

    Example:
        >>> frame = pd.DataFrame({"label": ["t", "t", "n", "n"], "call": ["t", "n", "t", "n"]})
        >>> outcomes(frame, "t").tolist()
        ['tp', 'fn', 'fp', 'tn']
    """
    truth, call = sections["label"] == positive, sections["call"] == positive
    names = np.select([truth & call, ~truth & call, truth & ~call], COUNTS[:3], COUNTS[3])
    return pd.Series(names, sections.index, name="outcome")


def counts_by(sections: pd.DataFrame, positive: str, by: str = "unit") -> pd.DataFrame:
    """Count the outcomes of sections by the column `by`: one row each, columns `COUNTS` (int64)."""
    found = outcomes(sections, positive)
    table = pd.crosstab(sections[by].to_numpy(), found.to_numpy())
    return table.reindex(columns=list(COUNTS), fill_value=0).rename_axis(index=by, columns=None)


def accuracy(counts: pd.DataFrame) -> pd.Series:
    """Share of sections that are called right, 0 to 1; NaN where there is none."""
    total = counts[list(COUNTS)].sum(axis=1)
    return (counts["tp"] + counts["tn"]) / total.where(total > 0)


RATES: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "accuracy": accuracy,
    "sensitivity": overlap.sensitivity,
    "specificity": overlap.specificity,
    "precision": overlap.precision,
}
"""Rates by name; F-beta is `f_beta` with its weight."""


def rates(counts: pd.DataFrame, metric: str) -> pd.Series:
    """A rate of each row of counts.

    Args:
        counts: Sections by outcome, columns `COUNTS`; sums over seeds may be fractions.
        metric: One of `RATES`, or `f1.5` and the like: F-beta of the called class, (1 + b²) tp / ((1 + b²) tp
            + b² fn + fp).

    Returns:
        One value a row, NaN where it is not defined.

    Raises:
        ValueError: There is no such rate.

    Example:
        >>> rates(pd.DataFrame({"tp": [8], "fp": [1], "fn": [2], "tn": [9]}), "f1.5").round(4).tolist()
        [0.8254]
    """
    if metric in RATES:
        return RATES[metric](counts)
    number = metric.removeprefix(PREFIX)
    if number == metric or not number.replace(".", "", 1).isdigit():
        msg = f"{metric!r} is no rate of sections; {', '.join(RATES)} and f1, f1.5, … are"
        raise ValueError(msg)
    return overlap.f_beta(counts, float(number))


def pooled(counts: pd.DataFrame, metric: str) -> float:
    """A rate of all sections together, whatever their patients."""
    return float(rates(counts[list(COUNTS)].sum().to_frame().T, metric).iloc[0])


def interval(counts: pd.DataFrame, metric: str, *, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of a pooled rate, by resampling rows (patients) with all of their sections.

    Percentile method. Not by `scipy.stats.bootstrap`: a draw without a single positive section has no
    sensitivity, which there makes the whole interval NaN; here such draws are left out.

    Args:
        counts: Sections of each patient by outcome, columns `COUNTS`.
        metric: As of `rates`.
        seed: Seed of the draws.

    Returns:
        Its ends; NaN where there are fewer than two rows, or the rate is not defined.
    """
    nothing = (float("nan"), float("nan"))
    if len(counts) < 2 or np.isnan(pooled(counts, metric)):
        return nothing
    rng = np.random.default_rng(seed)
    times = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=RESAMPLES)
    drawn = pd.DataFrame(times @ counts[list(COUNTS)].to_numpy(), columns=list(COUNTS))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(rates(drawn, metric).to_numpy(float), (tail, 1 - tail))
    return float(low), float(high)


@dataclass(frozen=True)
class McNemar:
    """Two runs on the same sections.

    Attributes:
        n: Sections.
        only_first: Called right by the first alone.
        only_second: Called right by the second alone.
        p_value: Of the exact two-sided test that both are as often the only one; 1 where there is none.
    """

    n: int
    only_first: int
    only_second: int
    p_value: float


def mcnemar(first: pd.Series, second: pd.Series) -> McNemar:
    """McNemar's exact test of two runs (McNemar 1947, doi:10.1007/BF02295996): the binomial test.

    Args:
        first: Whether the first run is right, of each section (bool).
        second: The same of the second run, with the same index.

    Raises:
        ValueError: The two are not of the same sections.

    Example:
        >>> right = pd.Series([True, True, True, False])
        >>> mcnemar(right, ~right)
        McNemar(n=4, only_first=3, only_second=1, p_value=0.625)
    """
    if not first.index.equals(second.index):
        msg = f"{len(first)} and {len(second)} sections that are not the same; evaluate both runs on the same"
        raise ValueError(msg)
    from scipy.stats import binomtest  # slow to import, and most tables need none

    ahead, behind = int((first & ~second).sum()), int((~first & second).sum())
    p_value = float(binomtest(ahead, ahead + behind).pvalue) if ahead + behind else 1.0
    return McNemar(len(first), ahead, behind, p_value)
