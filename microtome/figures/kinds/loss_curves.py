# SPDX-License-Identifier: MIT
"""Training and validation loss by epoch, one panel per run, the best epoch marked."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import BLUE, GREY, VERMILLION
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"history", "runs"})
PANEL_HEIGHT = 1.55
LEGEND_HEIGHT = 0.25
LINE_HEIGHT = 0.12
INCHES_PER_LETTER = 0.075
"""Width of a letter of a title, its panel's letter and the axis beside it counted in."""
COLUMNS = 3
TRAIN, VALIDATION = BLUE, VERMILLION
LOWEST, CHOSEN = "best validation epoch", "chosen epoch"
SAID = {
    LOWEST: "Best validation loss",
    CHOSEN: "Validation loss of the epoch that was chosen (not by this loss)",
}


@styled
def draw(
    inputs: FigureInputs, *, runs: Sequence[str] = (), columns: int = COLUMNS, logarithmic: bool = False
) -> FigureResult:
    """Draw the loss curves of the trained runs.

    Args:
        inputs: Run records with histories.
        runs: Runs to show, in order; all trained runs by default.
        columns: Panels per row.
        logarithmic: Whether the loss axes are logarithmic.

    Returns:
        The figure. Its data: run, label, seed, split, epoch, train_loss, val_loss, is_best.

    Raises:
        ValueError: A run is missing or has no history.
    """
    records = [record for record in inputs.select(runs) if runs or record.history is not None]
    data = pd.concat([_curve(record) for record in records], ignore_index=True)
    names = list(dict.fromkeys(record.run for record in records))
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    letters = int(DOUBLE_COLUMN / columns / INCHES_PER_LETTER)
    titles = {record.run: textwrap.fill(record.label, letters) for record in records}
    lines = max(title.count("\n") for title in titles.values())
    height = rows * (PANEL_HEIGHT + lines * LINE_HEIGHT) + LEGEND_HEIGHT
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=inputs.data_kind)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for index, (axes, name) in enumerate(zip(panels, names, strict=False)):
        _panel(axes, data[data["run"] == name], logarithmic)
        letter(axes, chr(ord("a") + index), titles[name])
        axes.set_xlabel("epoch" if index + columns >= len(names) else "")
        axes.set_ylabel("loss" if index % columns == 0 else "")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    figure.legend(handles=_handles(_marks(data)), loc="outside lower center", ncols=3)
    return FigureResult(figure, data, _caption(data))


def _curve(record: RunRecord) -> pd.DataFrame:
    if record.history is None:
        found = f"run {record.run!r} has no training history (an ensemble is not trained)"
        msg = f"{found}; leave it out of the figure"
        raise ValueError(msg)
    history = record.history
    best = int(record.card.get("best_epoch", history.loc[history["val_loss"].idxmin(), "epoch"]))
    curve = history[["epoch", "train_loss", "val_loss"]].assign(is_best=history["epoch"] == best)
    curve.insert(0, "run", record.run)
    curve.insert(1, "label", record.label)
    curve.insert(2, "seed", record.seed)
    curve.insert(3, "split", record.split)
    return curve


def _panel(axes: Axes, curves: pd.DataFrame, logarithmic: bool) -> None:
    for _, curve in curves.groupby(["split", "seed"], sort=False):
        axes.plot(curve["epoch"], curve["train_loss"], color=TRAIN)
        validated = curve.dropna(subset="val_loss")  # not every epoch need be validated
        axes.plot(validated["epoch"], validated["val_loss"], color=VALIDATION)
        best = curve[curve["is_best"]]
        axes.plot(best["epoch"], best["val_loss"], "o", mfc="white", mec=VALIDATION, mew=1.0, zorder=3)
        if len(best):
            axes.axvline(best["epoch"].iloc[0], color=GREY, linewidth=0.5, linestyle=":", zorder=0)
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if logarithmic:
        axes.set_yscale("log")
    else:
        highest = np.nanmax(curves[["train_loss", "val_loss"]].to_numpy())
        axes.set_ylim(0, 1.06 * highest)
        axes.yaxis.set_major_locator(MaxNLocator(5))


def _handles(marks: str) -> list[Line2D]:
    ring = {"marker": "o", "mfc": "white", "mew": 1.0, "linestyle": "none"}
    return [
        Line2D([], [], color=TRAIN, label="training"),
        Line2D([], [], color=VALIDATION, label="validation"),
        Line2D([], [], color=VALIDATION, label=marks, **ring),
    ]


def _marks(data: pd.DataFrame) -> str:
    """What the ring marks: the least validation loss, or what was chosen otherwise (calls of sections)."""
    best = data[data["is_best"]]
    least = data.groupby(["run", "split", "seed"])["val_loss"].min()
    lowest = all(row.val_loss == least[row.run, row.split, row.seed] for row in best.itertuples())
    return LOWEST if lowest else CHOSEN


def _caption(data: pd.DataFrame) -> str:
    best = data[data["is_best"]]
    said = SAID[_marks(data)]
    several = len(data["split"].unique()) > 1
    found = "; ".join(
        f"{row.label}{f' ({row.split})' * several}: {row.val_loss:.4f} at epoch {row.epoch}"
        for row in best.itertuples()
    )
    return (
        f"Training and validation loss by epoch. Each model is drawn under its own loss, on its own scale; "
        f"heights of different panels do not compare. {said}: {found}."
    )
