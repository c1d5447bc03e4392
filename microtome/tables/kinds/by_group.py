# SPDX-License-Identifier: MIT
"""Metrics of runs by group (organ, clinic): mean ± sd over the images of each group."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from microtome.provenance.runs import RunRecord
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import COUNT, DATA, LABEL, MetricColumn, read_columns, scores
from microtome.tables.parts.numbers import check_groups, group_names
from microtome.tables.parts.published import note_of
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs"})
COLUMN_OPTIONS = ("columns",)
DEFAULT_COLUMNS: tuple[Mapping[str, Any], ...] = (
    {"metric": "aji", "label": "AJI", "better": "high"},
    {"metric": "pq", "label": "PQ", "better": "high"},
    {"metric": "dice", "class": "nucleus", "label": "Dice", "better": "high"},
)
NOTE = (
    "Mean ± {kind} sd over the images of a group (seeds averaged per image); n: number of images; the row "
    "'all' is over all images, not over groups."
)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Metrics by group",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    columns: Sequence[str | Mapping[str, Any]] = DEFAULT_COLUMNS,
    groups: Sequence[str] = (),
    heading: str = "Organ",
    part: str = "test",
    ddof: int = 1,
) -> Table:
    """Tabulate metrics by group and run.

    Args:
        inputs: Run records whose metrics name the group of each image.
        title: Caption.
        rows: Runs; all by default.
        columns: Metrics, as in the kind ``metrics``.
        groups: Groups to show, in order; all by name by default.
        heading: Heading of the groups.
        part: Part of the split that was evaluated.
        ddof: Degrees of freedom taken off for the sd.

    Returns:
        One row per group and run, then one row per run over all images. No value is marked best: the best
        group of a run is not a result.

    Raises:
        ValueError: The metrics name no group, or a run, metric or group asked for is not there.
    """
    chosen = [
        replace(row, records=tuple(_grouped(record) for record in row.records))
        for row in select_rows(inputs.runs, rows)
    ]
    metrics = [replace(metric, better=None) for metric in read_columns(columns, inputs)]
    names = group_names(group for row in chosen for record in row.records for group in _in_part(record, part))
    named = {name: group for group, name in names.items()}
    check_groups(groups, list(named)[:-1], part)
    shown = [*dict.fromkeys([*map(named.get, groups), None])] if groups else list(names)
    frame = pd.DataFrame(
        [
            _row(row, group, metrics, inputs, part=part, ddof=ddof) | {"group": names[group]}
            for group in shown
            for row in chosen
            if group is None or any(group in _in_part(record, part) for record in row.records)
        ]
    )
    run = replace(LABEL, once=True)
    printed = [Column("group", heading, kind="text"), run, *(metric.column for metric in metrics)]
    note = note_of(inputs, NOTE.format(kind="sample" if ddof else "population"))
    return Table(frame, (*printed, COUNT, DATA), title, note, inputs.data_kinds)


def _grouped(record: RunRecord) -> RunRecord:
    """The record with the group of each image as text."""
    if "group" not in record.metrics:
        msg = f"the metrics of run {record.run!r} lack the column group; fill the sheet's, evaluate again"
        raise ValueError(msg)
    groups = record.metrics["group"].astype(object).where(record.metrics["group"].notna(), "")
    return replace(record, metrics=record.metrics.assign(group=groups.astype(str)))


def _in_part(record: RunRecord, part: str) -> set[str]:
    return set(record.metrics.loc[record.metrics["part"] == part, "group"])


def _row(
    row: Row, group: str | None, metrics: Sequence[MetricColumn], inputs: Inputs, *, part: str, ddof: int
) -> dict[str, Any]:
    members = [record for record in row.records if group is None or group in _in_part(record, part)]
    records = [_only(record, group) for record in members]
    found = scores(records, metrics, part, inputs=inputs, ddof=ddof)
    return {"group": group, "run": row.run, "label": row.label, **found, "data": row.data}


def _only(record: RunRecord, group: str | None) -> RunRecord:
    """The record of the images of one group; None: of all."""
    if group is None:
        return record
    return replace(record, metrics=record.metrics[record.metrics["group"] == group])
