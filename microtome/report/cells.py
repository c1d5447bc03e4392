# SPDX-License-Identifier: MIT
"""Cells of a table's TSV, printed as in its Markdown and LaTeX where the sidecar names the columns."""

import csv
from collections.abc import Sequence
from pathlib import Path

from microtome.report.inputs import Cell
from microtome.tables.frame import Column, best_rows
from microtome.tables.parts.render import COMMENT, format_cell, parse_tsv

Cells = tuple[Cell, ...]


def read_cells(path: Path, columns: Sequence[Column] = ()) -> tuple[Cells, tuple[Cells, ...], str]:
    """Read the cells of a table.

    Args:
        path: Its TSV; leading lines with ``#`` are comments.
        columns: Columns to print; empty: all, as they stand.

    Returns:
        Headings, rows, and the reason if there are none.
    """
    try:
        text = path.read_text(encoding="utf-8")
        header, rows = printed_cells(text, columns) if columns else plain_cells(text)
    except FileNotFoundError:
        return (), (), f"not produced: tables/{path.name} does not exist; see the log of its rule"
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        return (), (), f"not shown: tables/{path.name} cannot be read ({error}); run its rule again"
    if not rows:
        return (), (), f"not shown: tables/{path.name} has no rows; see the log of its rule"
    return header, rows, ""


def plain_cells(text: str) -> tuple[Cells, tuple[Cells, ...]]:
    r"""Take the cells of a TSV as they stand.

    Args:
        text: The TSV.

    Returns:
        Headings and rows.

    Example:
        >>> header, rows = plain_cells("# caption\na\tb\nx\t1.50\n")
        >>> rows[0][1]
        Cell(text='1.50', kind='number', best=False)
    """
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if not line.startswith(COMMENT)), len(lines))
    header, *rows = list(csv.reader(lines[start:], delimiter="\t")) or [[]]
    kinds = [
        "number" if values and all(map(_is_number, values)) else "text" for values in zip(*rows, strict=False)
    ]
    kinds += ["text"] * (len(header) - len(kinds))
    return _typed(header, kinds), tuple(_typed(row, kinds) for row in rows)


def printed_cells(text: str, columns: Sequence[Column]) -> tuple[Cells, tuple[Cells, ...]]:
    r"""Print the cells of a TSV: rounded, with their spread, the best of a column marked.

    Args:
        text: The TSV.
        columns: What to print, in order.

    Returns:
        Headings and rows.

    Raises:
        KeyError: The TSV lacks a column.

    Example:
        >>> column = Column("v", "V", better="high")
        >>> header, rows = printed_cells("v\tv_sd\n0.91234\t0.01\n0.8\t0.02\n", [column])
        >>> rows[0][0]
        Cell(text='0.912 ± 0.010', kind='number', best=True)
    """
    frame = parse_tsv(text)
    records = frame.to_dict("records")
    printed = []
    for column in columns:
        best = best_rows(list(frame[column.key]), column.better, column.format)
        texts = [format_cell(row, column) for row in records]
        printed.append([Cell(cell, column.kind, bool(flag)) for cell, flag in zip(texts, best, strict=True)])
    headings = tuple(Cell(_heading(column), column.kind) for column in columns)
    return headings, tuple(zip(*printed, strict=True))


def _typed(texts: Sequence[str], kinds: Sequence[str]) -> Cells:
    """Cells of a row, of the kinds of their columns; a ragged row keeps what it has."""
    return tuple(Cell(text, kind) for text, kind in zip(texts, kinds, strict=False))


def _heading(column: Column) -> str:
    return f"{column.label} ({column.unit})" if column.unit else column.label


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in ("", "–")
    return True
