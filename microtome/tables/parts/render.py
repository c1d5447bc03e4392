# SPDX-License-Identifier: MIT
"""Tables as text: TSV at full precision, cells as printed, and Markdown of these; LaTeX is `parts.latex`.

Why no tabulate: it gives the same bytes only around cells that are printed and escaped here, and captions and
notes of our own.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from microtome.provenance import tsv
from microtome.tables.frame import APART_SUFFIX, HIGH_SUFFIX, LOW_SUFFIX, SD_SUFFIX, Column, Table, best_rows
from microtome.tables.parts.headings import full_heading

MISSING = "–"
COMMENT = "# "
TSV_FORMAT = "%.10g"
_MARKDOWN_PATTERN = re.compile(r"([\\|*_`<>\[\]])")


def escape_markdown(text: str) -> str:
    r"""Escape what Markdown would take as markup, and line breaks.

    Example:
        >>> escape_markdown("a|b")
        'a\\|b'
    """
    return _MARKDOWN_PATTERN.sub(r"\\\1", text).replace("\n", " ")


def to_tsv(table: Table) -> str:
    """Render a table as TSV at full precision, ending in a line break."""
    return table.frame.to_csv(sep="\t", index=False, float_format=TSV_FORMAT, lineterminator="\n")


def parse_tsv(text: str, *, names: Collection[str] | None = tsv.NAMES) -> pd.DataFrame:
    """Read a frame of `to_tsv` back, below lines that begin with ``#``; `names` as of `tsv.parse`."""
    lines = text.splitlines(keepends=True)
    start = next((index for index, line in enumerate(lines) if not line.startswith(COMMENT)), len(lines))
    return tsv.parse("".join(lines[start:]), names=names)


def to_markdown(table: Table) -> str:
    """Render a table as a Markdown pipe table, caption above and note below, ending in a line break."""
    header = [escape_markdown(full_heading(column)) for column in table.columns]
    rule = ["---:" if column.kind == "number" else ":---" for column in table.columns]
    body = [
        [_markdown(*cell, column) for cell, column in zip(row, table.columns, strict=True)]
        for row in printed(table.frame, table.columns)
    ]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, rule, *body)]
    parts = [f"**{escape_markdown(table.caption)}**", "\n".join(lines)]
    if table.note:
        parts.append(f"*{escape_markdown(table.note)}*")
    return "\n\n".join(parts) + "\n"


def _markdown(text: str, best: bool, column: Column) -> str:
    """One cell, escaped."""
    if column.kind == "math":
        return f"${text}$".replace("|", r"\vert ")
    return f"**{escape_markdown(text)}**" if best else escape_markdown(text)


def printed(frame: pd.DataFrame, columns: Sequence[Column]) -> list[tuple[tuple[str, bool], ...]]:
    """Print the cells of a frame.

    Args:
        frame: The frame of a table.
        columns: What to print, in order.

    Returns:
        One tuple per row: the text of each cell (unescaped) and whether it is the best of its column.

    Raises:
        KeyError: The frame lacks a column.

    Example:
        >>> frame = pd.DataFrame({"v": [0.91234, 0.8], "v_sd": [0.01, 0.02]})
        >>> printed(frame, [Column("v", "V", better="high")])
        [(('0.912 ± 0.010', True),), (('0.800 ± 0.020', False),)]
    """
    records, cells = frame.to_dict("records"), []
    for column in columns:
        best = _best(frame, column)
        texts = [
            str(row[column.key]) if column.kind == "math" else format_cell(row, column) for row in records
        ]
        cells.append(list(zip(texts, map(bool, best), strict=True)))
    return list(zip(*cells, strict=True))


def without_interval(text: str) -> tuple[str, str]:
    """Take a printed number apart: the value and its spread, and the interval in brackets, empty if none.

    Example:
        >>> without_interval("0.912 ± 0.010 [0.900, 0.924]"), without_interval("0.9")
        (('0.912 ± 0.010', '[0.900, 0.924]'), ('0.9', ''))
    """
    value, bracket, ends = text.partition(" [")
    return (value, f"[{ends}") if bracket and ends.endswith("]") else (text, "")


def without_spread(text: str) -> tuple[str, str]:
    """Take a printed number apart: the value, and its spread and interval, empty if none.

    Example:
        >>> without_spread("0.912 ± 0.010 [0.900, 0.924]"), without_spread("0.9")
        (('0.912', '± 0.010 [0.900, 0.924]'), ('0.9', ''))
    """
    value, interval = without_interval(text)
    value, sign, spread = value.partition(" ±")
    return value, " ".join(filter(None, (f"{sign.strip()}{spread}", interval)))


def _best(frame: pd.DataFrame, column: Column) -> list[bool]:
    """Mark the best values of a column, among the rows that it compares, as far as they are told apart."""
    apart = frame.get(f"{column.key}{APART_SUFFIX}")
    best = np.array(_best_values(frame, column), bool)
    return best.tolist() if apart is None else (best & (apart == 1).to_numpy()).tolist()


def _best_values(frame: pd.DataFrame, column: Column) -> list[bool]:
    if not column.within:
        return best_rows(list(frame[column.key]), column.better, column.format)
    best, compared = np.zeros(len(frame), bool), frame[column.within].fillna("").to_numpy()
    for name in set(compared) - {""}:
        values = frame[column.key].to_numpy()[compared == name]
        best[compared == name] = best_rows(list(values), column.better, column.format)
    return best.tolist()


def format_cell(row: Mapping[str, object], column: Column) -> str:
    """Format one cell as ``mean ± sd [low, high]``, as far as the row knows them.

    Args:
        row: Values by column of the frame.
        column: The column to print.

    Returns:
        The text, unescaped; a dash for a missing value.

    Example:
        >>> format_cell({"dice": 0.912, "dice_sd": 0.0123}, Column("dice", "Dice"))
        '0.912 ± 0.012'
    """
    value = row[column.key]
    if value is None or pd.isna(value):
        return "" if column.kind == "mark" else MISSING
    if column.kind != "number":
        return str(value)
    text = format(value, column.format) if not isinstance(value, str) else value
    sd, low, high = (row.get(column.key + suffix) for suffix in (SD_SUFFIX, LOW_SUFFIX, HIGH_SUFFIX))
    if pd.notna(sd):
        text += f" ± {sd:{column.format}}"
    if pd.notna(low) and pd.notna(high):
        text += f" [{low:{column.format}}, {high:{column.format}}]"
    return text
