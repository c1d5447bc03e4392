# SPDX-License-Identifier: MIT
"""Grids of pictures: one row per sample with its name and group at the left, titles above the first row."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, as_written, letter, new_figure

LABEL_ROOM = 0.3
TITLE_HEIGHT = 0.2
LEGEND_HEIGHT = 0.24
LABEL_SIZE = SMALL
INCHES_PER_LETTER = 0.055
"""Width of a letter of `LABEL_SIZE` points."""
ELLIPSIS = "…"


def picture_grid(
    rows: int,
    columns: int,
    *,
    aspect: float,
    data_kind: str,
    handles: Sequence[Line2D | Patch] = (),
    below: float = 0.0,
) -> tuple[Figure, NDArray]:
    """Make a grid of panels for pictures of one shape, with a legend below if there are handles.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        aspect: Height of a picture in parts of its width.
        data_kind: Where the images come from.
        handles: Legend.
        below: Room below the pictures, inches, for colour bars.
    """
    panel = (DOUBLE_COLUMN - LABEL_ROOM) / columns
    legend = LEGEND_HEIGHT if handles else 0.0
    height = rows * panel * aspect + TITLE_HEIGHT + legend + below
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=data_kind)
    panels = figure.subplots(rows, columns, squeeze=False)
    if handles:
        style = {"ncols": len(handles), "handlelength": 1.8, "columnspacing": 1.4}
        figure.legend(handles=handles, loc="outside lower center", **style)
    return figure, panels


def write_titles(row: Sequence[Axes], titles: Sequence[str]) -> None:
    """Head panels in a row with letters and titles."""
    for index, (axes, title) in enumerate(zip(row, titles, strict=True)):
        letter(axes, chr(ord("a") + index), title)


def write_row_label(
    axes: Axes, inputs: FigureInputs, sample: str, *, more: str = "", size: float = LABEL_SIZE
) -> None:
    """Write group and name of a sample at the left of its row; `more`, perhaps a symbol, beside the group."""
    rows = axes.get_subplotspec().get_gridspec().nrows
    letters = INCHES_PER_LETTER * size / LABEL_SIZE
    room = (axes.figure.get_figheight() - TITLE_HEIGHT - LEGEND_HEIGHT) / rows
    is_symbol = more.startswith("$")
    group, name = (
        as_written(text) if is_symbol else text for text in (inputs.groups.get(sample, ""), sample)
    )
    head = "   ".join(part for part in (group, more) if part)
    lines = [shorten(line, int(room / letters)) for line in (head, name) if line]
    style = {"fontsize": size, "linespacing": 1.35, "labelpad": 3}
    axes.set_ylabel("\n".join(lines), parse_math=is_symbol, **style)


def shorten(text: str, letters: int) -> str:
    """Leave out the middle of a text that has more than some letters.

    Example:
        >>> shorten("TCGA-21-5784-01Z-00-DX1", 11)
        'TCGA-…0-DX1'
    """
    if len(text) <= letters or letters < len("a…b"):
        return text
    head = letters // 2
    return text[:head] + ELLIPSIS + text[len(text) - (letters - head - 1) :]


def common_aspect(arrays: Sequence[NDArray]) -> float:
    """Give the largest height, in parts of the width, of pictures (H, W) or (H, W, C)."""
    return float(np.max([array.shape[0] / array.shape[1] for array in arrays]))
