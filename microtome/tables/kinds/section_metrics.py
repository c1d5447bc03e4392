# SPDX-License-Identifier: MIT
"""Runs × rates of called sections: accuracy, sensitivity, specificity, precision, F-beta, published beside.

Rates are of all sections of a part together; the interval resamples patients, or slides where no patient is
known, and seeds. The best is bold only where it is told apart from every other run. With `thresholds` the
table says what was chosen on validation, and its note what the least area does.
"""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from microtome.metrics import sections
from microtome.metrics.resampling import Values, ends
from microtome.tables.frame import HIGH_SUFFIX, LOW_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.claims import add_claims, told_of_claims
from microtome.tables.parts.numbers import told_of_intervals
from microtome.tables.parts.published import (
    add_published,
    note_of,
    published_cells,
    published_column,
    published_table,
    remark_of,
    short_heading,
)
from microtome.tables.parts.rows import Row, named_rows, select_rows
from microtome.tables.parts.section_calls import Called, called, left_out, units_name
from microtome.tables.parts.units import ONE_SEED

NEEDS = frozenset({"runs", "calls"})
PUBLISHED_OPTIONS = ("published",)
F_BETA = "f_beta"
DECIMALS = 3
DEFAULT_RATES = ("accuracy", "sensitivity", "specificity", F_BETA)
CHOSEN = {
    "threshold": Column("threshold", "Threshold, p ≥", short="p ≥", format=".2f"),
    "least_area": Column("least_area", "Least area", unit="µm²", short="Area", format=",.0f"),
}
SHORT = {"accuracy": "Acc.", "sensitivity": "Sens.", "specificity": "Spec.", "precision": "Prec."}
PRINTED = {"threshold": "prediction_threshold", "least_area": "tumor_area_threshold_um2"}
"""What published tables call the chosen thresholds."""
ERRORS = (Column("fp", "FP", format=".4g"), Column("fn", "FN", format=".4g"))
COUNT = Column("n", "Sections", format=",.0f", once=True)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Calls of sections",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    labels: Sequence[str] = (),
    part: str = "test",
    rates: Sequence[str] = DEFAULT_RATES,
    thresholds: bool = False,
    interval: bool = True,
    accuracy_decimals: int = DECIMALS,
    published: str = "",
    published_rows: Sequence[str] = (),
    seed: int = 0,
) -> Table:
    """Tabulate what runs called the sections of one part, against their labels.

    Args:
        inputs: Run records with their sections, options of calling, published values.
        title: Caption.
        rows: Runs; all that call sections by default.
        labels: What the rows are called, in their order, where not as the runs.
        part: Part of the split.
        rates: ``accuracy``, ``sensitivity``, ``specificity``, ``precision``, ``f_beta`` (with the weight that
            the run was chosen by).
        thresholds: Whether to show the chosen threshold and least area, and to count in the note what the
            least area does.
        interval: Whether to add 95 % bootstrap intervals.
        accuracy_decimals: Of the accuracy, where runs differ in few sections of many.
        published: Published table to show beside.
        published_rows: Its rows, one for each run, where they are not called as the runs.
        seed: Seed of the bootstrap.

    Returns:
        One row per run: the rates (each with ``_ci_low`` and ``_ci_high``), false positive and false negative
        sections, and how many sections and patients (slides where none is known) they are of.

    Raises:
        ValueError: A run, rate or published value asked for does not exist, or a run called no section.
    """
    able = [record for record in inputs.runs if record.run in inputs.calls]
    chosen = named_rows(select_rows(able, rows), labels, published_rows)
    found = [called(row.records, inputs.calls[row.run]["class"], part=part) for row in chosen]
    betas = [float(inputs.calls[row.run]["beta"]) for row in chosen]
    columns = [_column(rate, betas, accuracy_decimals) for rate in rates]
    frame = pd.DataFrame(
        [
            {"run": row.run, "label": row.label, **_chosen(one), **_rates(one, rates, beta)}
            | {**_counts(one), "data": row.data}
            for row, one, beta in zip(chosen, found, betas, strict=True)
        ]
    )
    draws = {rate: _draws(chosen, found, [_metric(rate, beta) for beta in betas], seed) for rate in rates}
    units = min(len(one.units) for one in found)
    frame = add_claims(frame, columns, draws, units)
    for rate in rates if interval else ():
        low, high = zip(*map(ends, draws[rate]), strict=True)
        frame = frame.assign(**{rate + LOW_SUFFIX: low, rate + HIGH_SUFFIX: high})
    shown = [*CHOSEN.values()] * thresholds + columns + [*ERRORS]
    frame, printed = _beside(frame, inputs, chosen, shown, published)
    effect = _effect([row.label for row in chosen], found) if thresholds else ""
    pairs = [(frame[rate + LOW_SUFFIX], frame[rate + HIGH_SUFFIX]) for rate in rates if interval]
    about = told_of_intervals(len(found[0].counts), units_name(found).lower(), pairs) if interval else ""
    claims = told_of_claims(frame, columns, units, units_name(found).lower())
    remark = remark_of(inputs, published)
    said = (_note(found, interval=interval), about, claims, effect, left_out(found), remark)
    note = note_of(inputs, *said, published=published)
    columns = (
        LABEL,
        *printed,
        COUNT,
        Column("units", units_name(found), format=",.0f", once=True),
        Column("seeds", "Seeds", format=",.0f", once=True),
        DATA,
    )
    return Table(frame, columns, title, note, inputs.data_kinds)


