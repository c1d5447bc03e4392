# SPDX-License-Identifier: MIT
"""Seconds that runs took for a slide, from opening it to its finished map, and against a run of reference."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from microtome.provenance import tsv
from microtome.provenance.section_calls import SECONDS_NAME
from microtome.tables.frame import SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import COUNT, DATA, LABEL
from microtome.tables.parts.published import (
    PUBLISHED,
    add_published,
    heading,
    note_of,
    published_cells,
    published_table,
)
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs", "calls", "heat_maps"})
RUN_OPTIONS = ("reference",)
PUBLISHED_OPTIONS = ("published",)
SECONDS = Column("seconds", "Seconds per slide", unit="s", format=".2f", better="low")
CHANGE = Column("change", "Change", unit="%", format="+.0f")
NOTE = (
    "Wall-clock seconds from opening a slide to its finished map, without loading weights; mean ± sd over "
    "slides. Change: of the sum over all slides, against {reference}. Times of different machines are not "
    "comparable."
)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Seconds per slide",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    part: str = "test",
    reference: str = "",
    published: str = "",
    published_rows: Sequence[str] = (),
) -> Table:
    """Tabulate the time that runs took for the slides of a part.

    Args:
        inputs: Run records, the seconds beside their maps, published values.
        title: Caption.
        rows: Runs; all that call sections by default.
        part: Part of the split.
        reference: Run that the others are compared with; the first by default.
        published: Published table with a column ``seconds``.
        published_rows: Its rows, one for each run, where they are not called as the runs.

    Returns:
        One row per run: seconds (mean and sd over slides), seconds per mm² of tissue, the change against the
        reference in per cent (NaN of itself), slides.

    Raises:
        ValueError: No time of a run is known, or a run or published value asked for does not exist.
    """
    chosen = select_rows([record for record in inputs.runs if record.run in inputs.calls], rows)
    chosen = [
        Row(row.run, row.label, row.records, name)
        for row, name in zip(chosen, _names(chosen, published_rows), strict=True)
    ]
    taken = {row.run: _seconds(row, part) for row in chosen}
    of = next((row for row in chosen if row.run == (reference or chosen[0].run)), None)
    if of is None:
        msg = f"reference is {reference!r}, which is none of the runs {list(taken)} of the table"
        raise ValueError(msg)
    frame = pd.DataFrame([_row(row, taken[row.run], taken[of.run]) for row in chosen])
    frame.loc[frame["run"] == of.run, "change"] = math.nan
    columns = [LABEL, SECONDS, Column("per_mm2", "per mm² of tissue", unit="s", format=".3f"), CHANGE]
    said = [NOTE.format(reference=of.label)]
    if published:
        frame = add_published(frame, published_cells(inputs, published, chosen, "seconds"), PUBLISHED)
        columns.append(Column(PUBLISHED, "Seconds", format=".0f", group=heading(inputs)))
        printed = published_table(inputs.published, inputs.paper, published).get("note", "")
        said += [f"Of the published values: {printed}."] if printed else []
    columns += [Column("device", "Device", kind="text"), COUNT, DATA]
    return Table(frame, tuple(columns), title, note_of(inputs, *said, published=published), inputs.data_kinds)


def _names(rows: Sequence[Row], names: Sequence[str]) -> Sequence[str | None]:
    if names and len(names) != len(rows):
        msg = f"published_rows names {list(names)}, expected one for each of {[row.run for row in rows]}"
        raise ValueError(msg)
    return names or [row.published for row in rows]


def _seconds(row: Row, part: str) -> pd.DataFrame:
    """The seconds of the slides of a part, of each seed and split of a run.

    Raises:
        ValueError: There are none.
    """
    frames = []
    for record in row.records:
        wanted = set(record.metrics.loc[record.metrics["part"] == part, "sample"])
        paths = sorted(record.folder.glob(f"predictions/*/{SECONDS_NAME}"))
        frames += [frame[frame["sample"].isin(wanted)] for frame in map(tsv.read, paths)]
    found = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if found.empty:
        msg = f"run {row.run!r} has no times of slides of part {part!r}; predict them again"
        raise ValueError(msg)
    return found


def _device(name: str, threads: int) -> str:
    return f"{name}, {threads} thread{'s' * (threads != 1)}"


def _row(row: Row, taken: pd.DataFrame, other: pd.DataFrame) -> dict[str, object]:
    """The times of a run; the change is over the slides that both have."""
    shared = set(taken["sample"]) & set(other["sample"])
    sums = [frame.loc[frame["sample"].isin(shared), "seconds"].mean() for frame in (taken, other)]
    seconds = taken.groupby("sample")["seconds"].mean()
    devices = taken[["device", "threads"]].drop_duplicates().itertuples(index=False)
    return {
        **{
            "run": row.run,
            "label": row.label,
            "seconds": seconds.mean(),
            f"seconds{SD_SUFFIX}": seconds.std(),
        },
        "per_mm2": taken["seconds"].sum() / taken["tissue_mm2"].sum(),
        "change": 100 * (sums[0] / sums[1] - 1),
        "device": " + ".join(_device(*one) for one in devices),
        **{"n": len(seconds), "data": row.data},
    }
