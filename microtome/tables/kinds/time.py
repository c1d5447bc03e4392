# SPDX-License-Identifier: MIT
"""Parameters of each run, and its seconds of training and validation, from the run cards."""

from collections.abc import Mapping, Sequence

import pandas as pd

from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.published import (
    PUBLISHED,
    add_published,
    heading,
    note_of,
    published_cells,
    published_column,
)
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs", "trained"})
PUBLISHED_OPTIONS = ("published",)
SECONDS = "s"
NOTE = "Wall-clock time, mean over seeds and splits; times of different machines are not comparable."
TIME_FORMAT = ".1f"
PER_EPOCH_FORMAT = ".3f"
TOTAL = Column("seconds", "Total", unit=SECONDS, better="low", format=TIME_FORMAT)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Running time (training and validation)",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    published: str = "",
) -> Table:
    """Tabulate the time each run took.

    Args:
        inputs: Run records and published values.
        title: Caption.
        rows: Runs; all trained runs by default (an ensemble is not trained).
        published: Published table with a column ``seconds``.

    Returns:
        One row per run: parameters of the network, seconds of training, of validation, their sum (mean over
        seeds and splits), epochs, seconds per epoch, device, threads.

    Raises:
        ValueError: There is no trained run, or a published value asked for does not exist.
    """
    chosen = select_rows([record for record in inputs.runs if not record.is_ensemble], rows)
    frame = pd.DataFrame([_row(row) for row in chosen])
    columns = [
        LABEL,
        Column("parameters", "Parameters", format=",.0f"),
        Column("train", "Training", unit=SECONDS, format=TIME_FORMAT),
        Column("validate", "Validation", unit=SECONDS, format=TIME_FORMAT),
        TOTAL,
        Column("epochs", "Epochs", format=".0f", once=True),
        Column("per_epoch", "Per epoch", unit=SECONDS, format=PER_EPOCH_FORMAT),
        Column("device", "Device", kind="text", once=True),
    ]
    if published:
        frame = add_published(frame, published_cells(inputs, published, chosen, "seconds"), PUBLISHED)
        columns.append(published_column(TOTAL, PUBLISHED, heading(inputs)))
    note = note_of(inputs, NOTE, published=published)
    return Table(frame, (*columns, DATA), title, note, inputs.data_kinds)


def _row(row: Row) -> dict[str, object]:
    count = len(row.records)
    seconds = {
        key: sum(float(record.card["seconds"][key]) for record in row.records) / count
        for key in ("train", "validate")
    }
    total = sum(seconds.values())
    epochs = sum(int(record.card["epochs_run"]) for record in row.records) / count
    device = " + ".join(sorted({_device(record.card) for record in row.records}))
    parameters = float(row.records[0].card["network"].get("parameters", float("nan")))
    values = {"run": row.run, "label": row.label, "parameters": parameters, **seconds, "seconds": total}
    return values | {
        "epochs": epochs,
        "per_epoch": total / epochs if epochs else float("nan"),
        "device": device,
        "data": row.data,
    }


def _device(card: Mapping[str, object]) -> str:
    device, threads = str(card.get("device", "unknown")), card.get("threads")
    return f"{device}, {threads} thread{'s' * (threads != 1)}" if device == "cpu" and threads else device
