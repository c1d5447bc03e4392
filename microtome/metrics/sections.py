# SPDX-License-Identifier: MIT
"""Calls of sections against their labels: counts, and rates of them with intervals.

A section is called tumour or not as a whole, so a run is measured on sections, not on pixels. Sections of one
patient are alike, so intervals resample patients (or slides, where no patient is known), each with all of its
sections.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from microtome.metrics import overlap
from microtome.metrics.overlap import COUNTS
from microtome.metrics.resampling import Trainings, Values, drawn, ends

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
    alone = counts[list(COUNTS)].to_numpy(float)
    return ends(draws([alone[None]], metric, seed=seed))


def draws(trainings: Trainings, metric: str, *, seed: int = 0, of: str = "") -> Values:
    """A pooled rate of draws of patients and seeds, (draws,), NaN where one has none.

    Args:
        trainings: Sections of each patient by outcome in the order of `COUNTS`: of each split (seeds,
            patients, 4).
        metric: As of `rates`.
        seed: Seed of the draws.
        of: Whose trainings these are (`microtome.metrics.resampling.drawn`).
    """

    def score(totals: Values) -> Values:
        return rates(pd.DataFrame(totals, columns=list(COUNTS)), metric).to_numpy(float)

    return drawn(trainings, score, seed=seed, of=of)
