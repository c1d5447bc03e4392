# SPDX-License-Identifier: MIT
"""Regions for each mm² and the area in small ones: labels against runs, in the labelled part and the rest."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from microtome.metrics.fragmentation import SMALL_MM2
from microtome.tables.frame import SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.fragments import (
    FULL_TRUTH,
    MEASURES,
    SEGMENTATION,
    TRUTH,
    WHERE,
    fragments,
)
from microtome.tables.parts.published import note_of
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs"})
METRICS = ("regions_per_mm2", "small_region_share", "mm2_labelled", "mm2_unlabelled")
RUN_OPTIONS = ("compare",)
LABELS = {MEASURES[0]: "Regions", MEASURES[1]: "Small regions"}
UNITS = {MEASURES[0]: "1/mm²", MEASURES[1]: "% of area"}
SCALES = {MEASURES[0]: 1.0, MEASURES[1]: 100.0}
SIDES = {TRUTH: "Labels", FULL_TRUTH: "Complete labels"}
TWO = 2


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Fragmentation",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    part: str = "test",
    compare: Sequence[str] = (),
) -> Table:
    """Tabulate how fragmented labels and segmentations are.

    Args:
        inputs: Run records with the metrics of the family ``fragmentation``.
        title: Caption.
        rows: Runs; all by default.
        part: Part of the split that was evaluated.
        compare: Two runs; the note says whether the first has fewer regions for each mm² than the second.

    Returns:
        A row for the labels, one for complete labels where images have them, and one per run. Columns are
        the two measures in the whole image, its labelled part and the rest (``regions_per_mm2_labelled``
        and so on), the mean over splits, with ``_sd``.

    Raises:
        ValueError: A run asked for does not exist or was not measured, or `compare` does not name two.
    """
    chosen = select_rows(inputs.runs, rows)
    found = [row for side, label in SIDES.items() if (row := _cells(chosen[0], side, part, label))]
    found += [_cells(row, SEGMENTATION, part, row.label) for row in chosen]
    frame = pd.DataFrame(found)
    columns = [
        Column(f"{measure}{ending}", LABELS[measure], unit=UNITS[measure], format=".2f", group=where)
        for ending, where in WHERE.items()
        for measure in MEASURES
        if f"{measure}{ending}" in frame
    ]
    said = (
        "A region is what is connected, by edges or corners, of one class; regions are counted within each "
        "place, and those of all images of a split together are divided by its area; ± sample sd over "
        f"splits. Small regions are below {SMALL_MM2:g} mm².",
        *_compared(frame, compare),
    )
    return Table(frame, (LABEL, *columns, DATA), title, note_of(inputs, *said), inputs.data_kinds)


def _cells(row: Row, side: str, part: str, label: str) -> dict[str, object]:
    """A row of the table; empty where nothing of the side was measured."""
    by_split = fragments(row.records, side=side, part=part)
    cells: dict[str, object] = {}
    for ending, values in by_split.groupby("where", sort=False):
        for measure in MEASURES:
            key, scaled = f"{measure}{ending}", values[measure] * SCALES[measure]
            cells |= {key: float(scaled.mean()), f"{key}{SD_SUFFIX}": float(scaled.std(ddof=1))}
    run = row.run if side == SEGMENTATION else ""
    return {"run": run, "label": label, "data": row.data} | cells if cells else {}


def _compared(frame: pd.DataFrame, compare: Sequence[str]) -> Iterator[str]:
    """Whether the first of two runs has fewer regions.

    Raises:
        ValueError: There are not two, or the table lacks one.
    """
    if not compare:
        return
    of = {run: values for run, values in frame.set_index("run").iterrows() if run in compare}
    if len(compare) != TWO or len(of) != TWO:
        msg = f"compare names {list(compare)}, expected two of the runs {[r for r in frame['run'] if r]}"
        raise ValueError(msg)
    first, second = (of[run] for run in compare)
    ours, theirs = (float(one[MEASURES[0]]) for one in (first, second))
    fewer = "has fewer" if ours < theirs else "has not fewer"
    yield (
        f"{first['label']} {fewer} regions for each mm² of the whole image than {second['label']}: "
        f"{ours:.2f} against {theirs:.2f}{_beside(frame)}."
    )


def _beside(frame: pd.DataFrame) -> str:
    """How many regions complete labels have, where there are such: few regions alone are no merit."""
    full = frame.loc[(frame["run"] == "") & (frame["label"] == SIDES[FULL_TRUTH]), MEASURES[0]]
    return f"; complete labels have {float(full.iloc[0]):.2f}" if len(full) else ""
