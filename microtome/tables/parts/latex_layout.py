# SPDX-License-Identifier: MIT
"""Where a table fits on paper: a column, a page, a page on its side; measured before there is a TeX.

Widths are those of Latin Modern at 8 pt, rounded up, so a table may be narrower than it is taken for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from microtome.provenance.sidecars import Column
from microtome.tables.parts.headings import headings, spans
from microtome.tables.parts.render import without_interval

Place = Literal["table", "table*", "sidewaystable*"]
COLUMN, PAGE, LENGTH = 250.0, 483.0, 650.0
"""Width of a journal's column and page, and the length of a page: 88, 170 and 229 mm in pt."""
PLACES: tuple[tuple[float, Place], ...] = ((COLUMN, "table"), (PAGE, "table*"), (LENGTH, "sidewaystable*"))
GAP = 6.0
"""Between columns, pt."""
LINE, STACKED_LINE = 9.6, 17.0
"""Height of a row, pt."""
BODY = {"table": 520.0, "table*": 520.0, "sidewaystable*": 330.0}
"""Height that the rows of a table may take, pt; longer ones go over several pages."""
NARROWEST = 42.0
"""To which texts are broken into lines, pt, unless a word is longer."""
BOLD, SMALL = 1.16, 0.78
"""Width of bold letters, and of small ones."""
DIGIT, LOWER, UPPER, WIDE, NARROW, OTHER = 4.25, 4.4, 6.3, 7.2, 2.9, 6.8
"""Widths of letters, pt."""
BLANK, WORD = re.compile(r"\s+"), re.compile(r"(?<=[\s/_-])")
"""Between the words of headings, and between those of texts, whose lines also break within names."""
FORMULA_COMMAND = re.compile(r"\\[A-Za-z]+|[{}]")
INCOMPARABLE = "not comparable"
FRACTION = r"\frac"


def width_of(text: str) -> float:
    """The width of a line of text at 8 pt, in pt.

    Example:
        >>> round(width_of("0.912"), 2), width_of("")
        (19.9, 0)
    """
    return sum(map(_letter, text))


def _letter(letter: str) -> float:
    if letter.isdigit():
        return DIGIT
    if letter in "mwMW%@✓":
        return WIDE
    if letter in "iljtfr.,:;'|()[]!- ":
        return NARROW
    if letter.isascii() and letter.isalpha():
        return LOWER if letter.islower() else UPPER
    return OTHER


