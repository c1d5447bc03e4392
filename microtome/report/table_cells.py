# SPDX-License-Identifier: MIT
"""The cells of a table as the page shows them, so that it is no wider than a window of 1280 pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from microtome.report.formulas import mathml_of
from microtome.report.inputs import Cell
from microtome.tables.frame import Column
from microtome.tables.parts.headings import Spans, headings, shortened, spans
from microtome.tables.parts.render import parse_tsv, printed, without_interval, without_spread

WIDE = 115
"""Letters that a table may be wide, with the room between columns, beside the contents of the page."""
BETWEEN, LONGEST_LINE, MARK = 3, 26, 2
"""Letters of room for a column, of a text before it is broken into lines, and of a column of check marks."""
NO_BREAK = "\N{NO-BREAK SPACE}"
Texts = Sequence[Sequence[tuple[str, bool]]]


@dataclass(frozen=True)
class TableCells:
    """What a table shows: headings, rows, and what spans headings (`TableInput.groups`)."""

    header: tuple[Cell, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    groups: Spans = ()


def cells_of_table(text: str, columns: Sequence[Column]) -> TableCells:
    r"""Lay the cells of a table out.

    Intervals stand in small type below their values; where the table would be too wide, so do spreads, and
    headings are the short ones.

    Args:
        text: The table as TSV.
        columns: What to print, by its sidecar; none: all as it stands.

    Raises:
        KeyError: The file lacks a column.
        ValueError: It is no table.

    Example:
        >>> cells = cells_of_table("v\tv_sd\n0.5\t0.1\n", [Column("v", "V")])
        >>> cells.header[0].text, cells.rows[0][0].text
        ('V', '0.500 ± 0.100')
    """
    frame, shown = cells_of(text, columns)
    if frame.empty:
        return TableCells()
    texts, heads, parts = printed(frame, shown), headings(shown), without_interval
    if _letters(texts, heads, shown, parts) > WIDE:
        heads, parts = headings(shortened(shown)), without_spread
    header = tuple(Cell(head, column.kind) for head, column in zip(heads, shown, strict=True))
    rows = tuple(
        tuple(_cell(*cell, column, parts) for cell, column in zip(row, shown, strict=True)) for row in texts
    )
    return TableCells(header, rows, spans(shown))


def cells_of(text: str, columns: Sequence[Column]) -> tuple[pd.DataFrame, Sequence[Column]]:
    r"""Read the frame of a table, and what to print of it: all as it stands where no sidecar tells columns.

    Raises:
        KeyError: The file lacks a column.
        ValueError: It is no table.

    Example:
        >>> frame, shown = cells_of("# caption\na\tb\nx\t1.50\n", ())
        >>> frame.loc[0, "b"], [column.label for column in shown]
        ('1.50', ['a', 'b'])
    """
    if columns:
        texts = [column.key for column in columns if column.kind != "number"]
        frame = parse_tsv(text, names=texts)
        return frame.assign(**{key: frame[key].replace("", None) for key in texts}), columns
    frame = parse_tsv(text, names=None)
    return frame, [Column(name, name, kind="text") for name in frame.columns]


def _cell(text: str, best: bool, column: Column, parts: Callable[[str], tuple[str, str]]) -> Cell:
    """One cell: formulas as MathML, and in small type what follows the value."""
    if column.kind == "math":
        return Cell(text, "math", mathml=mathml_of(text))
    value, small = parts(text) if column.kind == "number" else (text, "")
    unbroken = small.replace("± ", f"±{NO_BREAK}").replace(", ", f",{NO_BREAK}")
    return Cell(value, column.kind, best, small=unbroken)


def _letters(
    texts: Texts, heads: Sequence[str], columns: Sequence[Column], parts: Callable[[str], tuple[str, str]]
) -> int:
    """How wide a table is, in letters."""
    return sum(
        _column_letters([row[number][0] for row in texts], head, column, parts) + BETWEEN
        for number, (head, column) in enumerate(zip(heads, columns, strict=True))
    )


def _column_letters(
    texts: Sequence[str], head: str, column: Column, parts: Callable[[str], tuple[str, str]]
) -> int:
    if column.kind == "mark":
        return MARK
    values = [parts(text)[0] for text in texts] if column.kind == "number" else texts
    most = max(map(len, values), default=0)
    longest_word = max(map(len, head.split()), default=0)
    return max(most if column.kind == "number" else min(most, LONGEST_LINE), longest_word)
