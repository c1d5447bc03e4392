# SPDX-License-Identifier: MIT
"""Loss of the test samples, each model under the loss it was trained with."""

from collections.abc import Mapping, Sequence

import pandas as pd

from microtome.metrics.names import ALL_CLASSES
from microtome.tables.frame import HIGH_SUFFIX, LOW_SUFFIX, SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.claimed import mean_interval
from microtome.tables.parts.numbers import summarize, values_of
from microtome.tables.parts.published import (
    PUBLISHED,
    add_published,
    heading,
    note_of,
    published_cells,
    published_column,
)
from microtome.tables.parts.rows import Row, select_rows
from microtome.tables.parts.units import Units, trained, units_of

NEEDS = frozenset({"runs", "trained", "names"})
USES = frozenset({"patients"})
METRIC_OPTIONS = {"metric": ""}
PUBLISHED_OPTIONS = ("published",)
OWN_LOSS = "loss_{loss}"
"""Name of the metric that holds a loss; ``{loss}`` is the loss's registry name."""
LOSS_FORMAT = ".4f"
MEAN = Column("mean", "Mean", format=LOSS_FORMAT)
NOTE = (
    "Each model under its own loss: the losses are on different scales, so values of different rows do not "
    "rank the models. Mean ± sample sd over test samples; in brackets the 95 % bootstrap interval of the "
    "mean, {drawn}"
)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Loss of the test samples, each model under its own loss",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    part: str = "test",
    metric: str = OWN_LOSS,
    published: str = "",
    seed: int = 0,
) -> Table:
    """Tabulate each run's own loss, per sample and on average.

    Args:
        inputs: Run records and published values.
        title: Caption.
        rows: Runs; all trained runs by default.
        part: Part of the split that was evaluated.
        metric: Name of the metric, with ``{loss}`` for the name of the run's loss.
        published: Published table with a column ``loss``.
        seed: Seed of the bootstrap.

    Returns:
        One row per run and one column per sample, then the mean. No value is marked best (see the note).

    Raises:
        ValueError: A run lacks its loss, or a published value asked for does not exist.
    """
    chosen = select_rows([record for record in inputs.runs if not record.is_ensemble], rows)
    units = units_of(chosen, inputs, part, [_own(row, metric) for row in chosen])
    frame = pd.DataFrame([_row(row, metric, part, units, seed) for row in chosen])
    frame = frame.assign(loss_name=[inputs.name_of("loss", name) for name in frame["loss"]])
    samples = [column.removeprefix("sample_") for column in frame.columns if column.startswith("sample_")]
    columns = [LABEL, Column("loss_name", "Loss", kind="text")]
    each = {"format": LOSS_FORMAT, "group": "Sample"}
    columns += [Column(f"sample_{sample}", sample, **each) for sample in samples]
    columns.append(MEAN)
    if published:
        frame = add_published(frame, published_cells(inputs, published, chosen, "loss"), PUBLISHED)
        columns.append(published_column(MEAN, PUBLISHED, heading(inputs)))
    note = note_of(inputs, NOTE.format(drawn=units.told(**trained(chosen))), published=published)
    return Table(frame, (*columns, *units.column, DATA), title, note, inputs.data_kinds)


def _own(row: Row, metric: str) -> str:
    """The metric that holds the loss that a run was trained with."""
    return metric.format(loss=row.records[0].card["loss"]["name"])


def _row(row: Row, metric: str, part: str, units: Units, seed: int) -> dict[str, object]:
    loss, own = row.records[0].card["loss"]["name"], _own(row, metric)
    values = values_of(row.records, own, class_name=ALL_CLASSES, part=part)
    low, high = mean_interval(row, own, part, units, seed=seed)
    by_sample = values.groupby("sample")["value"].mean()
    summary = summarize(values)
    samples = {f"sample_{sample}": value for sample, value in by_sample.items()}
    mean = {"mean": summary.mean, "mean" + SD_SUFFIX: summary.sd}
    mean |= {"mean" + LOW_SUFFIX: low, "mean" + HIGH_SUFFIX: high, **units.sizes(row.records)}
    return {"run": row.run, "label": row.label, "loss": loss, **samples, **mean, "data": row.data}
