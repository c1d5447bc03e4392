# SPDX-License-Identifier: MIT
"""Tests of every two runs as a matrix: runs × runs, p above the diagonal, the effect below it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from microtome.tables.frame import Column
from microtome.tables.parts.render import MISSING
from microtome.tables.parts.rows import Row

LEVEL = 0.05
LEAST_SHOWN = 0.001
NAME = Column("name", "Run", kind="text")
AGAINST = "vs_"
"""Before the number of a run: the column of the matrix that is of it."""


def least_p(informative: int, pairs: int) -> float:
    """The smallest corrected p that an exact two-sided test of paired signs can give among several.

    Args:
        informative: Images (or sections on which two runs differ) that a test has.
        pairs: Number of tests, by which Holm's method multiplies the smallest.

    Example:
        >>> least_p(4, 1), least_p(4, 36), least_p(10, 6)
        (0.125, 1.0, 0.01171875)
    """
    return min(1.0, pairs * min(1.0, 2.0 / 2.0**informative))


def p_text(p_value: float) -> str:
    """A p-value as printed; a star where it is below 0.05.

    Example:
        >>> p_text(0.25), p_text(0.0123), p_text(1e-7), p_text(1.0)
        ('0.250', '0.012*', '<0.001*', '1.000')
    """
    text = f"<{LEAST_SHOWN:g}" if p_value < LEAST_SHOWN else f"{p_value:.3f}"
    return f"{text}*" if p_value < LEVEL else text


def both_ways(pairs: pd.DataFrame) -> pd.DataFrame:
    """Add to each pair the same with its runs exchanged: what ends in ``_a`` and ``_b``, and the difference.

    Example:
        >>> pairs = pd.DataFrame({"run_a": ["x"], "run_b": ["y"], "difference": [0.1]})
        >>> both_ways(pairs).to_numpy().tolist()
        [['x', 'y', 0.1], ['y', 'x', -0.1]]
    """
    first = {name: f"{name[:-2]}_b" for name in pairs if name.endswith("_a")}
    swapped = pairs.rename(columns=first | {new: old for old, new in first.items()})
    if "difference" in pairs:
        swapped = swapped.assign(difference=-swapped["difference"])
    return pd.concat([pairs, swapped[list(pairs)]], ignore_index=True)


def matrix(
    rows: Sequence[Row],
    pairs: pd.DataFrame,
    *,
    effect: Callable[[Mapping[str, Any]], str],
    kept: Sequence[str],
    is_able: bool,
) -> pd.DataFrame:
    """Lay tests of pairs out as a matrix.

    Args:
        rows: The runs, in order.
        pairs: One row per pair, both ways: ``run_a``, ``run_b``, ``p_holm``, what `effect` and `kept` name.
        effect: The effect of the first run of a pair against the second, as text.
        kept: Columns of the pairs that the frame holds for each other run, at full precision.
        is_able: Whether any test can succeed; where none can, effects stand on both sides of the diagonal.

    Returns:
        One row per run: ``run``, ``label``, ``name`` with its number, the texts ``vs_1``, ``vs_2``, … against
        the run of that number, then ``{kept}_{run}`` for each other run.
    """
    found = {(pair["run_a"], pair["run_b"]): pair for pair in pairs.to_dict("records")}
    table = []
    for number, row in enumerate(rows, start=1):
        against = {other: found.get((row.run, one.run)) for other, one in enumerate(rows, start=1)}
        texts = {
            f"{AGAINST}{other}": _text(pair, effect, is_above=is_able and other > number)
            for other, pair in against.items()
        }
        told = {f"{name}_{pair['run_b']}": pair[name] for pair in against.values() if pair for name in kept}
        table.append({"run": row.run, "label": row.label, "name": f"{number}. {row.label}", **texts, **told})
    return pd.DataFrame(table)


def _text(
    pair: Mapping[str, Any] | None, effect: Callable[[Mapping[str, Any]], str], *, is_above: bool
) -> str:
    if pair is None:
        return MISSING
    return p_text(pair["p_holm"]) if is_above else effect(pair)


def matrix_columns(count: int, group: str) -> list[Column]:
    """The columns of the matrix: numbers of runs, under one heading."""
    return [Column(f"{AGAINST}{number}", str(number), group=group) for number in range(1, count + 1)]


def group_of(effect: str, *, is_able: bool) -> str:
    """What spans the columns of the matrix.

    Example:
        >>> group_of("difference", is_able=True)
        'Against run (below the diagonal: difference; above: p, corrected)'
    """
    return f"Against run (below the diagonal: {effect}; above: p, corrected)" if is_able else "Against run"


def said_of_p(least: float, what: str, *, pairs: int) -> str:
    """A sentence on what p can be at all: that no test can succeed, or that p is corrected.

    Args:
        least: Of `least_p`.
        what: What there are, e.g. ``"n = 4"``.
        pairs: Number of tests.

    Example:
        >>> said_of_p(0.125, "n = 4", pairs=1)
        'No test can succeed with n = 4: the smallest p that there can be is 0.125.'
    """
    several = f" (of {pairs} pairs, corrected)" * (pairs > 1)
    if least > LEVEL:
        return f"No test can succeed with {what}: the smallest p that there can be{several} is {least:.3g}."
    return f"*: p < {LEVEL:g}. The smallest p that there can be{several} is {least:.2g}."
