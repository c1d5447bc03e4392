# SPDX-License-Identifier: MIT
"""Paired tests between runs on the same images, corrected for the number of pairs."""

from collections.abc import Mapping, Sequence

import pandas as pd

from microtome.metrics.names import ALL_CLASSES, metric_name
from microtome.metrics.summary import compare_all
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import COUNT, DATA
from microtome.tables.parts.numbers import values_of
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
from microtome.tables.parts.published import failed_sentence
from microtome.tables.parts.rows import select_rows
from microtome.tables.parts.units import IMAGES, ONE_SEED, Units, trained, units_of

NEEDS = frozenset({"runs"})
USES = frozenset({"patients"})
METRIC_OPTIONS = {"metric": "class_name"}
NOTE = (
    "{name}; the difference is that of the means of the run of the row and of the run of the column. {test} "
    "on the same images, two-sided, seeds averaged per image{whole}; p corrected by Holm's method over all "
    "pairs. {seeds} {said}"
)
SEVERAL = "Where a run has several seeds, p is not below that of the bootstrap that draws {units} and seeds."
KEPT = ("n", "units", "difference", "p_value", "p_holm")


def tabulate(
    inputs: Inputs,
    *,
    metric: str,
    title: str = "",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    class_name: str = ALL_CLASSES,
    part: str = "test",
) -> Table:
    """Tabulate the paired tests of every two runs.

    Args:
        inputs: Run records.
        metric: Metric to compare.
        title: Caption; made of the metric by default.
        rows: Runs; all by default.
        class_name: Class to compare.
        part: Part of the split that was evaluated.

    Returns:
        One row per run: its mean, and against each other run the difference or the corrected p. The frame
        holds ``n_{run}``, ``units_{run}``, ``difference_{run}``, ``p_value_{run}`` and ``p_holm_{run}`` of
        each other run.

    Raises:
        ValueError: There are fewer than two runs, one lacks the metric, or the runs saw different images.
    """
    chosen = select_rows(inputs.runs, rows)
    for row in chosen:
        values_of(row.records, metric, class_name=class_name, part=part)
    frame = pd.concat([record.metrics for row in chosen for record in row.records], ignore_index=True)
    runs = [row.run for row in chosen]
    found = compare_all(frame, metric, runs=runs, class_name=class_name, part=part, units=inputs.units)
    pairs = both_ways(found)
    least = least_p(int(found["units"].max()), len(found))
    is_able = least <= LEVEL
    frame = matrix(chosen, pairs, effect=_effect, kept=KEPT, is_able=is_able)
    means = dict(zip(pairs["run_a"], pairs["mean_a"], strict=True))
    units = units_of(chosen, inputs, part, [metric])
    sizes = pd.DataFrame([units.sizes(row.records) for row in chosen]).assign(units=found["units"].max())
    data = " + ".join(inputs.data_kinds)
    frame = frame.assign(mean=frame["run"].map(means), n=found["n"].max(), data=data).join(sizes)
    name = metric_name(metric, class_name)
    group = group_of("difference", is_able=is_able)
    columns = (NAME, Column("mean", "Mean"), *matrix_columns(len(chosen), group), COUNT, *units.column, DATA)
    told = _told(name, found, units, least, several=trained(chosen)["several"])
    note = " ".join([told, *failed_sentence(inputs)])
    return Table(frame, columns, title or f"Paired tests of {name}", note, inputs.data_kinds)


def _told(name: str, found: pd.DataFrame, units: Units, least: float, *, several: bool) -> str:
    """What the tests are, and whether any can succeed."""
    test = " or ".join(dict.fromkeys(found["test"]))
    count, alone = int(found["units"].max()), units.name == IMAGES and not units.one
    what = f"n = {count}" if alone else f"{count} {units.names(count)}"
    return NOTE.format(
        name=name[:1].upper() + name[1:],
        test=f"{test[:1].upper()}{test[1:]} tests",
        whole="" if alone else f", {units.names(2)} with all of their images",
        seeds=SEVERAL.format(units=units.names(2)) if several else ONE_SEED,
        said=said_of_p(least, what, pairs=len(found)),
    )


def _effect(pair: Mapping[str, float]) -> str:
    """The difference with its sign."""
    return f"{pair['difference']:+.3f}"