@dataclass(frozen=True)
class Grid:
    """The printed cells of a table, to be laid out.

    Attributes:
        columns: Its columns, with the labels that are to be printed.
        rows: Of each cell the text and whether it is the best.
        is_stacked: Whether intervals stand below their values.
        narrowed: Widths of columns whose text is broken into lines, by position, pt.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[tuple[str, bool], ...], ...]
    is_stacked: bool = False
    narrowed: tuple[tuple[int, float], ...] = ()

    @cached_property
    def widths(self) -> list[float]:
        """The width of each column, pt; a span that is wider than its columns widens the last of them."""
        told = dict(self.narrowed)
        found = [told.get(n, self._natural(n)) for n in range(len(self.columns))]
        start = 0
        for text, count in spans(self.columns, short_group):
            inner = sum(found[start : start + count]) + GAP * (count - 1)
            found[start + count - 1] += max(0.0, longest_word(text) - inner)
            start += count
        return found

    @property
    def width(self) -> float:
        """The width of the table, pt."""
        return sum(self.widths) + GAP * (len(self.columns) - 1)

    @property
    def height(self) -> float:
        """The height of its rows, pt, if none is broken into lines; one of two lines counts as that."""
        return len(self.rows) * (STACKED_LINE if self.is_stacked else LINE) + self._broken_lines * LINE

    def is_readable(self, limit: float) -> bool:
        """Whether lines of texts are better than a wider place: in a column, up to two lines a row."""
        return limit > COLUMN or self.height <= 2 * LINE * len(self.rows)

    @property
    def _broken_lines(self) -> int:
        """Lines that texts in narrowed columns take beyond the first."""
        told = self.narrowed
        return sum(
            max((int(width_of(row[n][0]) / width) for n, width in told), default=0) for row in self.rows
        )

    def least(self, number: int) -> float:
        """The least width that a column can be narrowed to; numbers and formulas keep what they have."""
        if self.columns[number].kind != "text":
            return self.widths[number]
        words = max((longest_word(row[number][0], WORD) for row in self.rows), default=0.0)
        head = longest_word(headings(self.columns)[number])
        return min(self.widths[number], max(words, head, NARROWEST))

    def _natural(self, number: int) -> float:
        column = self.columns[number]
        cells = max((self._cell(row[number], column) for row in self.rows), default=0.0)
        return max(cells, LINE if column.kind == "mark" else longest_word(headings(self.columns)[number]))

    def _cell(self, cell: tuple[str, bool], column: Column) -> float:
        text, best = cell
        if column.kind == "math":
            return formula_width(text)
        lines = without_interval(text) if self.is_stacked and column.kind == "number" else (text,)
        widths = [width_of(lines[0]), *(SMALL * width_of(line) for line in lines[1:])]
        return max(widths) * (BOLD if best else 1.0)


@dataclass(frozen=True)
class Layout:
    """How a table is set.

    Attributes:
        grid: What is set.
        place: The float that it is: of a column, of a page, or of a page on its side.
        is_long: Whether it goes over several pages, and is no float.
    """

    grid: Grid
    place: Place
    is_long: bool = False


def lay_out(grid: Grid) -> tuple[Layout, ...]:
    """Find where a table fits, without a smaller type.

    In this order: a column, a page, the page with intervals below their values, with texts broken into
    lines, a page on its side. What is wider than all is cut into parts, with the first column in each.

    Args:
        grid: The table as it is.

    Returns:
        One layout, or one for each part.
    """
    variants = (grid, replace(grid, is_stacked=True))
    for limit, place in PLACES:
        fitting = (one for one in variants if one.width <= limit)
        broken = filter(None, (narrow(one, limit) for one in variants))
        narrowed = (one for one in broken if one.is_readable(limit))
        found = next((one for one in (*fitting, *narrowed)), None)
        if found is not None:
            return (Layout(found, place, is_long=found.height > BODY[place]),)
    return tuple(part for half in _halves(grid) for part in lay_out(half))


def narrow(grid: Grid, limit: float) -> Grid | None:
    """Break the widest texts into lines so that a table fits; None where it cannot.

    Args:
        grid: The table.
        limit: Width, pt.
    """
    texts = [n for n, column in enumerate(grid.columns) if column.kind == "text"]
    least = {n: grid.least(n) for n in texts}
    spare = limit - grid.width + sum(grid.widths[n] for n in texts)
    if sum(least.values()) > spare:
        return None
    width = _cap([(grid.widths[n], least[n]) for n in texts], spare)
    told = ((n, max(least[n], width)) for n in texts if grid.widths[n] > max(least[n], width))
    return replace(grid, narrowed=tuple(told))


def _cap(texts: Sequence[tuple[float, float]], spare: float) -> float:
    """The largest width that texts (natural, least) may have so that all together fit, by halving."""
    low, high = 0.0, spare
    for _ in range(40):
        middle = (low + high) / 2
        total = sum(min(natural, max(least, middle)) for natural, least in texts)
        low, high = (middle, high) if total <= spare else (low, middle)
    return low


def _halves(grid: Grid) -> tuple[Grid, Grid]:
    """Two tables of about one width, with the first column in both.

    Raises:
        ValueError: There is nothing to cut: a column is wider than a page is long.
    """
    if len(grid.columns) <= 2:
        msg = (
            f"column {grid.columns[-1].label!r} is {grid.widths[-1]:.0f} pt wide, a page {LENGTH:.0f} pt long"
        )
        raise ValueError(msg)
    wide = [sum(grid.widths[1:n]) for n in range(2, len(grid.columns))]
    middle = 2 + min(range(len(wide)), key=lambda n: abs(wide[n] - sum(grid.widths[1:]) / 2))
    return _chosen(grid, range(middle)), _chosen(grid, (0, *range(middle, len(grid.columns))))


def _chosen(grid: Grid, numbers: Sequence[int]) -> Grid:
    rows = tuple(tuple(row[n] for n in numbers) for row in grid.rows)
    return Grid(tuple(grid.columns[n] for n in numbers), rows)


def short_group(group: str) -> str:
    """What spans columns on paper: in brackets only that values cannot be compared.

    Example:
        >>> short_group("published (ISBI 2012, real data; not comparable)")
        'published (not comparable)'
        >>> short_group("published (ISBI 2012)")
        'published'
    """
    text, _, inside = group.partition(" (")
    return f"{text} ({INCOMPARABLE})" if INCOMPARABLE in inside else text


def longest_word(text: str, between: re.Pattern[str] = BLANK) -> float:
    """The width of the longest word, pt, which is not broken, by what is between words."""
    return max(map(width_of, between.split(text)), default=0.0)


def lines_of(text: str, width: float) -> list[str]:
    """Break a heading into lines of a width, pt.

    Example:
        >>> lines_of("centre marker", 30.0)
        ['centre', 'marker']
    """
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        lines = [*lines[:-1], joined] if lines and width_of(joined) <= width else [*lines, word]
    return lines or [""]


def formula_width(formula: str) -> float:
    """About the width of a formula, pt: of the letters, signs with their spaces; of fractions all counts."""
    named = re.sub(r"\\(?:text|mathrm)\b", "", formula)
    letters = FORMULA_COMMAND.sub(
        lambda found: "" if found[0] in "{}" or found[0] == FRACTION else "M", named
    )
    return 1.1 * width_of(letters) + 3.0 * sum(letters.count(sign) for sign in "=+-")