def _column(rate: str, betas: Sequence[float], accuracy_decimals: int) -> Column:
    """How a rate is printed; F-beta says its weight where the runs share one."""
    if rate not in DEFAULT_RATES and rate not in sections.RATES:
        known = dict.fromkeys((*DEFAULT_RATES, *sections.RATES))
        msg = f"{rate!r} is no rate of sections, expected some of {', '.join(known)}"
        raise ValueError(msg)
    weight = f"{betas[0]:g}" if len(set(betas)) == 1 else "β"
    label = f"F{weight}" if rate == F_BETA else rate.capitalize()
    decimals = accuracy_decimals if rate == "accuracy" else DECIMALS
    return Column(rate, label, short=SHORT.get(rate, ""), better="high", format=f".{decimals}f")


def _metric(rate: str, beta: float) -> str:
    return f"f{beta:g}" if rate == F_BETA else rate


def _rates(found: Called, rates: Sequence[str], beta: float) -> dict[str, float]:
    """The rates of a run's sections by column of the frame."""
    return {rate: sections.pooled(found.counts, _metric(rate, beta)) for rate in rates}


def _draws(rows: Sequence[Row], found: Sequence[Called], metrics: Sequence[str], seed: int) -> list[Values]:
    """Draws of a rate of each run, of the same patients in the same draw."""
    units = sorted({unit for one in found for unit in one.units})
    every = zip(rows, found, metrics, strict=True)
    return [sections.draws(one.trainings(units), m, seed=seed, of=row.run) for row, one, m in every]


def _chosen(found: Called) -> dict[str, float | str]:
    """The chosen threshold and least area; of several seeds or splits each that was chosen, as text."""
    values = {name: sorted(set(found.sections[name])) for name in CHOSEN}
    return {
        name: float(few[0])
        if len(few) == 1
        else " / ".join(f"{value:{CHOSEN[name].format}}" for value in few)
        for name, few in values.items()
    }


def _counts(found: Called) -> dict[str, float]:
    fp, fn = found.errors()
    return {"fp": fp, "fn": fn, "n": found.n, "units": len(found.units), "seeds": len(found.seeds)}


def _beside(
    frame: pd.DataFrame, inputs: Inputs, rows: Sequence[Row], columns: Sequence[Column], table: str
) -> tuple[pd.DataFrame, list[Column]]:
    """Put what is published of each column, where it is, behind all, under one heading."""
    known = published_table(inputs.published, inputs.paper, table)["columns"] if table else ()
    head, beside = short_heading(inputs), []
    for column in columns:
        name = PRINTED.get(column.key, _published_name(column.key, known))
        if name in known:
            key = f"published_{column.key}"
            frame = add_published(frame, published_cells(inputs, table, rows, name), key)
            beside.append(published_column(column, key, head))
    return frame, [*columns, *beside]


def _published_name(rate: str, known: Sequence[str]) -> str:
    """What a published table calls a rate: F-beta with its weight."""
    return next((name for name in known if rate == F_BETA and name.startswith(F_BETA)), rate)


def _note(found: Sequence[Called], *, interval: bool) -> str:
    first = found[0]
    total = first.counts[["tp", "fn"]].sum().sum()
    of = f"{total:g} sections of {first.positive} and {first.n - total:g} others, all together."
    units = f"{units_name(found).lower()}, each with all of its sections"
    seeds = " Seeds are resampled, too." if any(len(one.seeds) > 1 for one in found) else f" {ONE_SEED}"
    return f"{of} In brackets: 95 % bootstrap interval, resampling {units}.{seeds}" if interval else of


def _effect(labels: Sequence[str], found: Sequence[Called]) -> str:
    """What the least area does, in numbers: false positives that it removes, and what it costs."""
    head = "False positives are sections without it that look alike. From no least area to the chosen one:"
    return " ".join([head, *_effects(labels, found)])


def _effects(labels: Sequence[str], found: Sequence[Called]) -> Iterator[str]:
    for number, (label, one) in enumerate(zip(labels, found, strict=True), start=1):
        (fp, fn), (more, fewer) = one.errors(), one.without_area().errors()
        end = "." if number == len(labels) else ";"
        yield f"{label} {more:g} → {fp:g} false positive, {fewer:g} → {fn:g} missed{end}"
