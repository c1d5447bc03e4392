# SPDX-License-Identifier: MIT
"""Confusion matrix: which class the pixels of each true class were predicted as, over all images together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pandas as pd

from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.confusion import confusion_of, shares_of
from microtome.tables.parts.published import note_of
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs"})
METRICS = ("pixels@{class}",)
SAID = {
    "truth": "Shares of the pixels of each true class (rows sum to 1): the diagonal is the recall.",
    "prediction": "Shares of the pixels of each predicted class (columns sum to 1): the diagonal is the "
    "precision.",
    "none": "Pixels.",
}


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Confusion matrix",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    part: str = "test",
    normalize: Literal["truth", "prediction", "none"] = "truth",
) -> Table:
    """Tabulate the pixels of each true class by predicted class.

    Args:
        inputs: Run records whose metrics count the pixels (family ``overlap``).
        title: Caption.
        rows: Runs; all by default.
        part: Part of the split that was evaluated.
        normalize: ``truth``: every row sums to 1; ``prediction``: every column; ``none``: pixels.

    Returns:
        One row per run and true class. The frame holds the shares (``share_`` and the predicted class) and
        the pixels (``pixels_``), added up over the images, seeds and splits of a run, exactly.

    Raises:
        ValueError: A run is missing, or its pixels were not counted.
    """
    frame = pd.concat(
        [_of_run(row, inputs, part, normalize) for row in select_rows(inputs.runs, rows)], ignore_index=True
    )
    kind, form = ("pixels", ",.0f") if normalize == "none" else ("share", ".3f")
    columns = (
        replace(LABEL, once=True),
        Column("truth", "True class", kind="text"),
        *(Column(f"{kind}_{name}", name, format=form, group="Predicted class") for name in inputs.classes),
        Column("pixels", "Pixels", format=",.0f"),
        DATA,
    )
    where = f"All labelled pixels of the images of part {part} together (of all seeds and splits of a run)."
    return Table(frame, columns, title, note_of(inputs, SAID[normalize], where), inputs.data_kinds)


def _of_run(row: Row, inputs: Inputs, part: str, normalize: str) -> pd.DataFrame:
    matrix = confusion_of(row.records, inputs.classes, part=part)
    shares = shares_of(matrix, "truth" if normalize == "none" else normalize)
    head = pd.DataFrame({"run": row.run, "label": row.label, "truth": matrix.index})
    both = (shares.add_prefix("share_"), matrix.add_prefix("pixels_"))
    body = pd.concat([part.reset_index(drop=True) for part in both], axis=1)
    return pd.concat([head, body], axis=1).assign(pixels=matrix.sum(axis=1).to_numpy(), data=row.data)
