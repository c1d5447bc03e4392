# SPDX-License-Identifier: MIT
"""The sections that a run calls wrong, and how far each was from the right call.

The published explanation of errors is that the area was right at the limit, or the tumour was seen without
enough confidence; here both are numbers: the threshold, and the least area, that would have been right.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from microtome.metrics.sections import outcomes
from microtome.provenance.runs import RunRecord
from microtome.provenance.section_calls import AREAS, read_areas
from microtome.slides.calls import is_positive
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.published import note_of
from microtome.tables.parts.rows import Row, select_rows
from microtome.tables.parts.section_calls import called, left_out

NEEDS = frozenset({"runs", "calls", "heat_maps"})
ERRORS = {"fp": "false positive", "fn": "missed"}
NONE = "none tried"
AREA = {"unit": "µm²", "format": ",.0f"}
COLUMNS = (
    LABEL,
    Column("sample", "Slide", kind="text"),
    Column("section", "Section", format=".0f"),
    Column("error", "Error", kind="text"),
    Column("greatest", "Greatest probability", format=".3f", short="Greatest p"),
    Column("area", "Largest region", **AREA),
    Column("threshold", "threshold", format=".2f", group="Chosen"),
    Column("least_area", "least area", group="Chosen", **AREA),
    Column("right_threshold", "threshold", format=".2f", group="Right with"),
    Column("right_area", "least area", unit="µm²", kind="text", group="Right with"),
    DATA,
)
NOTE = (
    "The largest region is that of pixels from the chosen threshold on. Right with threshold: the nearest "
    "one tried that gives the right call with the chosen least area; right with least area: the same at the "
    "chosen threshold."
)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Sections that were called wrong",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    part: str = "test",
) -> Table:
    """Tabulate the wrong sections of runs, those nearest to the right call first.

    Args:
        inputs: Run records with their sections and areas, options of calling.
        title: Caption.
        rows: Runs; all that call sections by default.
        part: Part of the split.

    Returns:
        One row per run (seed, split) and wrong section; a run without errors has one row that says so.

    Raises:
        ValueError: A run called no labelled section of that part, or its areas lack a section.
    """
    chosen = select_rows([record for record in inputs.runs if record.run in inputs.calls], rows)
    found = {row.run: called(row.records, inputs.calls[row.run]["class"], part=part) for row in chosen}
    listed = [_of_run(row, found[row.run].sections, inputs.calls[row.run]) for row in chosen]
    frame = pd.concat([_listed(row, frame) for row, frame in zip(chosen, listed, strict=True)])
    summaries = [_summary(row, frame) for row, frame in zip(chosen, listed, strict=True)]
    note = note_of(inputs, NOTE, *summaries, left_out(list(found.values())))
    return Table(frame.reset_index(drop=True), COLUMNS, title, note, inputs.data_kinds)


def _listed(row: Row, wrong: pd.DataFrame) -> pd.DataFrame:
    """The rows of a run; one without a section where it has no error."""
    if not wrong.empty:
        return wrong
    nothing = {column.key: math.nan for column in COLUMNS}
    return pd.DataFrame(
        [nothing | {"label": row.label, "run": row.run, "error": "no error", "data": row.data}]
    )


def _of_run(row: Row, sections: pd.DataFrame, calls: Mapping[str, Any]) -> pd.DataFrame:
    """The wrong sections of a run, by how many steps of the grid they are from the right call."""
    kinds = outcomes(sections, calls["class"])
    wrong = sections.assign(outcome=kinds)[kinds.isin(list(ERRORS))]
    records = {(record.seed, record.split): record for record in row.records}
    found = [
        _measured(item, records[item["seed"], item["split"]], calls) for item in wrong.to_dict("records")
    ]
    frame = pd.DataFrame([{"run": row.run, "label": row.label, "data": row.data, **item} for item in found])
    return frame if frame.empty else frame.sort_values("steps", kind="stable", ignore_index=True)


def _measured(section: Mapping[str, Any], record: RunRecord, calls: Mapping[str, Any]) -> dict[str, Any]:
    """A wrong section, and what would have called it right."""
    number, sample, area = int(section["section"]), section["sample"], float(section["area"])
    threshold, least, is_missed = section["threshold"], section["least_area"], section["outcome"] == "fn"
    areas, grid = _areas(record, sample, number), pd.Series(calls["areas"], dtype=float)
    by_threshold = Axis(areas["threshold"], is_positive(areas["area"], least), threshold)
    by_area = Axis(grid, grid.map(lambda one: is_positive(area, one)), least)
    right = by_threshold.nearest(is_missed=is_missed)
    kept = {key: section[key] for key in ("part", "sample", "greatest", "area", "threshold", "least_area")}
    return kept | {
        **{"section": number, "error": ERRORS[section["outcome"]]},
        "right_threshold": NONE if math.isnan(right) else right,
        "right_area": right_area(area, is_missed=is_missed),
        "steps": min(axis.steps(is_missed=is_missed) for axis in (by_threshold, by_area)),
    }


def _areas(record: RunRecord, sample: str, section: int) -> pd.DataFrame:
    """The areas of a section by threshold (threshold, area).

    Raises:
        ValueError: The areas of its slide lack it.
    """
    paths = sorted(record.folder.glob(f"predictions/*/{AREAS}/{sample}.tsv"))
    frame = pd.concat([read_areas(path) for path in paths]) if paths else pd.DataFrame({"section": []})
    found = frame[frame["section"] == section]
    if found.empty:
        msg = f"{record.folder}: no areas of section {section} of slide '{sample}'; predict the slide again"
        raise ValueError(msg)
    return found[["threshold", "area"]].sort_values("threshold")


@dataclass(frozen=True)
class Axis:
    """The values of one threshold that were tried.

    Attributes:
        tried: The values, ascending.
        is_called: Whether the section would be called with each, the other threshold as chosen.
        chosen: The chosen one.
    """

    tried: pd.Series
    is_called: pd.Series
    chosen: float

    def nearest(self, *, is_missed: bool) -> float:
        """The value nearest to the chosen one that is right; NaN where none is.

        Example:
            >>> axis = Axis(pd.Series([0.3, 0.4, 0.5]), pd.Series([True, True, False]), 0.5)
            >>> axis.nearest(is_missed=True), axis.steps(is_missed=True)
            (0.4, 1)
        """
        right = self.tried[self.is_called == is_missed]
        return math.nan if right.empty else float(right.iloc[(right - self.chosen).abs().argmin()])

    def steps(self, *, is_missed: bool) -> float:
        """How many steps lie between the chosen value and the nearest that is right; infinite: none is."""
        right = self.nearest(is_missed=is_missed)
        ends = [int((self.tried - value).abs().argmin()) for value in (self.chosen, right) if value == value]
        return abs(ends[0] - ends[1]) if len(ends) == 2 else math.inf


def right_area(area: float, *, is_missed: bool) -> str:
    """The least areas, µm², that give the right call of a section whose largest region is `area`.

    Example:
        >>> right_area(1200.0, is_missed=True), right_area(1200.0, is_missed=False)
        ('up to 1,200', 'more than 1,200')
    """
    if is_missed and area <= 0:
        return "none"
    return f"{'up to' if is_missed else 'more than'} {area:,.0f}"


def _summary(row: Row, wrong: pd.DataFrame) -> str:
    """How many of a run's errors one step of the grid would have mended."""
    return f"{' '.join(_sentences(row, wrong)).removesuffix(';')}." if len(wrong) else ""


def _sentences(row: Row, wrong: pd.DataFrame) -> Iterator[str]:
    near = int((wrong["steps"] <= 1).sum())
    yield f"{row.label}: {near} of {len(wrong)} wrong sections are one step of threshold or area from right;"
    missed = wrong[wrong["error"] == ERRORS["fn"]]
    seen = int((missed["right_threshold"] != NONE).sum())
    if len(missed):
        yield f"{seen} of {len(missed)} missed ones would be found with a lower threshold;"
