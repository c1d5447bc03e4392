# SPDX-License-Identifier: MIT
"""Runs × metrics: mean ± sd over images, intervals over patients and seeds, published values beside ours.

The best is bold only where it is told apart from every other run (`microtome.tables.parts.claims`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import pandas as pd

from microtome.metrics.names import ALL_CLASSES
from microtome.metrics.overlap import MEAN
from microtome.metrics.summary import Summary
from microtome.provenance.runs import RunRecord
from microtome.tables.frame import COUNT_SUFFIX, HIGH_SUFFIX, LOW_SUFFIX, SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts.claimed import claimed, told_of_brackets
from microtome.tables.parts.confusion import pool, pooled_score
from microtome.tables.parts.metric_column import MetricColumn
from microtome.tables.parts.numbers import Unit, summarize, values_of
from microtome.tables.parts.published import (
    PUBLISHED,
    add_published,
    heading,
    note_of,
    published_cells,
    published_column,
)
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs"})
USES = frozenset({"patients"})
COLUMN_OPTIONS = ("columns",)
PUBLISHED_OPTIONS = ("published",)
DEFAULT_COLUMNS: tuple[Mapping[str, Any], ...] = ({"metric": "dice", "better": "high"},)
LABEL = Column("label", "Run", kind="text")
DATA = Column("data", "Data", kind="text", once=True)
COUNT = Column("n", "n", format=".0f", once=True)
SUFFIXES = (SD_SUFFIX, COUNT_SUFFIX, LOW_SUFFIX, HIGH_SUFFIX)
BOUNDARIES = ("boundary_f", "hd95", "surface_distance")
"""What the names of metrics of boundaries begin with."""
MISSED = (
    "A boundary is where a class meets another labelled one. HD95: the larger 95th percentile of both ways. "
    "Where truth or segmentation alone has a boundary distances are the diagonal of the image, and F is 0."
)
SPREAD = {
    "image": "mean ± sd over images (values of several seeds or splits averaged per image first)",
    "seed": "mean ± sd over seeds",
    "split": "mean ± sd over splits",
}


def tabulate(
    inputs: Inputs,
    *,
    columns: Sequence[str | Mapping[str, Any]] = DEFAULT_COLUMNS,
    title: str = "Metrics",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    part: str = "test",
    over: Unit = "image",
    ddof: int = 1,
    interval: bool = False,
    published: str = "",
    seed: int = 0,
) -> Table:
    """Tabulate runs × metrics.

    Args:
        inputs: Run records and published values.
        columns: Metrics: names, or mappings with the attributes of `MetricColumn` (``class`` for its class,
            ``pooled`` for the pixels of all images together). A metric of classes that names none stands for
            one column a class and their macro mean; Dice by default.
        title: Caption.
        rows: Runs, as in `microtome.tables.parts.rows.select_rows`; all by default.
        part: Part of the split that was evaluated.
        over: Unit of the spread: ``image``, ``seed`` or ``split``.
        ddof: 1 for the sample standard deviation, 0 for that of the population.
        interval: Whether to add the 95 % bootstrap interval of each mean; over images it draws patients, as
            far as the sheet names them, and seeds.
        published: Published table to show beside; its columns are matched by name.
        seed: Seed of the bootstrap.

    Returns:
        The table. Its frame holds, per metric, the mean and columns ending in ``_sd``, ``_n``, with
        `interval` ``_ci_low`` and ``_ci_high``, and where one end is better ``_told_apart``; ``units`` and
        ``seeds`` of each row.

    Raises:
        ValueError: A run, a metric or a published value asked for does not exist.
    """
    chosen = select_rows(inputs.runs, rows)
    metrics = read_columns(columns, inputs)
    is_drawn = interval and over == "image"
    spread = {"over": over, "ddof": ddof, "interval": interval and not is_drawn, "seed": seed}
    frame = pd.DataFrame(
        [
            {
                "run": row.run,
                "label": row.label,
                **scores(row.records, metrics, part, inputs=inputs, **spread),
                "data": row.data,
            }
            for row in chosen
        ]
    )
    claims = claimed(frame, chosen, metrics, part, inputs=inputs, interval=is_drawn, seed=seed)
    frame, printed = add_published_columns(claims.frame, inputs, chosen, metrics, published)
    brackets = told_of_brackets(frame, metrics, claims, over) if interval else ""
    spread_note = f"n: number of {over}s." if all(one.pooled for one in metrics) else _spread_note(over, ddof)
    said = (spread_note, brackets, claims.note, note_of_columns(metrics, inputs))
    note = note_of(inputs, *said, published=published)
    return Table(frame, (LABEL, *printed, COUNT, *claims.columns, DATA), title, note, inputs.data_kinds)


def read_columns(columns: Sequence[str | Mapping[str, Any]], inputs: Inputs) -> list[MetricColumn]:
    """Read the metrics of a study's table: names, or mappings with the attributes of `MetricColumn`.

    A metric that the runs have of each class and not of all together becomes one column a class, and one of
    the mean; those that are named as well stand where they are named.

    Raises:
        ValueError: There is none, one is named twice, or a mapping has an unknown key.
    """
    pairs = [record.metrics[["metric", "class"]].drop_duplicates() for record in inputs.runs]
    known = {pair for frame in pairs for pair in frame.itertuples(index=False, name=None)}
    asked = [read_column(item) for item in columns]
    found = [(column, list(_expanded(column, inputs, known))) for column in asked]
    named = {column.key for column, shown in found if shown == [column]}
    metrics = [one for column, shown in found for one in shown if one == column or one.key not in named]
    keys = [metric.key for metric in metrics]
    if not keys or len(set(keys)) < len(keys):
        msg = f"a table of metrics needs at least one column and each only once, found {keys}"
        raise ValueError(msg)
    beside = {f"{key}{suffix}" for key in keys for suffix in SUFFIXES}
    if taken := sorted(beside & set(keys)):
        msg = f"{', '.join(taken)}: a metric of one class, and sd or number of another's; rename the class"
        raise ValueError(msg)
    return metrics


def _expanded(column: MetricColumn, inputs: Inputs, known: set[tuple[str, str]]) -> Iterator[MetricColumn]:
    """A column, or those of each class that it stands for."""
    of = [name for name in inputs.classes if (column.metric, name) in known]
    is_one = column.class_name != ALL_CLASSES or not of
    if is_one or ((column.metric, ALL_CLASSES) in known and not column.pooled):
        yield column
        return
    yield from column.of_each(of, has_mean=(f"{MEAN}{column.metric}", ALL_CLASSES) in known)


def note_of_columns(metrics: Sequence[MetricColumn], inputs: Inputs) -> str:
    """Say what macro means, pooled columns and distances of boundaries are, where there are such."""
    over = f"the classes {', '.join(inputs.mean_classes)}" if inputs.mean_classes else "all classes"
    mean = (
        f"Macro means are over {over} that an image (pooled: any image) has in truth or prediction; a class "
        "in neither has no value."
    )
    pooled = "Pooled: from the pixels of all images of the part together, each run's seeds and splits apart."
    has_mean = any(metric.metric.startswith(MEAN) for metric in metrics)
    has_pooled = any(metric.pooled for metric in metrics)
    has_lines = any(metric.metric.removeprefix(MEAN).startswith(BOUNDARIES) for metric in metrics)
    return " ".join([mean] * has_mean + [pooled] * has_pooled + [MISSED] * has_lines)


def add_published_columns(
    frame: pd.DataFrame, inputs: Inputs, rows: Sequence[Row], metrics: Sequence[MetricColumn], table: str
) -> tuple[pd.DataFrame, list[Column]]:
    """Set the columns of the published `table` (empty for none) behind ours, under one heading.

    Returns the frame with the published values, and the columns to print, in order.
    """
    head, beside = heading(inputs), []
    for metric in metrics:
        if not table or metric.published is None:
            continue
        key = f"{PUBLISHED}_{metric.key}"
        name = metric.published or metric.metric
        frame = add_published(frame, published_cells(inputs, table, rows, name), key)
        beside.append(published_column(metric.column, key, head))
    return frame, [*(metric.column for metric in metrics), *beside]


def metric_values(metric: MetricColumn, summary: Summary) -> dict[str, float]:
    """Lay a summary out as columns of the frame, on the metric's scale."""
    key, scale = metric.key, metric.scale
    values = {key: summary.mean * scale, key + SD_SUFFIX: summary.sd * scale, key + COUNT_SUFFIX: summary.n}
    interval = {key + LOW_SUFFIX: summary.low * scale, key + HIGH_SUFFIX: summary.high * scale}
    return values | ({} if pd.isna(summary.low) else interval)


