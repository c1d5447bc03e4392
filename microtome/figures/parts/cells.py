# SPDX-License-Identifier: MIT
"""Matrices of numbers drawn as grids of cells, for worked examples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from microtome.figures.parts.colors import GREY, INK
from microtome.figures.parts.panels import draw_frame
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, TEXT, column_width, new_figure

TINTS = ("#CFE3F3", "#FBDCC5", "#CDEBDF", "#F4DDEA")
"""Pale fills that mark which cells belong together."""
PADDING_FILL = "#EFEFEF"
INCHES_PER_CELL = 0.24
GAP = 0.7
LEAD_ROOM = 1.6
MARGIN = 0.15
TITLE_ROOM = 0.95
ROOMY = 3
"""Characters that fit a cell at full size."""
Fill = Callable[[int, int], str]


@dataclass(frozen=True)
class Grid:
    """One matrix in a row of matrices.

    Attributes:
        values: (H, W) numbers.
        title: Text above; empty for none.
        fill: Colour of the cell at (row, column); white by default.
        frames: Rectangles to outline: (row, column, height, width, colour).
        lead: Sign before the matrix, e.g. ``"="``.
    """

    values: NDArray
    title: str = ""
    fill: Fill = lambda row, column: "white"
    frames: tuple[tuple[int, int, int, int, str], ...] = ()
    lead: str = ""


def draw_rows(rows: list[list[Grid]], *, row_titles: list[str] | None = None) -> Figure:
    """Draw rows of matrices to one scale, with a text above each row if there are any.

    Worked examples show no data and carry no tag.
    """
    titles = row_titles or [""] * len(rows)
    heights = [_row_height(row, bool(title)) for row, title in zip(rows, titles, strict=True)]
    width = max(_row_width(row) for row in rows)
    total = sum(heights) + GAP * (len(rows) - 1) + 2 * MARGIN
    cell = min(INCHES_PER_CELL, DOUBLE_COLUMN / width)
    across = column_width(width * cell)
    beside = (across / cell - width) / 2
    figure = new_figure(across, total * cell)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-beside, width + beside), ylim=(total, 0), aspect="equal")
    axes.set_axis_off()
    top = MARGIN
    for row, height, title in zip(rows, heights, titles, strict=True):
        _draw_row(axes, row, top, height, title)
        top += height + GAP
    return figure


def _row_height(row: list[Grid], has_title: bool) -> float:
    tallest = max(grid.values.shape[0] for grid in row)
    return tallest + TITLE_ROOM * (any(grid.title for grid in row) + has_title)


def _row_width(row: list[Grid]) -> float:
    return sum(grid.values.shape[1] for grid in row) + sum(_lead_width(grid) for grid in row) + 2 * GAP


def _lead_width(grid: Grid) -> float:
    return LEAD_ROOM if grid.lead else 0.0


def _draw_row(axes: Axes, row: list[Grid], top: float, height: float, title: str) -> None:
    if title:
        style = {"ha": "left", "va": "center", "fontsize": TEXT, "weight": "bold"}
        axes.text(GAP, top + TITLE_ROOM / 2, title, **style)
        top, height = top + TITLE_ROOM, height - TITLE_ROOM
    above = TITLE_ROOM * any(grid.title for grid in row)
    middle = top + above + (height - above) / 2
    left = GAP
    for grid in row:
        if grid.lead:
            axes.text(
                left + LEAD_ROOM / 2,
                middle,
                grid.lead,
                ha="center",
                va="center",
                fontsize=TEXT,
                weight="bold",
            )
        left += _lead_width(grid)
        draw_grid(axes, grid, left, middle - grid.values.shape[0] / 2)
        center = left + grid.values.shape[1] / 2
        axes.text(center, top + TITLE_ROOM / 2, grid.title, ha="center", va="center", fontsize=TEXT)
        left += grid.values.shape[1]


def draw_grid(axes: Axes, grid: Grid, left: float, top: float) -> None:
    """Draw one matrix on axes with one unit per cell, y downwards, from its left upper corner."""
    rows, columns = grid.values.shape
    for row, column in np.ndindex(rows, columns):
        style = {"facecolor": grid.fill(row, column), "edgecolor": GREY, "linewidth": 0.5}
        axes.add_patch(Rectangle((left + column, top + row), 1, 1, **style))
        value = grid.values[row, column]
        text = "" if np.isnan(value) else f"{value:g}".replace("-", "−")
        style = {"ha": "center", "va": "center", "fontsize": SMALL if len(text) > ROOMY else TEXT}
        axes.text(left + column + 0.5, top + row + 0.53, text, **style)
    for row, column, height, width, color in grid.frames:
        place = (left + column, top + row, width, height)
        draw_frame(axes, *place, edgecolor=color, linewidth=1.4, zorder=3)
    draw_frame(axes, left, top, columns, rows, edgecolor=INK, linewidth=0.8, zorder=2)
