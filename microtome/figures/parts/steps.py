# SPDX-License-Identifier: MIT
"""Pictures in rows, joined by arrows: how one sample goes from step to step, with what is known of each."""

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from microtome.figures.parts.classes import legend_size
from microtome.figures.parts.colors import INK
from microtome.figures.parts.style import DOUBLE_COLUMN, EDGE, SMALL, TEXT, letter, new_figure

WIDEST, LEAST = 6, 4
"""Pictures in a row: at most, and so many as one is at least divided into."""
GAP, ENTRY = 0.22, 0.2
"""Room between pictures for an arrow, and before the rows for one that enters them; inches."""
TITLE, LINE, BELOW, BETWEEN = 0.17, 0.098, 0.05, 0.07
"""Height of a title and of a line below a picture; what is between these, and below them; inches."""
LETTER = 0.0475
"""Width of a letter of such a line, inches."""
FLATTEST, TALLEST = 0.35, 1.3
"""Height of a picture in parts of its width, at least and at most."""
TOGETHER = re.compile(r"(?<=\d) (?=µm|nm|%|×)|(?<=[×≥>]) (?=\d)")
"""Spaces at which no line is broken."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the way.

    Attributes:
        title: What there is.
        show: Draws it into empty axes.
        aspect: Height of the picture in parts of its width.
        told: What is known of it, a sentence or less.
        aside: Whether it is no step but something to compare with, to which no arrow leads.
    """

    title: str
    show: Callable[[Axes], object]
    aspect: float = 1.0
    told: str = ""
    aside: bool = False


@dataclass(frozen=True)
class _Row:
    """Steps side by side: where the row begins (inches from the top) and how high its parts are."""

    steps: Sequence[Step]
    top: float
    tall: float
    lines: int

    @property
    def height(self) -> float:
        """All of it, with what separates it from the next."""
        return TITLE + self.tall + BELOW + self.lines * LINE + BETWEEN

    @property
    def middle(self) -> float:
        """Of its pictures, inches from the top."""
        return self.top + TITLE + self.tall / 2


def columns_of(count: int) -> int:
    """How many of so many pictures stand in a row.

    Example:
        >>> [columns_of(count) for count in (2, 6, 7, 9)]
        [4, 6, 4, 5]
    """
    rows = -(-count // WIDEST)
    return max(-(-count // rows), LEAST)


def draw_steps(steps: Sequence[Step], *, data_kind: str, handles: Sequence[Artist] = ()) -> Figure:
    """Draw steps from left to right and from row to row, with a legend below if there are handles."""
    columns = columns_of(len(steps))
    start = EDGE + (ENTRY if len(steps) > columns else 0.0)
    cell = (DOUBLE_COLUMN - start - EDGE - GAP * (columns - 1)) / columns
    rows = _rows(steps, columns, cell)
    legend = legend_size(handles, DOUBLE_COLUMN)
    total = rows[-1].top + rows[-1].height + legend[1]
    figure = new_figure(DOUBLE_COLUMN, total, data_kind=data_kind)
    figure.set_layout_engine("none")
    names = iter(ascii_lowercase)
    for row in rows:
        for place, step in enumerate(row.steps):
            left = start + place * (cell + GAP)
            _draw_step(figure, step, next(names), (left, cell), row, total)
            if not step.aside and (place or row is not rows[0]):
                _draw_arrow(figure, left - (GAP if place else ENTRY), left, row.middle, total)
    if handles:
        style = {"columnspacing": 1.4, "handlelength": 1.0, "handleheight": 1.0}
        figure.legend(handles=handles, loc="lower center", ncols=legend[0], **style)
    return figure


def tell_steps(steps: Sequence[Step], **also: str) -> pd.DataFrame:
    """Tell in a table what `draw_steps` draws: panel, step, detail, and in each row the columns `also`."""
    rows = zip(ascii_lowercase, (step.title for step in steps), (step.told for step in steps), strict=False)
    return pd.DataFrame(rows, columns=["panel", "step", "detail"]).assign(**also)


def _rows(steps: Sequence[Step], columns: int, cell: float) -> list[_Row]:
    rows: list[_Row] = []
    for first in range(0, len(steps), columns):
        some = steps[first : first + columns]
        tall = cell * max(_shape(step) for step in some)
        lines = max(len(_lines(step.told, cell)) for step in some)
        rows.append(_Row(some, rows[-1].top + rows[-1].height if rows else 0.0, tall, lines))
    return rows


def _shape(step: Step) -> float:
    """How high its picture is, in parts of the width of its cell."""
    return min(max(step.aspect, FLATTEST), TALLEST)


def _lines(text: str, width: float) -> list[str]:
    return textwrap.wrap(TOGETHER.sub("\N{NO-BREAK SPACE}", text), max(int(width / LETTER), 1))


def _draw_step(
    figure: Figure, step: Step, name: str, across: tuple[float, float], row: _Row, total: float
) -> None:
    """A picture in the middle of its cell, its title above and what is known of it below; inches."""
    left, cell = across
    height = min(cell * _shape(step), row.tall)
    width = min(cell, height / step.aspect)
    height = width * step.aspect
    wide, high = figure.get_size_inches()
    corner = left + (cell - width) / 2, total - row.middle - height / 2
    axes = figure.add_axes((corner[0] / wide, corner[1] / high, width / wide, height / high))
    step.show(axes)
    letter(axes, name, step.title, fontsize=TEXT)
    style = {"ha": "center", "va": "top", "fontsize": SMALL, "linespacing": 1.2}
    said = "\n".join(_lines(step.told, cell))
    figure.text((left + cell / 2) / wide, (corner[1] - BELOW) / high, said, **style)


def _draw_arrow(figure: Figure, start: float, end: float, middle: float, total: float) -> None:
    """An arrow from one place to another, inches from the left, at a height below the top."""
    wide, high = figure.get_size_inches()
    y = (total - middle) / high
    ends = ((start + EDGE) / wide, y), ((end - EDGE) / wide, y)
    style = {"arrowstyle": "-|>", "mutation_scale": 7, "linewidth": 1.0, "color": INK}
    figure.add_artist(FancyArrowPatch(*ends, transform=figure.transFigure, shrinkA=0, shrinkB=0, **style))
