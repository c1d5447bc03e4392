# SPDX-License-Identifier: MIT
"""Paired tests of every two runs on the same sections, by patient, corrected for the number of pairs."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import pandas as pd

from microtome.metrics.paired import exchange_test, least_p, seeded_p
from microtome.metrics.resampling import Values, mean_of, trainings_of
from microtome.metrics.summary import holm
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA
from microtome.tables.parts.pairs import (
    LEVEL,
    NAME,
    both_ways,
    group_of,
    matrix,
    matrix_columns,
    said_of_p,
)
from microtome.tables.parts.published import note_of
from microtome.tables.parts.rows import select_rows
from microtome.tables.parts.section_calls import KEY, Called, called, left_out, units_name
from microtome.tables.parts.units import ONE_SEED

NEEDS = frozenset({"runs", "calls"})
NOTE = (
    "Sections that one run of a pair calls right and the other wrong (only the run of the row right : only "
    "that of the column). Two-sided permutation test that exchanges the two runs, {whole}; p corrected by "
    "Holm's method over all pairs.{seeds} {said}"
)
OWN, WHOLE = "section by section (as McNemar's test does)", "{units} with all of their sections"
SEEDS = " Of several seeds means; p is then not below that of the bootstrap that draws {units} and seeds."
KEPT = ("n", "only_a", "only_b", "p_value", "p_holm")
COUNTED = {"format": ",.0f", "once": True}
SECTIONS = Column("sections", "Sections", **COUNTED)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Runs against each other on the same sections",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    part: str = "test",
) -> Table:
    """Tabulate paired tests of every two runs, of patients (slides) with all of their sections.

    Where each section is of another patient this is McNemar's test.

    Args:
        inputs: Run records with their sections, options of calling.
        title: Caption.
        rows: Runs; all that call sections by default.
        part: Part of the split.

    Returns:
        One row per run, and against each other run the sections that only one of both calls right (of several
        seeds means), or the corrected p. The frame holds ``n_{run}``, ``only_a_{run}`` (right by the row's
        run alone), ``only_b_{run}``, ``p_value_{run}`` and ``p_holm_{run}`` of each other run.

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
    differing = int(pairs["units"].max())
    least = min(1.0, len(pairs) * least_p(differing))
    is_able = least <= LEVEL
    frame = matrix(chosen, both_ways(pairs), effect=_effect, kept=KEPT, is_able=is_able)
    sizes = {"units": len(found[0].units), "seeds": max(len(one.seeds) for one in found)}
    frame = frame.assign(sections=int(pairs["n"].max()), **sizes, data=" + ".join(inputs.data_kinds))
    group = group_of("only one right", is_able=is_able)
    alone, units = len(found[0].units) == found[0].n, units_name(found)
    counts = (Column("units", units, **COUNTED), Column("seeds", "Seeds", **COUNTED))
    columns = (NAME, *matrix_columns(len(chosen), group), SECTIONS, *counts, DATA)
    what = f"{differing} {'sections' if alone else units.lower()} on which two runs differ at most"
    said = said_of_p(least, what, pairs=len(pairs))
    seeds = SEEDS.format(units=units.lower()) if sizes["seeds"] > 1 else f" {ONE_SEED}"
    whole = OWN if alone else WHOLE.format(units=units.lower())
    note = note_of(inputs, NOTE.format(whole=whole, seeds=seeds, said=said), left_out(found))
    return Table(frame, columns, title, note, inputs.data_kinds)


def _effect(pair: Mapping[str, float]) -> str:
    """The sections that only the run of the row, and only that of the column, calls right."""
    return f"{pair['only_a']:.4g} : {pair['only_b']:.4g}"


def _right(found: Called) -> pd.DataFrame:
    """Whether each section is called right: one row per section and seed, with its patient."""
    frame = found.sections
    is_right = (frame["label"] == found.positive) == (frame["call"] == found.positive)
    return frame[[*KEY, "seed", "unit"]].assign(right=is_right.astype(float))


def _test(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, float]:
    """The test on the sections that both runs called; a slide may have failed in one of them."""
    both = first.merge(second[KEY].drop_duplicates()), second.merge(first[KEY].drop_duplicates())
    means = [one.groupby(KEY)["right"].mean() for one in both]
    difference = means[0] - means[1]
    units = sorted(set(both[0]["unit"]))
    trainings = [_trainings(one, units) for one in both]
    totals = [sum(of_split.mean(axis=0) for of_split in one) for one in trainings]
    p_value = exchange_test(*totals, mean_of)
    return {
        "n": len(difference),
        "units": int((totals[0] != totals[1]).any(axis=1).sum()),
        "only_a": float(difference.clip(lower=0).sum()),
        "only_b": float(-difference.clip(upper=0).sum()),
        "p_value": seeded_p(p_value, *trainings, mean_of),
    }


def _trainings(right: pd.DataFrame, units: Sequence[str]) -> list[Values]:
    """What each patient adds to the share of right sections under each training."""
    names = right["sample"].astype(str) + "/" + right["section"].astype(str)
    values = right.assign(sample=names).rename(columns={"right": "value"})
    return trainings_of(values, dict(zip(names, right["unit"], strict=True)), units)
