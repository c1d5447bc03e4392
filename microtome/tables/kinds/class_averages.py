# SPDX-License-Identifier: MIT
"""One line a run: each rate as its mean over classes ± the mean over classes of each class's own sd.

That is how the abstract of the MED-Net paper sums up its tables (70 ± 11 %, 95 ± 2 %, 0.71 ± 0.09). The sd of
a class is over splits, so there is none of a single split.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from microtome.metrics.names import rate_name
from microtome.metrics.resampling import ends
from microtome.tables.frame import HIGH_SUFFIX, LOW_SUFFIX, SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.claims import add_claims, told_of_claims
from microtome.tables.parts.pooling import Counted, counted, of_seeds
from microtome.tables.parts.published import cell, note_of, published_column, remark_of, short_heading
from microtome.tables.parts.published_classes import AVERAGE, class_cells
from microtome.tables.parts.rows import Row, named_rows, select_rows

NEEDS = frozenset({"runs"})
USES = frozenset({"patients"})
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
    interval: bool = True,
    published: str = "",
    published_rows: Sequence[str] = (),
    claims: str = "",
    seed: int = 0,
) -> Table:
    """Tabulate runs × rates, each summed up over the classes.

    Args:
        inputs: Run records with counts (family ``counts``), published values.
        title: Caption.
        rows: Runs; all by default.
        labels: What the rows are called, in their order, where not as the runs.
        rates: Names of rates, as in the kind ``pooled``.
        part: Part of the split that was evaluated.
        interval: Whether to add 95 % bootstrap intervals of the mean, resampling patients and seeds.
        published: Published table as of the kind ``pooled``, whose values are summed up likewise.
        published_rows: Its rows, one for each run, where they are not called as the runs.
        claims: Key among the paper's text claims of what is printed of each rate, for the note.
        seed: Seed of the bootstrap; the same patients are drawn for all runs.

    Returns:
        One row per run: each rate with ``_sd``, the mean over classes of the sd over splits of each.

    Raises:
        ValueError: A run, rate or published value asked for does not exist, or pixels were not counted.
    """
    chosen = named_rows(select_rows(inputs.runs, rows), labels, published_rows)
    given = {"part": part, "units": inputs.units, "mean_classes": inputs.mean_classes}
    counts = [(row, counted(row.records, inputs.classes, **given)) for row in chosen]
    draws = {rate: [of.drawn(rate, seed=seed, of=row.run)[:, -1] for row, of in counts] for rate in rates}
    frame = pd.DataFrame([_row(inputs, row, of, rates, published) for row, of in counts])
    ours = [Column(rate, rate_name(rate), better="high") for rate in rates]
    head = short_heading(inputs)
    beside = [published_column(one, f"published_{one.key}", head) for one in ours if published]
    units = min(of.units for _, of in counts)
    frame = add_claims(frame, ours, draws, units)
    for rate in rates if interval else ():
        low, high = zip(*map(ends, draws[rate]), strict=True)
        frame = frame.assign(**{f"{rate}{LOW_SUFFIX}": low, f"{rate}{HIGH_SUFFIX}": high})
    spreads = frame[[f"{one.key}{SD_SUFFIX}" for one in (*ours, *beside)]]
    has_spread = bool(spreads.notna().any(axis=None))
    over = f"the classes {', '.join(inputs.mean_classes)}" if inputs.mean_classes else "all classes"
    said = (
        f"Mean over {over} of what the pixels of all images of a split give, averaged over splits.",
        "±: the mean over classes of each class's own sd over splits." * has_spread,
        f"In brackets: 95 % bootstrap interval, resampling {inputs.unit_name}, within each split."
        f"{of_seeds([of for _, of in counts])}" * interval,
        told_of_claims(frame, ours, units, inputs.unit_name),
        _claimed(inputs, claims, rates) if claims else "",
        remark_of(inputs, published),
    )
    note = note_of(inputs, *said, published=published)
    whole = {"format": ",.0f", "once": True}
    sizes = (Column("units", inputs.unit_name.capitalize(), **whole), Column("seeds", "Seeds", **whole))
    return Table(frame, (LABEL, *ours, *beside, *sizes, DATA), title, note, inputs.data_kinds)


def _row(inputs: Inputs, row: Row, of: Counted, rates: Sequence[str], published: str) -> dict[str, object]:
    cells: dict[str, object] = {"run": row.run, "label": row.label, "data": row.data}
    cells |= {"units": of.units, "seeds": of.seeds}
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
