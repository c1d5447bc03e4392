# SPDX-License-Identifier: MIT
"""One line a run: each rate as its mean over classes ± the mean over classes of each class's own sd.

That is how the abstract of the MED-Net paper sums up its tables (70 ± 11 %, 95 ± 2 %, 0.71 ± 0.09). The sd of
a class is over splits, so there is none of a single split.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from microtome.metrics.names import rate_name
from microtome.tables.frame import SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.pooling import counted
from microtome.tables.parts.published import cell, note_of, published_column, remark_of, short_heading
from microtome.tables.parts.published_classes import AVERAGE, class_cells
from microtome.tables.parts.rows import Row, named_rows, select_rows

NEEDS = frozenset({"runs"})
METRICS = ("tp", "fp", "fn", "tn")
PUBLISHED_OPTIONS = ("published",)
DEFAULT_RATES = ("sensitivity", "specificity", "dice")


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Means over classes",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    labels: Sequence[str] = (),
    rates: Sequence[str] = DEFAULT_RATES,
    part: str = "test",
    published: str = "",
    published_rows: Sequence[str] = (),
    claims: str = "",
) -> Table:
    """Tabulate runs × rates, each summed up over the classes.

    Args:
        inputs: Run records with counts (family ``counts``), published values.
        title: Caption.
        rows: Runs; all by default.
        labels: What the rows are called, in their order, where not as the runs.
        rates: Names of rates, as in the kind ``pooled``.
        part: Part of the split that was evaluated.
        published: Published table as of the kind ``pooled``, whose values are summed up likewise.
        published_rows: Its rows, one for each run, where they are not called as the runs.
        claims: Key among the paper's text claims of what is printed of each rate, for the note.

    Returns:
        One row per run: each rate with ``_sd``, the mean over classes of the sd over splits of each.

    Raises:
        ValueError: A run, rate or published value asked for does not exist, or pixels were not counted.
    """
    chosen = named_rows(select_rows(inputs.runs, rows), labels, published_rows)
    frame = pd.DataFrame([_row(inputs, row, rates, part, published) for row in chosen])
    ours = [Column(rate, rate_name(rate), better="high") for rate in rates]
    head = short_heading(inputs)
    beside = [published_column(one, f"published_{one.key}", head) for one in ours if published]
    spreads = frame[[f"{one.key}{SD_SUFFIX}" for one in (*ours, *beside)]]
    has_spread = bool(spreads.notna().any(axis=None))
    over = f"the classes {', '.join(inputs.mean_classes)}" if inputs.mean_classes else "all classes"
    said = (
        f"Mean over {over} of what the pixels of all images of a split give, averaged over splits.",
        "±: the mean over classes of each class's own sd over splits." * has_spread,
        _claimed(inputs, claims, rates) if claims else "",
        remark_of(inputs, published),
    )
    note = note_of(inputs, *said, published=published)
    return Table(frame, (LABEL, *ours, *beside, DATA), title, note, inputs.data_kinds)


def _row(inputs: Inputs, row: Row, rates: Sequence[str], part: str, published: str) -> dict[str, object]:
    of = counted(row.records, inputs.classes, part=part, mean_classes=inputs.mean_classes)
    cells: dict[str, object] = {"run": row.run, "label": row.label, "data": row.data}
    for rate in rates:
        found = of.rates(rate)
        cells |= {rate: float(found.mean[-1]), f"{rate}{SD_SUFFIX}": found.mean_sd}
        if published:
            printed = class_cells(inputs, published, row, rate, of.classes, of.mean_classes)
            key, (mean, sd) = f"published_{rate}", printed.loc[AVERAGE]
            cells |= {key: mean, f"{key}{SD_SUFFIX}": sd}
    return cells


def _claimed(inputs: Inputs, claims: str, rates: Sequence[str]) -> str:
    """A sentence on what the text of the paper says of the rates.

    Raises:
        ValueError: The paper has no such claims.
    """
    known = inputs.published.get("papers", {}).get(inputs.paper, {}).get("text_claims", {})
    if claims not in known:
        msg = f"no text claims {claims!r} of paper {inputs.paper!r}; there are {sorted(known)}"
        raise ValueError(msg)
    values = {rate: cell(known[claims].get(rate)) for rate in rates}
    told = (
        f"{rate_name(rate)} {mean:.2f}{'' if pd.isna(sd) else f' ± {sd:.2f}'}"
        for rate, (mean, sd) in values.items()
        if not pd.isna(mean)
    )
    return f"The published abstract prints {', '.join(told)}."
