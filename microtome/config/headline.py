# SPDX-License-Identifier: MIT
"""What stands for a study in the overview of the report: one table, one figure, of one part."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from microtome.config import kinds
from microtome.config.evaluated import (
    EVERY_CLASS,
    can_be_pooled,
    metrics_of,
    nearest_metric,
)
from microtome.config.study import Entry, Study
from microtome.config.yaml import Places
from microtome.faults import Fault, nearest

EXPLAINS = "EXPLAINS"
"""Constant of a kind that shows how a method works, whatever the results."""
TEST = "test"
SAMPLE_PATH = "sample_path"
"""The figure of one sample's way, which the report shows by itself."""


@dataclass(frozen=True)
class Headline:
    """What stands for a study; empty names where it has none.

    Attributes:
        table: Name of the table.
        figure: Name of the figure.
        part: The part of the split whose samples count.
    """

    table: str = ""
    figure: str = ""
    part: str = TEST


def headline(study: Study) -> Headline:
    """What the study file says, and what follows from it where that says nothing.

    Example:
        >>> from microtome.config.study import Data
        >>> data = Data(source="phantom", classes=["a", "b"])
        >>> tables = {"t": {"kind": "metrics", "columns": ["accuracy"]}}
        >>> study = Study(name="s", title="S", data=data, tables=tables, evaluate={"rank_by": "accuracy"})
        >>> headline(study).table
        't'
    """
    chosen = study.report
    metric = chosen.metric or study.evaluate.rank_by or _first_metric(study)
    table = chosen.table or _first_table(study, metric)
    shown = [name for name in results(study.figures, "figures") if name != SAMPLE_PATH]
    figure = chosen.figure or next(iter(shown), "")
    options = study.tables[table].options if table in study.tables else {}
    parts = study.evaluate.parts
    part = options.get("part") or (TEST if TEST in parts or not parts else parts[0])
    return Headline(table, figure, part)


def explanations(entries: Mapping[str, Entry], section: str) -> list[str]:
    """The names of those `tables` or `figures` that show how a method works."""
    return [name for name, entry in entries.items() if _explains(section, entry.kind)]


def results(entries: Mapping[str, Entry], section: str) -> list[str]:
    """The names of the others."""
    return [name for name, entry in entries.items() if not _explains(section, entry.kind)]


def _explains(section: str, kind: str) -> bool:
    found = kinds.find(section, kind)
    return found is not None and bool(found.constants.get(EXPLAINS))


def _first_metric(study: Study) -> str:
    """What a study is measured by that does not say it: the first that its first family of metrics names."""
    known = metrics_of(study)
    return next((name for name, of in known.items() if EVERY_CLASS in of and "{" not in name), "")


def _first_table(study: Study, metric: str) -> str:
    """The first table with a column of the metric; else the first of runs; else the first of results."""
    names = results(study.tables, "tables")
    of_metric = (name for name in names if metric in _columns(study.tables[name]))
    of_runs = (name for name in names if study.tables[name].runs)
    return next(of_metric, "") or next(of_runs, "") or next(iter(names), "")


def _columns(entry: Entry) -> list[Any]:
    """The metrics that the columns of a table show, its own or those of its kind."""
    kind = kinds.find("tables", entry.kind)
    if kind is None:
        return []
    options = kind.declared("COLUMN_OPTIONS")
    values = (entry.options.get(option, kind.default(option)) for option in options)
    columns = [column for value in values if isinstance(value, list | tuple) for column in value]
    return [column.get("metric") if isinstance(column, Mapping) else column for column in columns]


def check_report(study: Study, places: Places) -> Iterator[Fault]:
    """What the section `report` names has to be there."""
    for section, chosen in (("tables", study.report.table), ("figures", study.report.figure)):
        entries = getattr(study, section)
        if chosen and chosen not in entries:
            where = places(("report", section.removesuffix("s")))
            expected = nearest(chosen, entries) if entries else f"nothing, as the study has no {section}"
            yield Fault(where, f"'{chosen}'", expected)
    if study.runs:
        yield from _check_metric(study, places)


def _check_metric(study: Study, places: Places) -> Iterator[Fault]:
    chosen, known = study.report.metric, metrics_of(study)
    if chosen and EVERY_CLASS not in known.get(chosen, ()):
        ranks = [name for name, of in known.items() if EVERY_CLASS in of]
        found = f"'{chosen}', which is of each class" if chosen in known else f"'{chosen}'"
        yield Fault(places(("report", "metric")), found, nearest_metric(chosen, ranks))
    metric = chosen or study.evaluate.rank_by or _first_metric(study)
    if study.report.pooled and not can_be_pooled(metric):
        expected = "false, or report.metric with one of overlap or of calls, such as mean_dice or accuracy"
        yield Fault(places(("report", "pooled")), f"'true' for '{metric}'", expected)
