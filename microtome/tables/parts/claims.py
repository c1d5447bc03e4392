# SPDX-License-Identifier: MIT
"""Which best values of a table may be called the best: those that are told apart from every other run.

Two runs are told apart by the interval of their paired difference: the same patients are drawn for both, and
seeds of each by itself (`microtome.metrics.resampling`). Patients are few, so it is
expanded by Student's t. The best run is compared with every other, corrected by Holm's method. With too few
patients for any paired test to succeed there is no claim, whatever the values.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from microtome.metrics.paired import least_p
from microtome.metrics.resampling import Values, expanded, p_of
from microtome.metrics.summary import holm
from microtome.tables.frame import APART_SUFFIX, Column

ALPHA = 0.05
BOLD = (
    "Bold: the best, where the interval of its paired difference from every other run (the same {units} "
    "drawn for both, expanded by Student's t; Holm's method over {others}) does not hold 0."
)


def add_claims(
    frame: pd.DataFrame,
    columns: Sequence[Column],
    draws: Mapping[str, Sequence[Values]],
    units: int | Mapping[str, int],
) -> pd.DataFrame:
    """Add to each column that has a best one ``_told_apart``: 1 where this is so, 0 elsewhere.

    Args:
        frame: One row per run.
        columns: The columns of the table.
        draws: By column the draws of each run's value, (draws,), in the order of the rows.
        units: Patients of which the values are, of all columns or by column.
    """
    marked = [column for column in columns if column.better and column.key in draws]
    counts = units if isinstance(units, Mapping) else {column.key: units for column in marked}
    found = {}
    for column in marked:
        values, of = frame[column.key].to_numpy(float), counts[column.key]
        apart = told_apart(values, draws[column.key], better=column.better, units=of)
        found[f"{column.key}{APART_SUFFIX}"] = apart
    return frame.assign(**found)


def told_apart(values: Values, draws: Sequence[Values], *, better: str | None, units: int) -> Values:
    """Whether the best of some runs is told apart from each of the others.

    Args:
        values: One of each run; NaN is none.
        draws: Draws of each, with the same patients in the same draw.
        better: ``high`` or ``low``.
        units: Patients of which the values are.

    Returns:
        1 for the best run where it is, 0 for all else.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> patients = rng.normal(0, 0.1, 9999)
        >>> draws = [0.9 + patients, 0.8 + patients + rng.normal(0, 0.01, 9999)]
        >>> told_apart(np.array([0.9, 0.8]), draws, better="high", units=10).tolist()
        [1.0, 0.0]
        >>> told_apart(np.array([0.9, 0.8]), draws, better="high", units=5).tolist()
        [0.0, 0.0]
    """
    found, there = np.zeros(len(values)), np.flatnonzero(~np.isnan(values))
    if len(there) < 2 or not can_claim(units, len(there) - 1):
        return found
    best = there[np.argmax(values[there]) if better == "high" else np.argmin(values[there])]
    p_values = holm([expanded(p_of(draws[best] - draws[other]), units) for other in there if other != best])
    found[best] = float(max(p_values) < ALPHA)
    return found


def can_claim(units: int, comparisons: int) -> bool:
    """Whether a paired test of so many patients can succeed at all, corrected for the comparisons.

    Example:
        >>> can_claim(5, 1), can_claim(6, 1), can_claim(6, 2)
        (False, True, False)
    """
    return least_p(units) * comparisons < ALPHA


def told_of_claims(frame: pd.DataFrame, columns: Sequence[Column], units: int, names: str) -> str:
    """What bold says in a table with `add_claims`, and of which columns nothing can be claimed.

    Args:
        frame: The frame, one row per run.
        columns: The columns of the table.
        units: Patients of which the values are.
        names: What they are called, in the plural.
    """
    marked = [column for column in columns if f"{column.key}{APART_SUFFIX}" in frame]
    runs = max((int(frame[column.key].notna().sum()) for column in marked), default=0)
    doubtful = [column for column in marked if not frame[f"{column.key}{APART_SUFFIX}"].any()]
    said = ", ".join(dict.fromkeys(_name(column) for column in doubtful))
    return claim_sentence(runs, units, names, said)


def claim_sentence(runs: int, units: int, names: str, doubtful: str = "") -> str:
    """What bold says where some runs are compared.

    Args:
        runs: Number of runs.
        units: Patients of which their values are.
        names: What these are called, in the plural.
        doubtful: What nothing can be claimed of; empty: there is a claim of all.

    Example:
        >>> claim_sentence(2, 3, "patients")
        'No claim: 3 patients cannot tell 2 runs apart, whatever their values.'
        >>> claim_sentence(1, 3, "patients")
        ''
    """
    if runs < 2:
        return ""
    if not can_claim(units, runs - 1):
        few = f"{units} {names if units != 1 else names.removesuffix('s')}"
        return f"No claim: {few} cannot tell {runs} runs apart, whatever their values."
    others = f"{runs - 1} comparisons" if runs > 2 else "one comparison"
    told = BOLD.format(units=names, others=others)
    return f"{told} No claim: {doubtful}." if doubtful else told


def _name(column: Column) -> str:
    return f"{column.group}: {column.label}" if column.group else column.label
