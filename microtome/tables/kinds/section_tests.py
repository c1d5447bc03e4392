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
from microtome.tables.parts.pairs import (
    LEVEL,
    NAME,
    both_ways,
    group_of,
    least_p,
    matrix,
    matrix_columns,
    said_of_p,
)
from microtome.tables.parts.published import note_of
from microtome.tables.parts.rows import select_rows
from microtome.tables.parts.section_calls import KEY, Called, called, left_out

NEEDS = frozenset({"runs", "calls"})
NOTE = (
    "McNemar's exact two-sided test on the sections that one run of a pair calls right and the other wrong "
    "(only the run of the row right : only that of the column); "
    "p corrected by Holm's method over all pairs. Sections of one patient are alike, which the test does not "
    "know: read p as a lower bound.{seeds} {said}"
)
SEEDS = " Of several seeds the first is tested."
KEPT = ("n", "only_a", "only_b", "p_value", "p_holm")
SECTIONS = Column("sections", "Sections", format=",.0f", once=True)


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
        One row per run, and against each other run the sections that only one of both calls right, or the
        corrected p. The frame holds ``n_{run}``, ``only_a_{run}`` (right by the row's run alone),
        ``only_b_{run}``, ``p_value_{run}`` and ``p_holm_{run}`` of each other run.

    Raises:
        ValueError: There are fewer than two runs, or a run called no section of that part.
    """
    chosen = select_rows([record for record in inputs.runs if record.run in inputs.calls], rows)
    if len(chosen) < 2:
        msg = f"a test needs two runs that call sections, found {[row.run for row in chosen]}"
        raise ValueError(msg)
    found = [called(row.records, inputs.calls[row.run]["class"], part=part) for row in chosen]
    right = [_right(one) for one in found]
    pairs = pd.DataFrame(
        [
            {"run_a": chosen[a].run, "run_b": chosen[b].run, **_test(right[a], right[b])}
            for a, b in combinations(range(len(chosen)), 2)
        ]
    )
    pairs = pairs.assign(p_holm=holm(pairs["p_value"].to_numpy()))
    differing = int((pairs["only_a"] + pairs["only_b"]).max())
    least = least_p(differing, len(pairs))
    is_able = least <= LEVEL
    frame = matrix(chosen, both_ways(pairs), effect=_effect, kept=KEPT, is_able=is_able)
    frame = frame.assign(sections=int(pairs["n"].max()), data=" + ".join(inputs.data_kinds))
    group = group_of("only one right", is_able=is_able)
    columns = (NAME, *matrix_columns(len(chosen), group), SECTIONS, DATA)
    said = said_of_p(least, f"{differing} sections on which two runs differ at most", pairs=len(pairs))
    seeds = SEEDS if any(len(one.seeds) > 1 for one in found) else ""
    note = note_of(inputs, NOTE.format(seeds=seeds, said=said), left_out(found))
    return Table(frame, columns, title, note, inputs.data_kinds)


def _effect(pair: Mapping[str, int]) -> str:
    """The sections that only the run of the row, and only that of the column, calls right."""
    return f"{pair['only_a']} : {pair['only_b']}"


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
