# SPDX-License-Identifier: MIT
"""Panoptic quality of each class of objects, in the two ways of averaging that are published."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from microtome.metrics.names import ALL_CLASSES
from microtome.provenance.runs import RunRecord
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.numbers import summarize, values_of
from microtome.tables.parts.published import note_of
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs"})
METRICS = ("mpq", "iou_sum")
COUNTS = ("iou_sum", "truth_objects", "predicted_objects")
NOTE = (
    "PQ: mean over the images with true objects of the class. PQ+: of the objects of all images together. "
    "Row 'all', PQ: mPQ of PanNuke (Gamper et al. 2020), the mean over the classes with true objects in an "
    "image, then over images (the authors average tissues once more); PQ+: mPQ+ as HoVer-Net's authors count "
    "(CoNSeP, CoNIC), the mean over classes."
)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Panoptic quality by class",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    part: str = "test",
) -> Table:
    """Tabulate panoptic quality by run and class of objects.

    Args:
        inputs: Run records of a study with several classes of objects.
        title: Caption.
        rows: Runs; all by default.
        part: Part of the split that was evaluated.

    Returns:
        One row per run and class, and one for all classes: true and found objects, PQ and PQ+. Of several
        seeds, means.

    Raises:
        ValueError: There is one class of objects alone, or a run asked for is not there.
    """
    classes = inputs.classes[1:]
    found = [one for row in select_rows(inputs.runs, rows) for one in _rows(row, classes, part)]
    columns = (
        replace(LABEL, once=True),
        Column("class", "Class", kind="text"),
        Column("truth_objects", "True", format=",.0f"),
        Column("predicted_objects", "Found", format=",.0f"),
        Column("pq", "PQ", format=".3f"),
        Column("pq_plus", "PQ+", format=".3f"),
        DATA,
    )
    return Table(pd.DataFrame(found), columns, title, note_of(inputs, NOTE), inputs.data_kinds)


def _rows(row: Row, classes: Sequence[str], part: str) -> list[dict[str, object]]:
    """The rows of a run."""
    head = {"run": row.run, "label": row.label, "data": row.data}
    rows = []
    for name in classes:
        pooled = _pooled(row.records, name, part)
        rows.append({**head, "class": name, **pooled, "pq": _mean_pq(row.records, name, part)})
    sums = {key: sum(one[key] for one in rows) for key in COUNTS[1:]}
    known = [one["pq_plus"] for one in rows if not np.isnan(one["pq_plus"])]
    mean = float(np.mean(known)) if known else float("nan")
    mpq = summarize(values_of(row.records, "mpq", part=part)).mean
    return [*rows, {**head, "class": ALL_CLASSES, **sums, "pq": mpq, "pq_plus": mean}]


def _mean_pq(records: Sequence[RunRecord], name: str, part: str) -> float:
    """The mean over images with true objects of a class, as PanNuke's."""
    keys = ["sample", "seed", "split"]
    values, truth = (
        values_of(records, metric, class_name=name, part=part).set_index(keys)["value"]
        for metric in ("pq", "truth_objects")
    )
    return summarize(values[truth > 0].reset_index()).mean if (truth > 0).any() else float("nan")


def _pooled(records: Sequence[RunRecord], name: str, part: str) -> dict[str, float]:
    """The counts of all images, and what follows from them; means over the seeds."""
    sums = pd.DataFrame(
        {
            metric: values_of(records, metric, class_name=name, part=part).groupby("seed")["value"].sum()
            for metric in COUNTS
        }
    )
    objects = sums["truth_objects"] + sums["predicted_objects"]
    quality = 2 * sums["iou_sum"] / objects.where(objects > 0)
    return {key: float(sums[key].mean()) for key in COUNTS[1:]} | {"pq_plus": float(quality.mean())}
