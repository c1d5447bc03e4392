# SPDX-License-Identifier: MIT
"""Published values beside ours, and the rule about when the two may be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from microtome.provenance.section_calls import failed_slides
from microtome.tables.frame import SD_SUFFIX, Column
from microtome.tables.inputs import Inputs
from microtome.tables.parts.rows import Row

UNREDUCED = frozenset({"full", "paper"})
"""What cards call the scale that is the study file itself (`microtome.config.workflow.WHOLE`)."""

PUBLISHED = "published"


def published_table(published: Mapping[str, Any], paper: str, table: str) -> Mapping[str, Any]:
    """Look up a table (``title``, ``columns``, ``rows``) of a paper in the parsed ``config/published.yaml``.

    Raises:
        ValueError: The paper or the table is unknown.
    """
    papers = published.get("papers", {})
    if paper not in papers:
        msg = f"no published values of paper {paper!r}; known papers: {sorted(papers)}"
        raise ValueError(msg)
    tables = papers[paper]["tables"]
    if table not in tables:
        msg = f"paper {paper!r} has no published table {table!r}; its tables: {sorted(tables)}"
        raise ValueError(msg)
    return tables[table]


def heading(inputs: Inputs) -> str:
    """Head a column of published values so that nobody compares what is not comparable.

    E.g. ``"published (ISBI 2012, real data; not comparable)"`` when any image is a phantom.

    Example:
        >>> printed = {"papers": {"p4": {"dataset": "ISBI 2012"}}}
        >>> heading(Inputs(paper="p4", published=printed, data_kind="public"))
        'published (ISBI 2012)'
    """
    dataset = inputs.published.get("papers", {}).get(inputs.paper, {}).get("dataset", "the paper's data")
    if "phantom" in inputs.data_kinds:
        return f"published ({dataset}, real data; not comparable)"
    if "own" in inputs.data_kinds:
        return f"published ({dataset}, other data; not comparable)"
    return f"published ({dataset})"


def short_heading(inputs: Inputs) -> str:
    """The same in few words, for tables of many published columns, whose note says of what they are.

    Example:
        >>> short_heading(Inputs(data_kind="phantom"))
        'published (not comparable)'
    """
    return "published" if set(inputs.data_kinds) == {"public"} else "published (not comparable)"


def note_of(inputs: Inputs, *sentences: str, published: str = "") -> str:
    """Make the note of a table, with what every table must say of its scale and of published values.

    Args:
        inputs: The table's inputs; the scale of the runs and the sources of the images decide.
        *sentences: What the table says itself; empty ones are left out.
        published: Key of the published table beside ours, or empty for none.

    Returns:
        The note.
    """
    scales = sorted({str(record.card["scale"]) for record in inputs.runs} - UNREDUCED)
    fuller = "published ones" if inputs.paper else "study's full ones"
    scale = f"Trained at {' and '.join(scales)} scale, with settings reduced from the {fuller}."
    half = [r.label for r in inputs.runs if published and not scales and r.card.get("precision") == "bf16"]
    other = "The published values are of other images and must not be compared with ours."
    is_comparable = not published or set(inputs.data_kinds) == {"public"}
    rounded = f"Trained in bf16, where the paper's are in single precision: {', '.join(dict.fromkeys(half))}."
    sentences = (*sentences, *failed_sentence(inputs))
    said = (*sentences, scale if scales else "", rounded if half else "", "" if is_comparable else other)
    return " ".join(sentence for sentence in said if sentence)


def remark_of(inputs: Inputs, table: str) -> str:
    """What is to be known of a published table: what it is of, and its own note; empty where none is shown.

    Example:
        >>> printed = {"papers": {"p4": {"dataset": "ISBI 2012", "tables": {"t": {"note": "Rounded."}}}}}
        >>> remark_of(Inputs(paper="p4", published=printed, data_kind="public"), "t")
        'The published (ISBI 2012) values: Rounded.'
    """
    if not table:
        return ""
    note = published_table(inputs.published, inputs.paper, table).get("note", "").rstrip(".")
    return f"The {heading(inputs)} values{f': {note}' if note else ''}."


def failed_sentence(inputs: Inputs) -> tuple[str, ...]:
    """A sentence on the slides that could not be read, which no table of runs counts, if there are such."""
    failed = failed_slides(record.folder for record in inputs.runs)
    slides = f"{len(failed)} slide{'s' * (len(failed) != 1)}"
    return (f"Left out: {slides} that could not be read ({', '.join(failed)}).",) if failed else ()


def published_cells(inputs: Inputs, table: str, rows: Sequence[Row], column: str) -> pd.DataFrame:
    """Look up one published column for the rows of a table.

    Args:
        inputs: The table's inputs.
        table: Key of the published table.
        rows: Rows; each is looked up by its own key, its run's name, then its loss's name.
        column: Column of the published table.

    Returns:
        ``mean`` and ``sd``, one row per row; NaN where nothing was published.

    Raises:
        ValueError: The table, or the column in all of its rows, is unknown.
    """
    printed = published_table(inputs.published, inputs.paper, table)
    known = printed.get("columns", ())
    if column not in known:
        msg = f"published table {table!r} has no column {column!r}; its columns: {list(known)}"
        raise ValueError(msg)
    found = [cell(published_row(printed["rows"], row).get(column)) for row in rows]
    return pd.DataFrame(found, columns=["mean", "sd"], dtype=float)


def published_column(column: Column, key: str, head: str) -> Column:
    """The column of what is published of a column of ours: printed alike, under a heading of its own.

    Args:
        column: Ours.
        key: Column of the frame with the published values.
        head: `heading`, or `short_heading`.

    Example:
        >>> column = published_column(Column("aji", "AJI", better="high"), "published_aji", "published")
        >>> column.key, column.label, column.group, column.better
        ('published_aji', 'AJI', 'published', None)
    """
    return replace(column, key=key, better=None, group=head, once=False)


def add_published(frame: pd.DataFrame, cells: pd.DataFrame, key: str) -> pd.DataFrame:
    """Add a column of `published_cells` to a frame, with its spread where one was printed."""
    added = frame.assign(**{key: cells["mean"].to_numpy()})
    return added.assign(**{key + SD_SUFFIX: cells["sd"].to_numpy()}) if cells["sd"].notna().any() else added


def published_row(rows: Mapping[str, Any], row: Row) -> Mapping[str, Any]:
    """The row of a published table that belongs to a row of ours: by its key, its run, its loss; or none.

    Raises:
        ValueError: There is none of the key that the row names.
    """
    if row.published is not None and row.published not in rows:
        msg = f"row {row.run!r} names the published row {row.published!r}; the table has {sorted(rows)}"
        raise ValueError(msg)
    loss = str(row.records[0].card.get("loss", {}).get("name", "")) if row.records else ""
    keys = [key for key in (row.published, row.run, loss) if key in rows]
    return rows[keys[0]] if keys else {}


def cell(value: float | Mapping[str, float] | None) -> tuple[float, float]:
    """Mean and sd of a published cell, NaN where it has none.

    Example:
        >>> cell({"mean": 0.8, "sd": 0.1, "as_printed": "0.08"}), cell(0.5)
        ((0.8, 0.1), (0.5, nan))
    """
    if isinstance(value, Mapping):
        return float(value["mean"]), float(value.get("sd", "nan"))
    return (float("nan") if value is None else float(value)), float("nan")
