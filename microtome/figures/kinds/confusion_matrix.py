# SPDX-License-Identifier: MIT
"""Confusion matrix of runs: which class the pixels of each true class were predicted as."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import panels
from microtome.figures.parts.colors import GREY, HEAT, INK, VERMILLION
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, TEXT, column_width, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.metrics.overlap import one_against_rest, score
from microtome.tables.parts.confusion import confusion_of, shares_of

NEEDS = frozenset({"runs"})
METRICS = ("pixels@{class}",)
CLASS_OPTIONS = ("of",)
COLUMNS = 3
SMALLEST, LARGEST = 1.5, 6.0
"""Side of a matrix, inches."""
NARROW, EMPTY, CELL = 0.3, 0.13, 0.42
"""Side of a cell: of matrices side by side at least, the same with nothing written in, of any; inches."""
NAMES, AXIS = 0.062, 0.3
"""Room of a letter of the class names, and of the label of an axis, inches."""
GAP, TITLE, BAR = 0.2, 0.22, 0.5
"""Room beside a matrix, above it, and of the colour bar, inches."""
PREDICTED, POINTS = "predicted class", 72
"""Label of an axis, and points in an inch."""
STRIP = 0.22
"""Width of the strip with the colours of the classes, cells."""
WRITTEN = 16
"""Most classes whose cells are written in."""
PAIRED = 8
"""Most classes whose pixels are written below their shares."""
DARK = 0.55
"""Shares above are written in dark letters, as the colour map is light there."""
FRAME = {"edgecolor": VERMILLION, "linewidth": 1.2, "clip_on": False, "zorder": 3}
"""Around the row of the class that the caption tells of."""
OTHERS = 2
"""Of the classes that this one is taken for, how many the caption names."""
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
SAID = {
    "truth": "share of the pixels of each true class (rows sum to 1, the diagonal is the recall)",
    "prediction": "share of the pixels of each predicted class (columns sum to 1, the diagonal is the "
    "precision)",
    "none": "pixels, the colour by their share of each true class",
}


@styled
def draw(
    inputs: FigureInputs,
    *,
    runs: Sequence[str] = (),
    part: str = "test",
    normalize: Literal["truth", "prediction", "none"] = "truth",
    of: str = "",
) -> FigureResult:
    """Draw the pixels of each true class (rows) by predicted class (columns), of all images together.

    Args:
        inputs: Run records whose metrics count the pixels (family ``overlap``).
        runs: Runs to show, in order, a panel each; all by default. Seeds and splits of a run are added up.
        part: Part of the split that was evaluated.
        normalize: ``truth``: every row sums to 1; ``prediction``: every column; ``none``: pixels alone.
        of: A true class whose row is framed, and of which the caption tells what it is taken for.

    Returns:
        The figure. Its data: run, label, truth, prediction, pixels, share.

    Raises:
        ValueError: A run is missing, its pixels were not counted, or a class is unknown.
    """
    framed = inputs.class_id(of) if of else None
    records = inputs.select(runs)
    order = list(dict.fromkeys(record.run for record in records))
    matrices = {
        run: confusion_of([r for r in records if r.run == run], inputs.classes, part=part) for run in order
    }
    labels = {record.run: record.label for record in records}
    columns, figure, grid = _grid(inputs, len(order))
    for index, (axes, (run, matrix)) in enumerate(zip(grid, matrices.items(), strict=False)):
        artist = _draw_matrix(axes, inputs, matrix, normalize)
        _name_classes(axes, inputs.classes, index, columns, len(order))
        if framed is not None:
            panels.draw_frame(axes, -0.5, framed - 0.5, len(matrix), 1, **FRAME)
        letter(axes, chr(ord("a") + index) if len(order) > 1 else "", labels[run])
    for empty in grid[len(order) :]:
        empty.set_axis_off()
    bar = figure.colorbar(artist, ax=list(grid), orientation="horizontal", aspect=40, shrink=0.6, pad=0.02)
    bar.set_label("share of the predicted class" if normalize == "prediction" else "share of the true class")
    bar.outline.set_linewidth(0.5)
    figure.draw_without_rendering()  # square panels are narrower than their room, as a later layout sees
    data = pd.concat([_long(run, labels[run], matrix, normalize) for run, matrix in matrices.items()])
    caption = _caption(inputs, labels, matrices, part, normalize)
    return FigureResult(figure, data, f"{caption} {_taken_for(labels, matrices, of)}".rstrip())


def _grid(inputs: FigureInputs, count: int) -> tuple[int, Figure, Sequence[Axes]]:
    """Matrices in a row, and the figure with room for them and for names at the left and at the bottom."""
    names = max(map(len, inputs.classes)) * NAMES + AXIS
    classes, room = len(inputs.classes), DOUBLE_COLUMN - names
    least = NARROW if classes <= WRITTEN else EMPTY
    columns = max(min(COLUMNS, count, int(room / (classes * least + GAP))), 1)
    side = max(min(classes * CELL, room / columns - GAP, LARGEST), SMALLEST)
    rows = -(-count // columns)
    width, height = names + columns * (side + GAP), names + rows * (side + TITLE) + BAR
    figure = new_figure(column_width(width), height, data_kind=inputs.data_kind)
    return columns, figure, figure.subplots(rows, columns, squeeze=False).ravel()


def _name_classes(axes: Axes, names: Sequence[str], index: int, columns: int, count: int) -> None:
    """Write the classes at the left of the first matrix of a row, and below the last one of a column."""
    axes.set_xticks([])
    axes.set_yticks(range(len(names)), names if index % columns == 0 else [""] * len(names))
    axes.tick_params(length=0, pad=2)
    axes.set_ylabel("true class" if index % columns == 0 else "")
    if index + columns >= count:
        is_lowest = index // columns == (count - 1) // columns
        _name_columns(axes, names, in_layout=is_lowest)


def _name_columns(axes: Axes, names: Sequence[str], *, in_layout: bool) -> None:
    """Write the predicted classes below a matrix; where another row comes below, into its empty place."""
    if in_layout:
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_xlabel(PREDICTED)
        return
    style = {
        "xycoords": axes.get_xaxis_transform(),
        "textcoords": "offset points",
        "ha": "center",
        "va": "top",
    }
    below = max(map(len, names)) * NAMES * POINTS + 2
    texts = [
        axes.annotate(name, (column, 0), (0, -2), rotation=90, fontsize=TEXT, **style)
        for column, name in enumerate(names)
    ]
    texts.append(axes.annotate(PREDICTED, ((len(names) - 1) / 2, 0), (0, -below), **style))
    for text in texts:
        text.set_in_layout(False)


def _draw_matrix(axes: Axes, inputs: FigureInputs, matrix: pd.DataFrame, normalize: str) -> AxesImage:
    shares = shares_of(matrix, "truth" if normalize == "none" else normalize).to_numpy()
    count = len(shares)
    artist = axes.imshow(shares, cmap=HEAT, vmin=0, vmax=1)
    axes.set(xlim=(-0.5 - STRIP, count - 0.5), ylim=(count - 0.5 + STRIP, -0.5))
    axes.spines[:].set_visible(False)
    edge = {"edgecolor": GREY, "linewidth": 0.4}
    for index, color in enumerate(inputs.palette.values()):
        axes.add_patch(Rectangle((-0.5 - STRIP, index - 0.5), STRIP * 0.75, 1, facecolor=color, **edge))
        axes.add_patch(
            Rectangle((index - 0.5, count - 0.5 + STRIP * 0.25), 1, STRIP * 0.75, facecolor=color, **edge)
        )
    if count <= WRITTEN:
        _write_cells(axes, matrix.to_numpy(), shares, normalize)
    return artist


def _write_cells(axes: Axes, pixels: np.ndarray, shares: np.ndarray, normalize: str) -> None:
    for (row, column), share in np.ndenumerate(shares):
        lines = [] if normalize == "none" else ["–" if np.isnan(share) else f"{share:.2f}"]
        if normalize == "none" or len(shares) <= PAIRED:
            lines.append(short_number(int(pixels[row, column])))
        tone = INK if np.isnan(share) or share > DARK else "white"
        style = {"ha": "center", "va": "center", "fontsize": SMALL, "color": tone, "linespacing": 1.3}
        axes.text(column, row, "\n".join(lines), **style)


def short_number(value: int) -> str:
    """Write a number of pixels in few letters.

    Example:
        >>> [short_number(value) for value in (7, 1234, 56_789, 999_999, 3_000_000)]
        ['7', '1.2k', '57k', '1.0M', '3.0M']
    """
    rounded = float(f"{value:.2g}")
    scale, unit = next(((scale, unit) for scale, unit in UNITS if rounded >= scale), (1, ""))
    scaled = rounded / scale
    return f"{scaled:.1f}{unit}" if unit and scaled < 10 else f"{scaled:.0f}{unit}" if unit else str(value)


def _long(run: str, label: str, matrix: pd.DataFrame, normalize: str) -> pd.DataFrame:
    shares = shares_of(matrix, "truth" if normalize == "none" else normalize)
    rows = [
        (run, label, truth, found, int(matrix.loc[truth, found]), float(shares.loc[truth, found]))
        for truth in matrix.index
        for found in matrix.columns
    ]
    return pd.DataFrame(rows, columns=["run", "label", "truth", "prediction", "pixels", "share"])


def _caption(
    inputs: FigureInputs, labels: dict[str, str], matrices: dict[str, pd.DataFrame], part: str, normalize: str
) -> str:
    said = []
    for run, matrix in matrices.items():
        counts, mean = one_against_rest(matrix), {"mean_classes": inputs.mean_classes}
        values = {
            name: score(counts, key, **mean)
            for name, key in (("accuracy", "accuracy"), ("mean Dice", "mean_dice"), ("mIoU", "mean_iou"))
        }
        listed = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
        said.append(f"{labels[run]}: {listed}")
    total = int(next(iter(matrices.values())).to_numpy().sum())
    return (
        f"True class (rows) against predicted class (columns), {SAID[normalize]}, of the {total:,} labelled "
        f"pixels of part {part} together. Pooled over these pixels, {'; '.join(said)}. "
        f"{data_sentence(inputs.data_kind)}"
    )


def _taken_for(labels: Mapping[str, str], matrices: Mapping[str, pd.DataFrame], of: str) -> str:
    """What the pixels of a class are predicted as, by each run, the most frequent other classes first."""
    if not of:
        return ""
    said = []
    for run, matrix in matrices.items():
        shares = shares_of(matrix).loc[of]
        if shares.isna().all():
            continue
        others = shares.drop(of).sort_values(ascending=False, kind="stable")[:OTHERS]
        listed = ", ".join(f"{name} {share:.2f}" for name, share in others.items())
        said.append(f"{labels[run]} {shares[of]:.2f} ({listed})")
    if not said:
        return f"No pixel of the part is {of}."
    told = f"Framed: {of}; share that is found, and shares of the classes that it is most often taken for"
    return f"{told}: {'; '.join(said)}."
