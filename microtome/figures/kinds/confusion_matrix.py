# SPDX-License-Identifier: MIT
"""Confusion matrix of runs: which class the pixels of each true class were predicted as."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import GREY, HEAT, INK
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.metrics.overlap import one_against_rest, score
from microtome.tables.parts.confusion import confusion_of, shares_of

NEEDS = frozenset({"runs"})
METRICS = ("pixels@{class}",)
COLUMNS = 3
SMALLEST, CELL, LARGEST = 2.3, 0.42, 7.0
"""Width of a panel, of a cell, and of the widest panel, inches."""
NAMES = 0.062
"""Room of a letter of the class names, inches."""
BAR = 0.5
STRIP = 0.22
"""Width of the strip with the colours of the classes, cells."""
TEXT = 16
"""Most classes whose cells are written in."""
PAIRED = 8
"""Most classes whose pixels are written below their shares."""
DARK = 0.55
"""Shares above are written in dark letters, as the colour map is light there."""
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
) -> FigureResult:
    """Draw the pixels of each true class (rows) by predicted class (columns), of all images together.

    Args:
        inputs: Run records whose metrics count the pixels (family ``overlap``).
        runs: Runs to show, in order, a panel each; all by default. Seeds and splits of a run are added up.
        part: Part of the split that was evaluated.
        normalize: ``truth``: every row sums to 1; ``prediction``: every column; ``none``: pixels alone.

    Returns:
        The figure. Its data: run, label, truth, prediction, pixels, share.

    Raises:
        ValueError: A run is missing, or its pixels were not counted.
    """
    records = inputs.select(runs)
    order = list(dict.fromkeys(record.run for record in records))
    matrices = {
        run: confusion_of([r for r in records if r.run == run], inputs.classes, part=part) for run in order
    }
    labels = {record.run: record.label for record in records}
    columns, size = _layout(inputs.classes, len(order))
    rows = -(-len(order) // columns)
    figure = new_figure(size * columns, size * rows + BAR, data_kind=inputs.data_kind)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for index, (axes, (run, matrix)) in enumerate(zip(grid, matrices.items(), strict=False)):
        artist = _draw_matrix(axes, inputs, matrix, normalize)
        letter(axes, chr(ord("a") + index) if len(order) > 1 else "", labels[run])
    for empty in grid[len(order) :]:
        empty.set_axis_off()
    bar = figure.colorbar(artist, ax=grid.tolist(), orientation="horizontal", aspect=40, shrink=0.6, pad=0.02)
    bar.set_label("share of the predicted class" if normalize == "prediction" else "share of the true class")
    bar.outline.set_linewidth(0.5)
    data = pd.concat([_long(run, labels[run], matrix, normalize) for run, matrix in matrices.items()])
    return FigureResult(figure, data, _caption(inputs, labels, matrices, part, normalize))


def _layout(names: Sequence[str], count: int) -> tuple[int, float]:
    """Panels in a row, and the side of each, inches."""
    wanted = max(SMALLEST, len(names) * CELL + max(map(len, names)) * NAMES + CELL)
    columns = max(min(COLUMNS, count, int(DOUBLE_COLUMN / wanted)), 1)
    return columns, min(wanted, LARGEST)


def _draw_matrix(axes: Axes, inputs: FigureInputs, matrix: pd.DataFrame, normalize: str) -> AxesImage:
    shares = shares_of(matrix, "truth" if normalize == "none" else normalize).to_numpy()
    count = len(shares)
    artist = axes.imshow(shares, cmap=HEAT, vmin=0, vmax=1)
    axes.set(xlim=(-0.5 - STRIP, count - 0.5), ylim=(count - 0.5 + STRIP, -0.5))
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_xticks(range(count), inputs.classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), inputs.classes)
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)
    edge = {"edgecolor": GREY, "linewidth": 0.4}
    for index, color in enumerate(inputs.palette.values()):
        axes.add_patch(Rectangle((-0.5 - STRIP, index - 0.5), STRIP * 0.75, 1, facecolor=color, **edge))
        axes.add_patch(
            Rectangle((index - 0.5, count - 0.5 + STRIP * 0.25), 1, STRIP * 0.75, facecolor=color, **edge)
        )
    if count <= TEXT:
        _write_cells(axes, matrix.to_numpy(), shares, normalize)
    return artist


def _write_cells(axes: Axes, pixels: np.ndarray, shares: np.ndarray, normalize: str) -> None:
    small = 5.5 if len(shares) <= PAIRED else 4.5
    for (row, column), share in np.ndenumerate(shares):
        lines = [] if normalize == "none" else ["–" if np.isnan(share) else f"{share:.2f}"]
        if normalize == "none" or len(shares) <= PAIRED:
            lines.append(short_number(int(pixels[row, column])))
        tone = INK if np.isnan(share) or share > DARK else "white"
        style = {"ha": "center", "va": "center", "fontsize": small, "color": tone, "linespacing": 1.3}
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
