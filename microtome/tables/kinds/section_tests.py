# SPDX-License-Identifier: MIT
"""McNemar's exact test of every two runs on the same sections, corrected for the number of pairs."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import pandas as pd

from microtome.metrics.sections import mcnemar
from microtome.metrics.summary import holm
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA
from microtome.tables.parts.published import note_of
from microtome.tables.parts.rows import select_rows
from microtome.tables.parts.section_calls import KEY, Called, called, left_out

NEEDS = frozenset({"runs", "calls"})
NOTE = (
    "McNemar's exact two-sided test on the sections that one run of a pair calls right and the other wrong; "
    "p corrected by Holm's method over all pairs. Sections of one patient are alike, which the test does not "
    "know: read p as a lower bound.{seeds}"
)
SEEDS = " Of several seeds the first is tested."
COLUMNS = (
    Column("label_a", "First run", kind="text"),
    Column("label_b", "Second run", kind="text"),
    Column("n", "Sections", format=",.0f"),
    Column("only_a", "Only the first right", format=".0f"),
    Column("only_b", "Only the second right", format=".0f"),
    Column("p_value", "p", format=".3g"),
    Column("p_holm", "p, corrected", format=".3g"),
    DATA,
)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Runs against each other on the same sections",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    part: str = "test",
) -> Table:
    """Tabulate McNemar's test of every two runs.

    Args:
        inputs: Run records with their sections, options of calling.
        title: Caption.
        rows: Runs; all that call sections by default.
        part: Part of the split.

    Returns:
        One row per pair: sections, those that only one of both calls right, p, p corrected.

    Raises:
        ValueError: There are fewer than two runs, or a run called no section of that part.
    """
    chosen = select_rows([record for record in inputs.runs if record.run in inputs.calls], rows)
    if len(chosen) < 2:
        msg = f"a test needs two runs that call sections, found {[row.run for row in chosen]}"
        raise ValueError(msg)
    found = [called(row.records, inputs.calls[row.run]["class"], part=part) for row in chosen]
    right = [_right(one) for one in found]
    frame = pd.DataFrame(
        [
            {"run_a": chosen[a].run, "run_b": chosen[b].run}
            | {"label_a": chosen[a].label, "label_b": chosen[b].label, **_test(right[a], right[b])}
            for a, b in combinations(range(len(chosen)), 2)
        ]
    )
    frame = frame.assign(p_holm=holm(frame["p_value"].to_numpy()), data=" + ".join(inputs.data_kinds))
    has_seeds = any(len(one.seeds) > 1 for one in found)
    note = note_of(inputs, NOTE.format(seeds=SEEDS if has_seeds else ""), left_out(found))
    return Table(frame, COLUMNS, title, note, inputs.data_kinds)


def _right(found: Called) -> pd.Series:
    """Whether the first seed is right, by section."""
    first = found.sections[found.sections["seed"] == min(found.seeds)]
    is_right = (first["label"] == found.positive) == (first["call"] == found.positive)
    return pd.Series(is_right.to_numpy(), pd.MultiIndex.from_frame(first[KEY]))


def _test(first: pd.Series, second: pd.Series) -> dict[str, float]:
    """The test on the sections that both runs called; a slide may have failed in one of them."""
    shared = first.index.intersection(second.index)
    result = mcnemar(first.loc[shared], second.loc[shared])
    both = {"only_a": result.only_first, "only_b": result.only_second}
    return {"n": result.n, **both, "p_value": result.p_value}