def scores(
    records: Sequence[RunRecord],
    metrics: Sequence[MetricColumn],
    part: str,
    *,
    inputs: Inputs,
    **spread: Any,
) -> dict[str, float]:
    """Lay out the summaries of all metrics of a run, and ``n``, the largest number of images in one.

    `spread` are options of `summarize`.

    Raises:
        ValueError: A record does not hold a metric.
    """
    values, counts, together = {}, [], None
    for metric in metrics:
        if metric.pooled:
            together = together or pool(records, inputs.classes, part=part)
            of = (metric.metric, metric.class_name)
            summary = pooled_score(together, *of, mean_classes=inputs.mean_classes, **spread)
        else:
            found = values_of(records, metric.metric, class_name=metric.class_name, part=part)
            summary = summarize(found, **spread)
        values |= metric_values(metric, summary)
        counts.append(summary.n)
    return values | {"n": max(counts)}


def read_column(column: str | Mapping[str, Any]) -> MetricColumn:
    """Read one column of a study's table; see `read_columns`."""
    entries = {"metric": column} if isinstance(column, str) else dict(column)
    if "class" in entries:
        entries["class_name"] = entries.pop("class")
    known = {item.name for item in fields(MetricColumn)}
    if "metric" not in entries or set(entries) - known:
        keys = sorted(known - {"class_name"} | {"class"})
        msg = f"column {column} is not understood; a column is a metric's name or a mapping with {keys}"
        raise ValueError(msg)
    return MetricColumn(**entries)


def _spread_note(over: Unit, ddof: int) -> str:
    kind = "sample" if ddof else "population"
    return f"{SPREAD[over].capitalize()}, {kind} sd; n: number of {over}s."
