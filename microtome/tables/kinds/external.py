# SPDX-License-Identifier: MIT
"""Runs beside the published results of other methods, each in a column of its own."""

from collections.abc import Mapping, Sequence

import pandas as pd

from microtome.tables.frame import HIGH_SUFFIX, LOW_SUFFIX, SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import COUNT, DATA, LABEL
from microtome.tables.parts.claimed import mean_interval
from microtome.tables.parts.numbers import summarize, values_of
from microtome.tables.parts.published import PUBLISHED, heading, note_of, published_table
from microtome.tables.parts.rows import Row, select_rows
from microtome.tables.parts.units import Units, trained, units_of

NEEDS = frozenset({"runs"})
USES = frozenset({"patients"})
METRIC_OPTIONS = {"metric": ""}
PUBLISHED_OPTIONS = ("published",)
NOTE = (
    "Ours: mean ± sample sd over images, in brackets the 95 % bootstrap interval of the mean, {drawn} "
    "Published values are quoted, not computed here."
)


def tabulate(
    inputs: Inputs,
    *,
    published: str,
    title: str = "Comparison with published methods",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    metric: str = "aji",
    label: str = "AJI",
    column: str = "mean_aji",
    part: str = "test",
    seed: int = 0,
) -> Table:
    """Tabulate published results of other methods and, below, those of our runs.

    Args:
        inputs: Run records and published values.
        published: Published table; its rows have ``label``, ``rank`` and `column`.
        title: Caption.
        rows: Our runs; all by default.
        metric: Metric of our runs.
        label: Its heading.
        column: Column of the published table.
        part: Part of the split that was evaluated.
        seed: Seed of the bootstrap.

    Returns:
        One row per published method, one per run. Published values and ours stand in different columns, and
        the heading of the published ones says where the two cannot be compared; no value is marked best.

    Raises:
        ValueError: The published table or its column, a run or the metric does not exist.
    """
    printed = published_table(inputs.published, inputs.paper, published)["rows"]
    if not any(column in row for row in printed.values()):
        known = sorted({name for row in printed.values() for name in row})
        msg = f"published table {published!r} has no column {column!r}; its columns: {known}"
        raise ValueError(msg)
    chosen = select_rows(inputs.runs, rows)
    units = units_of(chosen, inputs, part, [metric])
    frame = pd.DataFrame(
        [
            *(_published_row(key, row, column) for key, row in printed.items()),
            *(_row(row, metric, part, units, seed) for row in chosen),
        ]
    )
    columns = (
        Column("rank", "Rank", format=".0f"),
        LABEL,
        Column(PUBLISHED, label, group=heading(inputs)),
        Column("value", label, group="this study"),
        COUNT,
        *units.column,
        DATA,
    )
    note = note_of(inputs, NOTE.format(drawn=units.told(**trained(chosen))), published=published)
    return Table(frame, columns, title, note, inputs.data_kinds)


def _published_row(key: str, row: Mapping[str, object], column: str) -> dict[str, object]:
    nothing = float("nan")
    rank, value = (nothing if row.get(name) is None else float(row[name]) for name in ("rank", column))
    head = {"rank": rank, "run": key, "label": str(row.get("label", key))}
    return {**head, PUBLISHED: value, "value": nothing, "n": nothing, "data": PUBLISHED}


def _row(row: Row, metric: str, part: str, units: Units, seed: int) -> dict[str, object]:
    summary = summarize(values_of(row.records, metric, part=part))
    low, high = mean_interval(row, metric, part, units, seed=seed)
    nothing = float("nan")
    values = {PUBLISHED: nothing, "value": summary.mean, "value" + SD_SUFFIX: summary.sd, "n": summary.n}
    values |= {"value" + LOW_SUFFIX: low, "value" + HIGH_SUFFIX: high, **units.sizes(row.records)}
    return {"rank": nothing, "run": row.run, "label": row.label, **values, "data": row.data}
