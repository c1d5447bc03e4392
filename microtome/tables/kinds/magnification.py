# SPDX-License-Identifier: MIT
"""One metric by magnification, and overall: over all images, over all pixels, and magnifications equally.

The overall values of the publication (Hyper-net, table I) are those of equally many images of each
magnification, although its data are not: the mean and the standard deviation of every row follow from the
two columns beside it. So the published overall value stands beside the last one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from microtome.config.checks import UNLABELLED
from microtome.metrics.resampling import ends
from microtome.tables.frame import HIGH_SUFFIX, LOW_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import COUNT, DATA, LABEL, MetricColumn, metric_values, read_column
from microtome.tables.parts.claims import add_claims, told_of_claims
from microtome.tables.parts.group_draws import EQUAL, PIXELS, POOLED, group_draws
from microtome.tables.parts.numbers import check_groups, told_of_intervals
from microtome.tables.parts.pixels import count
from microtome.tables.parts.published import (
    PUBLISHED,
    add_published,
    heading,
    note_of,
    published_cells,
    published_column,
    published_table,
)
from microtome.tables.parts.rates import (
    RATES,
    groups_in_order,
    image_values,
    pooled,
    pooled_equally,
    seed_values,
)
from microtome.tables.parts.rows import Row, select_rows
from microtome.tables.parts.units import Units, trained, units_of

NEEDS = frozenset({"runs"})
USES = frozenset({"labels", "patients"})
COLUMN_OPTIONS = ("column",)
PUBLISHED_OPTIONS = ("published",)
DEFAULT_COLUMN: Mapping[str, Any] = {
    "metric": "accuracy",
    "label": "Accuracy",
    "better": "high",
    "scale": 100,
    "format": ".2f",
    "unit": "%",
}
PUBLISHED_GROUP, PUBLISHED_OVERALL = "mag_{}", "overall"
"""Published columns of a magnification and of all."""
NOTE = (
    "Mean ± {kind} sd over images (values of several seeds averaged per image first); n: number of images. "
    "All images: as many of each magnification as there are ({counts}). Equally: each magnification counts "
    "alike, as in the publication."
)
PIXEL_NOTE = "All pixels: images weighted by their labelled pixels."
ONE_GROUP_NOTE = "The images are of one magnification, so there is no value over magnifications equally."


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Accuracy by magnification",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    column: str | Mapping[str, Any] = DEFAULT_COLUMN,
    groups: Sequence[str] = (),
    part: str = "test",
    ddof: int = 0,
    interval: bool = False,
    published: str = "",
    seed: int = 0,
) -> Table:
    """Tabulate one metric by magnification.

    Args:
        inputs: Run records whose metrics name the group (magnification) of each image, published values, and
            pixels per sample for the values over all pixels.
        title: Caption.
        rows: Runs; all by default.
        column: The metric, as a column of the kind ``metrics``.
        groups: Magnifications to show, in order; all by default, the lowest first.
        part: Part of the split that was evaluated.
        ddof: 0 for the population's standard deviation (as published), 1 for the sample's.
        interval: Whether to add 95 % bootstrap intervals, as in the kind ``metrics``.
        published: Published table to show beside: columns ``mag_10X``, … and ``overall``.
        seed: Seed of the bootstrap.

    Returns:
        One row per run: each magnification, all images, all pixels (where pixels are known), magnifications
        equally (NaN where there is one).

    Raises:
        ValueError: A run, the metric or a group asked for is not there.
    """
    chosen = select_rows(inputs.runs, rows)
    metric = read_column(column)
    if metric.pooled:
        msg = f"column {column} is pooled, but this table shows means over images; delete `pooled`"
        raise ValueError(msg)
    values = [
        image_values(row.records, metric.metric, class_name=metric.class_name, part=part) for row in chosen
    ]
    known = groups_in_order([group for frame in values for group in frame["group"]])
    check_groups(groups, known, part)
    shown = list(groups) or known
    kept = [frame[frame["group"].isin(shown)] for frame in values]
    weights = _weights(inputs)
    pairs = zip(chosen, kept, strict=True)
    frame = pd.DataFrame([_row(row, found, metric, shown, weights, ddof) for row, found in pairs])
    columns = _columns(metric, shown, has_pixels=weights is not None)
    name, _ = RATES.get(metric.metric, (metric.metric, False))
    units = units_of(chosen, inputs, part, [name])
    frame, said = _claimed(frame, chosen, columns, metric, (part, shown, weights), units, interval, seed)
    frame, printed = _add_published(frame, inputs, chosen, columns, published)
    sentences = (
        NOTE.format(kind="sample" if ddof else "population", counts=_counts(kept, shown)),
        "" if weights is None else PIXEL_NOTE,
        "" if len(shown) > 1 else ONE_GROUP_NOTE,
        *said,
    )
    note = note_of(inputs, *sentences, published=published)
    return Table(frame, (LABEL, *printed, COUNT, *units.column, DATA), title, note, inputs.data_kinds)


def _claimed(
    frame: pd.DataFrame,
    rows: Sequence[Row],
    columns: Mapping[str, Column],
    metric: MetricColumn,
    of: tuple[str, Sequence[str], pd.Series | None],
    units: Units,
    interval: bool,
    seed: int,
) -> tuple[pd.DataFrame, list[str]]:
    """Add intervals and what is told apart; the frame, and what there is to say of them."""
    part, groups, weights = of
    how = {"class_name": metric.class_name, "part": part}
    values = [seed_values(row.records, metric.metric, **how) for row in rows]
    runs = [
        group_draws(found, groups, units, weights, seed=seed, of=row.run)
        for row, found in zip(rows, values, strict=True)
    ]
    pairs = []
    for what, column in columns.items():
        draws = [run[what] for run in runs]
        in_group = values[0]["group"].eq(what) if what in groups else values[0]["group"].isin(groups)
        defined = values[0].loc[in_group & values[0]["value"].notna(), "sample"]
        count = len({units.whose[sample] for sample in defined})
        frame = add_claims(frame, [column], {column.key: draws}, count)
        if interval:
            low, high = (metric.scale * pd.Series(one) for one in zip(*map(ends, draws), strict=True))
            frame = frame.assign(**{column.key + LOW_SUFFIX: low, column.key + HIGH_SUFFIX: high})
            pairs.append((low, high))
    frame = frame.join(pd.DataFrame([units.sizes(row.records) for row in rows]))
    about = told_of_intervals(units.drawn, units.name, pairs)
    brackets = f"In brackets: 95 % bootstrap interval, {units.told(**trained(rows))} {about}".strip()
    claims = told_of_claims(frame, list(columns.values()), units.count, units.names(2))
    return frame, [brackets] * interval + [claims]


def _weights(inputs: Inputs) -> pd.Series | None:
    """Labelled pixels of each sample."""
    pixels = count(inputs) if inputs.frame is None else inputs.frame
    if pixels.empty:
        return None
    labelled = pixels[pixels["class"] != UNLABELLED]
    return labelled.groupby("sample")["pixels"].sum()


def _row(
    row: Row,
    values: pd.DataFrame,
    metric: MetricColumn,
    groups: Sequence[str],
    weights: pd.Series | None,
    ddof: int,
) -> dict[str, Any]:
    found: dict[str, Any] = {"run": row.run, "label": row.label}
    for group in groups:
        summary = pooled(values[values["group"] == group], ddof=ddof)
        found |= metric_values(_of(metric, group), summary)
    overall = pooled(values, ddof=ddof)
    found |= metric_values(_of(metric, POOLED), overall)
    if weights is not None:
        found[_of(metric, PIXELS).key] = metric.scale * _over_pixels(values, weights, row)
    found |= metric_values(_of(metric, EQUAL), pooled_equally(values, groups, ddof=ddof))
    return found | {"n": overall.n, "data": row.data}


def _over_pixels(values: pd.DataFrame, weights: pd.Series, row: Row) -> float:
    defined = values.dropna(subset="value")
    if missing := sorted(set(defined["sample"]) - set(weights.index)):
        msg = f"run {row.run!r}: the pixels of the samples {missing} were not counted; give their targets"
        raise ValueError(msg)
    share = weights.loc[defined["sample"]].to_numpy(float)
    return float(np.average(defined["value"], weights=share)) if share.sum() else float("nan")


def _of(metric: MetricColumn, what: str) -> MetricColumn:
    """The metric as the column of a group or of one of the overall values."""
    labels = {POOLED: "all images", PIXELS: "all pixels", EQUAL: "equally"}
    return replace(metric, metric=f"{metric.key}_{what}", class_name="all", label=labels.get(what, what))


def _columns(metric: MetricColumn, groups: Sequence[str], *, has_pixels: bool) -> dict[str, Column]:
    """Columns by group, or by overall value."""
    overall = (POOLED, *((PIXELS,) if has_pixels else ()), EQUAL)
    head = metric.column.label
    return {what: replace(_of(metric, what).column, group=head) for what in (*groups, *overall)}


def _add_published(
    frame: pd.DataFrame, inputs: Inputs, rows: Sequence[Row], columns: Mapping[str, Column], table: str
) -> tuple[pd.DataFrame, list[Column]]:
    """Set published values behind ours: of each magnification, the overall one as that of equal shares."""
    if not table:
        return frame, list(columns.values())
    known = published_table(inputs.published, inputs.paper, table).get("columns", ())
    printed, head = [], heading(inputs)
    for what, column in columns.items():
        name = PUBLISHED_OVERALL if what == EQUAL else PUBLISHED_GROUP.format(what.upper())
        if name not in known:
            continue
        key = f"{PUBLISHED}_{column.key}"
        frame = add_published(frame, published_cells(inputs, table, rows, name), key)
        printed.append(published_column(column, key, head))
    return frame, [*columns.values(), *printed]


def _counts(values: Sequence[pd.DataFrame], groups: Sequence[str]) -> str:
    """How many images of each magnification the first run has."""
    count = values[0].groupby("group")["sample"].size()
    return ", ".join(f"{count.get(group, 0)} {group}" for group in groups)
