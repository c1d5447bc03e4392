# SPDX-License-Identifier: MIT
"""What stands above the columns of a table: headings, and spans over neighbours of one group."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from microtome.provenance.sidecars import Column

Spans = tuple[tuple[str, int], ...]


def heading(column: Column) -> str:
    """What stands above a column: its label and its unit.

    Example:
        >>> heading(Column("seconds", "Time", unit="s"))
        'Time (s)'
    """
    return f"{column.label} ({column.unit})" if column.unit else column.label


def full_heading(column: Column) -> str:
    """The same where there can be no spans: with the group before it.

    Example:
        >>> full_heading(Column("aji", "AJI", group="published (MoNuSeg 2018)"))
        'published (MoNuSeg 2018): AJI'
    """
    label = f"{column.group}: {column.label}" if column.group else column.label
    return f"{label} ({column.unit})" if column.unit else label


def shortened(columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns with the headings that they have where there is little room.

    Example:
        >>> columns = Column("a", "Sensitivity", short="Sens."), Column("b", "B")
        >>> [column.label for column in shortened(columns)]
        ['Sens.', 'B']
    """
    return tuple(replace(column, label=column.short or column.label) for column in columns)


def spans(columns: Sequence[Column], named: Callable[[str], str] = lambda group: group) -> Spans:
    """What stands above neighbours of one group, and over how many columns; nothing where there is no group.

    Args:
        columns: The columns, in order.
        named: What is printed for a group.

    Returns:
        Text and number of columns, all of them in order; the text is empty over columns of no group. The
        unit of all columns of a group is in its text.

    Example:
        >>> b, c = (Column(key, key.upper(), "%", group="shares") for key in "bc")
        >>> spans([Column("a", "A"), b, c])
        (('', 1), ('shares, %', 2))
        >>> spans([Column("a", "A")])
        ()
    """
    if not any(column.group for column in columns):
        return ()
    return tuple(
        (
            f"{named(members[0].group)}, {unit}" if (unit := _unit(members)) else named(members[0].group),
            len(members),
        )
        for members in _runs(columns)
    )


def headings(columns: Sequence[Column]) -> list[str]:
    """What stands above each column, below `spans`, which say the unit of a group once.

    Example:
        >>> headings([Column("b", "B", "%", group="shares"), Column("c", "C", "%", group="shares")])
        ['B', 'C']
    """
    return [
        column.label if _unit(members) else heading(column)
        for members in _runs(columns)
        for column in members
    ]


def _runs(columns: Sequence[Column]) -> list[list[Column]]:
    """Neighbours of one group."""
    return [list(members) for _, members in groupby(columns, key=lambda column: column.group)]


def _unit(members: Sequence[Column]) -> str:
    """The unit that all columns of a group have; empty where they differ, or are of no group."""
    units = {column.unit for column in members}
    return units.pop() if members[0].group and len(units) == 1 else ""
