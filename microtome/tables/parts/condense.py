# SPDX-License-Identifier: MIT
"""What is the same in all rows of a table is said once, in its note, instead of in a column."""

from collections.abc import Sequence
from dataclasses import replace

from microtome.tables.frame import Column, Table
from microtome.tables.parts.render import MISSING, format_cell


def condense(table: Table) -> Table:
    """Leave out the columns that say one thing in every row (`Column.once`), and say it in the note.

    Args:
        table: A table; its frame stays whole.

    Returns:
        The table as it is printed.

    Example:
        >>> import pandas as pd
        >>> columns = (Column("name", "Run", kind="text"), Column("n", "n", format=".0f", once=True))
        >>> table = condense(Table(pd.DataFrame({"name": ["a", "b"], "n": [4, 4]}), columns, "Scores"))
        >>> [column.key for column in table.columns], table.note
        (['name'], 'Alike in all rows: n 4.')
    """
    said = {column.key: texts[0] for column in table.columns if len(texts := _texts(table, column)) == 1}
    kept = tuple(column for column in table.columns if column.key not in said)
    if not said or not kept:
        return table
    note = " ".join(filter(None, (table.note, _sentence(table.columns, said))))
    return replace(table, columns=kept, note=note)


def _texts(table: Table, column: Column) -> list[str]:
    """The different cells of a column that may be said once; none of any other.

    Rows without a value do not count: those of published values have none.
    """
    rows = table.frame.to_dict("records") if column.once else []
    texts = dict.fromkeys(format_cell(row, column) for row in rows)
    return [text for text in texts if text not in ("", MISSING)]


def _sentence(columns: Sequence[Column], said: dict[str, str]) -> str:
    told = [f"{_name(column)} {said[column.key]}" for column in columns if column.key in said]
    return f"Alike in all rows: {', '.join(told)}."


def _name(column: Column) -> str:
    """The heading as it stands within a sentence; one letter, as in formulas, stays."""
    name = f"{column.label} ({column.unit})" if column.unit else column.label
    return name if name.isupper() or len(name) == 1 else name[:1].lower() + name[1:]
