# SPDX-License-Identifier: MIT
"""Intervals of the metrics of a table, and which values may be called the best, over patients and seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from microtome.metrics.names import ALL_CLASSES
from microtome.metrics.resampling import Values, drawn, ends, mean_of, trainings_of
from microtome.tables.frame import HIGH_SUFFIX, LOW_SUFFIX, Column
from microtome.tables.inputs import Inputs
from microtome.tables.parts.claims import add_claims, told_of_claims
from microtome.tables.parts.confusion import COUNTS, pooled_draws
from microtome.tables.parts.metric_column import MetricColumn
from microtome.tables.parts.numbers import Unit, told_of_intervals, values_of
from microtome.tables.parts.rows import Row
from microtome.tables.parts.units import Units, samples_with, trained, units_of


@dataclass(frozen=True)
class Claims:
    """What is known of the values of a table: intervals, and which of them are told apart.

    Attributes:
        frame: The frame with ``_ci_low`` and ``_ci_high``, where asked for, ``_told_apart``, ``units`` and
            ``seeds``.
        columns: How many patients and seeds.
        units: What was drawn.
        drawn: The same in words, behind those that say what for.
        note: What bold says, and of which columns nothing can be claimed.
    """

    frame: pd.DataFrame
    columns: tuple[Column, ...]
    units: Units
    drawn: str
    note: str


def claimed(
    frame: pd.DataFrame,
    rows: Sequence[Row],
    metrics: Sequence[MetricColumn],
    part: str,
    *,
    inputs: Inputs,
    interval: bool,
    seed: int = 0,
) -> Claims:
    """Draw patients and seeds anew, for the intervals of each value and for what may be called the best.

    Args:
        frame: One row for each of `rows`; those without records are of published values.
        rows: The runs.
        metrics: Metrics of the table.
        part: Part of the split that was evaluated.
        inputs: Whose images they are.
        interval: Whether to add 95 % intervals.
        seed: Seed of the draws.
    """
    ours = [row for row in rows if row.records]
    names = [_names(metric, inputs) for metric in metrics]
    units = units_of(ours, inputs, part, [name for of_metric in names for name in of_metric])
    asked = [metric for metric in metrics if interval or metric.better]
    draws = {one.key: [_draws(row, one, part, units, inputs, seed) for row in rows] for one in asked}
    for metric in asked if interval else ():
        pairs = np.array([ends(of_run) for of_run in draws[metric.key]]) * metric.scale
        frame = frame.assign(**{metric.key + LOW_SUFFIX: pairs[:, 0], metric.key + HIGH_SUFFIX: pairs[:, 1]})
    sizes = pd.DataFrame([units.sizes(row.records) if row.records else {} for row in rows], frame.index)
    columns = [metric.column for metric in metrics]
    counts = {metric.key: _count(ours, metric, part, units, inputs) for metric in asked}
    frame = add_claims(frame.join(sizes), columns, draws, counts)
    marked = [counts[metric.key] for metric in asked if metric.better]
    note = told_of_claims(frame, columns, max(marked, default=units.count), units.names(2))
    return Claims(frame, units.column, units, units.told(**trained(ours)), note)


def _names(metric: MetricColumn, inputs: Inputs) -> list[str]:
    """The metrics of images that a column follows from."""
    return [f"{COUNTS}{name}" for name in inputs.classes] if metric.pooled else [metric.metric]


def _count(rows: Sequence[Row], metric: MetricColumn, part: str, units: Units, inputs: Inputs) -> int:
    """Patients with a value of a column, the fewest that a run has, of runs that have any.

    A patient of whom nothing is known can make no claim: of a class that few have, these few do.
    """
    of = "" if metric.pooled else metric.class_name
    found = [
        {units.whose[sample] for sample in samples_with(row.records, part, _names(metric, inputs), of)}
        for row in rows
    ]
    return min((len(patients) for patients in found if patients), default=0)


def _draws(row: Row, metric: MetricColumn, part: str, units: Units, inputs: Inputs, seed: int) -> Values:
    """Draws of the value of a run; a single NaN where it has no records."""
    if not row.records:
        return np.full(1, np.nan)
    if metric.pooled:
        of = (metric.metric, metric.class_name)
        given = {"part": part, "groups": units.groups, "mean_classes": inputs.mean_classes}
        return pooled_draws(row.records, inputs.classes, *of, seed=seed, **given)
    values = values_of(row.records, metric.metric, class_name=metric.class_name, part=part)
    trainings = trainings_of(values, units.groups, units.order)
    return drawn(trainings, mean_of, seed=seed, of=row.run)


def mean_interval(
    row: Row, metric: str, part: str, units: Units, *, class_name: str = ALL_CLASSES, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the mean of a metric of one run, which draws patients and seeds."""
    values = values_of(row.records, metric, class_name=class_name, part=part)
    trainings = trainings_of(values, units.groups, units.order)
    return ends(drawn(trainings, mean_of, seed=seed, of=row.run))


def told_of_brackets(
    frame: pd.DataFrame, metrics: Sequence[MetricColumn], claims: Claims, over: Unit = "image"
) -> str:
    """What the intervals in brackets are."""
    there = [metric.key for metric in metrics if metric.key + LOW_SUFFIX in frame]
    pairs = [(frame[key + LOW_SUFFIX], frame[key + HIGH_SUFFIX]) for key in there]
    is_of_images = over == "image"
    count, name = (claims.units.drawn, claims.units.name) if is_of_images else (frame["n"].max(), f"{over}s")
    about = told_of_intervals(int(count), name, pairs)
    drawn = claims.drawn if is_of_images else f"resampling {over}s."
    return f"In brackets: 95 % bootstrap interval of the mean, {drawn} {about}".strip()
