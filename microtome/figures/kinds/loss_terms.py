# SPDX-License-Identifier: MIT
"""Terms of a loss by epoch, of each level of the network, one panel per run."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import CYCLE, GREY
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled, wrapped
from microtome.figures.result import FigureResult
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"history", "runs"})
TERMS = ("mdsc", "tv")
NAMES = {"mdsc": "MDSC", "tv": "total variation"}
"""How people write the terms of a loss."""
COLUMNS = 3
PANEL, LINE, AXIS, LEGEND = 1.6, 0.12, 0.6, 0.25
"""Height of a panel, of a further line of its title, width of its axis, and height of the legend, inches."""
FINE_TO_COARSE = ("-", "--", ":", "-.")
"""Dashes of the levels, the finest first."""
WITH_MIDDLE = 3
"""Levels of which one is the middle one."""
CHOSEN = {"color": GREY, "linewidth": 0.5}


@styled
def draw(inputs: FigureInputs, *, runs: Sequence[str] = (), terms: Sequence[str] = TERMS) -> FigureResult:
    """Draw the terms of the loss in training, as they are added up (with their weights).

    Args:
        inputs: Run records with histories.
        runs: Runs, a panel each, in order; by default those that have a history with one of the terms.
        terms: What the terms are called in the history (``history.tsv``); those of a level of the network
            are found by ``level_<number>_<term>``. The caption compares the others with the first.

    Returns:
        The figure. Its data: run, label, split, seed, epoch, level (from 0, the coarsest; -1 without
        levels), term, value, is_best (whether it is the epoch that was chosen).

    Raises:
        ValueError: A run has none of the terms, or no run has one.
    """
    records = [record for record in inputs.select(runs) if runs or _columns(record, terms)]
    if not records:
        msg = f"no run has one of the terms {list(terms)} in its history; name terms of its loss"
        raise ValueError(msg)
    data = pd.concat([_long(record, terms) for record in records], ignore_index=True)
    labels = {record.run: record.label for record in records}
    columns = min(COLUMNS, len(labels))
    rows, width = -(-len(labels) // columns), DOUBLE_COLUMN / columns
    titles = {run: wrapped(label, width - AXIS) for run, label in labels.items()}
    lines = max(title.count("\n") for title in titles.values())
    handles = _handles(data, terms)
    height = rows * (PANEL + lines * LINE) + LEGEND
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=inputs.data_kind)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for index, (axes, run) in enumerate(zip(grid, labels, strict=False)):
        _draw_panel(axes, data[data["run"] == run], terms)
        letter(axes, ascii_lowercase[index % len(ascii_lowercase)] if len(labels) > 1 else "", titles[run])
        axes.set_xlabel("epoch" if index + columns >= len(labels) else "")
        axes.set_ylabel("term of the loss" if index % columns == 0 else "")
    for axes in grid[len(labels) :]:
        axes.set_axis_off()
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), columnspacing=1.4)
    return FigureResult(figure, data, _caption(data, labels, terms))


def _columns(record: RunRecord, terms: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Level and term by column of a history; the levels' own where there are several."""
    if record.history is None:
        return {}
    names = list(record.history.columns)
    found = {
        name: (int(parts[1]), parts[2])
        for name in names
        if len(parts := name.split("_", 2)) == 3 and parts[0] == "level" and parts[2] in terms
    }
    return found or {name: (-1, name) for name in names if name in terms}


def _long(record: RunRecord, terms: Sequence[str]) -> pd.DataFrame:
    """A row for each epoch, level and term.

    Raises:
        ValueError: The run has none of the terms.
    """
    columns, history = _columns(record, terms), record.history
    if history is None or not columns:
        known = [] if history is None else list(history.columns)
        msg = f"run {record.run!r} has none of the terms {list(terms)}; its history has {known}"
        raise ValueError(msg)
    best = int(record.card.get("best_epoch", history.loc[history["val_loss"].idxmin(), "epoch"]))
    long = history.melt(["epoch"], list(columns), "column", "value")
    pairs = long["column"].map(columns)
    told = {"run": record.run, "label": record.label, "split": record.split, "seed": record.seed}
    long = long.assign(level=pairs.str[0], term=pairs.str[1], is_best=long["epoch"] == best, **told)
    return long[[*told, "epoch", "level", "term", "value", "is_best"]]


def _draw_panel(axes: Axes, data: pd.DataFrame, terms: Sequence[str]) -> None:
    """A line for each level and term of each split and seed."""
    finest = int(data["level"].max())
    for (_, _, level, term), line in data.groupby(["split", "seed", "level", "term"], sort=False):
        style = {"color": _color(terms, str(term)), "linestyle": _dashes(finest - int(level))}
        axes.plot(line["epoch"], line["value"], **style)
    for epoch in data.loc[data["is_best"], "epoch"].unique():
        axes.axvline(epoch, zorder=0, **CHOSEN)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y")


def _color(terms: Sequence[str], term: str) -> str:
    return CYCLE[list(terms).index(term) % len(CYCLE)]


def _dashes(coarser: int) -> str:
    """Of a level so many levels coarser than the finest."""
    return FINE_TO_COARSE[min(coarser, len(FINE_TO_COARSE) - 1)]


def _handles(data: pd.DataFrame, terms: Sequence[str]) -> list[Line2D]:
    """The terms by colour, the levels by dashes, the finest first, and the epoch that was chosen."""
    found = [
        Line2D([], [], color=_color(terms, one), label=NAMES.get(one, one))
        for one in terms
        if one in set(data["term"])
    ]
    count = int(data["level"].max()) + 1
    for coarser in range(count if count > 1 else 0):
        between = "middle level" if count == WITH_MIDDLE else f"{coarser} levels coarser"
        name = {0: "finest level", count - 1: "coarsest level"}.get(coarser, between)
        found.append(Line2D([], [], color=GREY, linestyle=_dashes(coarser), label=name))
    return [*found, Line2D([], [], label="chosen epoch", **CHOSEN)]


def _caption(data: pd.DataFrame, labels: Mapping[str, str], terms: Sequence[str]) -> str:
    first, *others = terms
    said = ["Terms of the loss over training windows by epoch, with their weights, on a logarithmic scale."]
    best = data[data["is_best"]].groupby(["term", "run", "level"])["value"].mean()
    for term in others:
        ratios = {run: _ratios(best, term, first, run) for run in labels}
        listed = "; ".join(f"{labels[run]} {', '.join(values)}" for run, values in ratios.items() if values)
        if listed:
            named, whole = NAMES.get(term, term), NAMES.get(first, first)
            named = f"{named[:1].upper()}{named[1:]} in parts of {whole}"
            said.append(f"{named} in the chosen epoch (coarse to fine): {listed}.")
    return " ".join(said)


def _ratios(best: pd.Series, term: str, first: str, run: str) -> list[str]:
    """A term over the first one, of each level of a run; empty where it lacks one of the two."""
    if not {(term, run), (first, run)} <= {key[:2] for key in best.index}:
        return []
    ratio = best[term, run] / best[first, run]
    return ["–" if np.isnan(value) else f"{value:.2g}" for value in ratio]
