# SPDX-License-Identifier: MIT
"""Paired tests between runs on the same images, corrected for the number of pairs."""

from collections.abc import Mapping, Sequence

import pandas as pd

from microtome.metrics.summary import compare_all
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts.numbers import ALL_CLASSES, metric_name, values_of
from microtome.tables.parts.published import failed_sentence
from microtome.tables.parts.rows import select_rows

NEEDS = frozenset({"runs"})
METRIC_OPTIONS = {"metric": "class_name"}
FORMAT = ".3f"
NOTE = (
    "Two-sided paired tests on the same images, seeds averaged per image; p corrected by Holm's method over "
    "all pairs. With n images an exact test cannot give p below 2/2^n, here {floor:.3g}."
)


def tabulate(
    inputs: Inputs,
    *,
    metric: str,
    title: str = "",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    class_name: str = ALL_CLASSES,
    part: str = "test",
) -> Table:
    """Tabulate the paired tests of every two runs.

    Args:
        inputs: Run records.
        metric: Metric to compare.
        title: Caption; made of the metric by default.
        rows: Runs; all by default.
        class_name: Class to compare.
        part: Part of the split that was evaluated.

    Returns:
        One row per pair of runs: n, means, difference, test, p, p corrected.

    Raises:
        ValueError: There are fewer than two runs, one lacks the metric, or the runs saw different images.
    """
    chosen = select_rows(inputs.runs, rows)
    for row in chosen:
        values_of(row.records, metric, class_name=class_name, part=part)
    frame = pd.concat([record.metrics for row in chosen for record in row.records], ignore_index=True)
    found = compare_all(frame, metric, runs=[row.run for row in chosen], class_name=class_name, part=part)
    labels = {row.run: row.label for row in chosen}
    found = found.assign(label_a=found["run_a"].map(labels), label_b=found["run_b"].map(labels))
    found = found.assign(data=" + ".join(inputs.data_kinds))
    columns = (
        Column("label_a", "First run", kind="text"),
        Column("label_b", "Second run", kind="text"),
        Column("n", "n", format=".0f"),
        Column("mean_a", "First", format=FORMAT),
        Column("mean_b", "Second", format=FORMAT),
        Column("difference", "Difference", format="+.3f"),
        Column("test", "Test", kind="text"),
        Column("p_value", "p", format=FORMAT),
        Column("p_holm", "p, corrected", format=FORMAT),
        Column("data", "Data", kind="text"),
    )
    name = metric_name(metric, class_name)
    floor = 2.0 / 2.0 ** int(found["n"].min())
    note = " ".join([f"{name}. {NOTE.format(floor=floor)}", *failed_sentence(inputs)])
    return Table(found, columns, title or f"Paired tests of {name}", note, inputs.data_kinds)
