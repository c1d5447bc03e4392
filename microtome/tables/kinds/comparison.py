# SPDX-License-Identifier: MIT
"""All runs against each other on boundary, overlap and pixel metrics, with the time each took."""

from collections.abc import Mapping, Sequence
from typing import Any

from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds import metrics
from microtome.tables.parts.numbers import Unit
from microtome.tables.parts.rows import select_rows

NEEDS = frozenset({"runs"})
USES = frozenset({"patients"})
COLUMN_OPTIONS = ("columns",)
DEFAULT_COLUMNS: tuple[Mapping[str, Any], ...] = (
    {"metric": "v_rand", "label": "V_Rand", "better": "high"},
    {"metric": "v_info", "label": "V_Info", "better": "high"},
    {"metric": "dice", "class": "membrane", "label": "Membrane Dice", "better": "high"},
    {"metric": "dice", "class": "cell", "label": "Cell Dice", "better": "high"},
    {"metric": "iou", "class": "membrane", "label": "Membrane IoU", "better": "high"},
    {"metric": "pixel_error", "label": "Pixel error", "better": "low"},
)
PARAMETERS = Column("parameters", "Parameters", format=",.0f")
SECONDS = Column("seconds", "Time", unit="s", format=".0f", better="low")


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Comparison of all runs",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    columns: Sequence[str | Mapping[str, Any]] = DEFAULT_COLUMNS,
    part: str = "test",
    over: Unit = "image",
    ddof: int = 1,
    interval: bool = False,
) -> Table:
    """Tabulate all runs × metrics, parameters and seconds.

    Args:
        inputs: Run records.
        title: Caption.
        rows: Runs; all by default.
        columns: Metrics, as in the kind ``metrics``; those of the membrane study by default.
        part: Part of the split that was evaluated.
        over: Unit of the spread.
        ddof: Degrees of freedom taken off for the sd.
        interval: Whether to add 95 % bootstrap intervals.

    Returns:
        The table; an ensemble has the parameters of its members together, and no seconds of its own.

    Raises:
        ValueError: A run or a metric asked for does not exist.
    """
    table = metrics.tabulate(
        inputs, columns=columns, title=title, rows=rows, part=part, over=over, ddof=ddof, interval=interval
    )
    records = [row.records for row in select_rows(inputs.runs, rows)]
    trained = [[record for record in group if not record.is_ensemble] for group in records]
    nothing = float("nan")
    frame = table.frame.assign(
        parameters=[float(group[0].card["network"].get("parameters", nothing)) for group in records],
        seconds=[
            sum(record.seconds for record in group) / len(group) if group else nothing for group in trained
        ],
    )
    count = table.columns.index(metrics.COUNT)
    columns = (*table.columns[:count], PARAMETERS, SECONDS, *table.columns[count:])
    return Table(frame, columns, title, table.note, table.data_kinds)
