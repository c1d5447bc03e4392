# SPDX-License-Identifier: MIT
"""Weights by which networks sum the scores of their decoder blocks, beside published ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from microtome.tables.frame import SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts.published import PUBLISHED, heading, note_of, published_table
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs"})
PUBLISHED_OPTIONS = ("published",)
MERGE = "merge"
"""What cards call the weights, coarse to fine (`networks.told`)."""
LEVEL = Column("label", "Decoder block", kind="text")
FORMAT = ".4f"
NOTE = (
    "Weights w of the scores of each decoder block in their sum, coarse to fine; mean ± sd over seeds and "
    "splits. They are not identifiable: a block whose scores are twice as large and whose weight is half "
    "gives the same sum, so sizes and signs of two trainings cannot be compared, and a small weight does not "
    "by itself say that a block contributes little."
)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Weights of the decoder blocks in their sum",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    published: str = "",
) -> Table:
    """Tabulate the trained weights of decoder blocks.

    Args:
        inputs: Run records, published values.
        title: Caption.
        rows: Runs; all that sum blocks by default.
        published: Published table with the rows ``psi_0``, ``psi_1``, … and a column ``w``.

    Returns:
        One row per block: the weight in each run (mean and sd over seeds and splits).

    Raises:
        ValueError: No run sums blocks, one that is asked for does not, or the published table does not exist.
    """
    able = [record for record in inputs.runs if _weights(record.card)]
    if not (rows or able):
        msg = "no run sums decoder blocks, as the network dsunet does with head: linear; leave the table out"
        raise ValueError(msg)
    chosen = select_rows(inputs.runs if rows else able, rows)
    weights = {row.run: _of_row(row) for row in chosen}
    frame = pd.DataFrame({"label": [f"ψ{level}" for level in range(len(next(iter(weights.values()))[0]))]})
    columns = [LEVEL]
    for row in chosen:
        mean, sd = weights[row.run]
        frame = frame.assign(**{row.run: mean} | ({} if sd is None else {row.run + SD_SUFFIX: sd}))
        columns.append(Column(row.run, row.label, format=FORMAT))
    if published:
        printed = published_table(inputs.published, inputs.paper, published)["rows"]
        found = [printed.get(f"psi_{level}", {}).get("w", np.nan) for level in range(len(frame))]
        frame = frame.assign(**{PUBLISHED: found})
        columns.append(Column(PUBLISHED, "w", format=FORMAT, group=heading(inputs)))
    note = note_of(inputs, NOTE, published=published)
    return Table(frame, tuple(columns), title, note, inputs.data_kinds)


def _weights(card: Mapping[str, Any]) -> list[float]:
    """The weights in a run's card; empty where its network has none."""
    return list(card["network"].get(MERGE, ()))


def _of_row(row: Row) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean of the weights (levels,) over the records of a run, and their spread if there are several.

    Raises:
        ValueError: A record has none.
    """
    found = [_weights(record.card) for record in row.records]
    if not all(found):
        msg = f"the network of run {row.run!r} sums no decoder blocks; leave it out, or use head: linear"
        raise ValueError(msg)
    values = np.array(found, np.float64)
    return values.mean(0), values.std(0, ddof=1) if len(values) > 1 else None
