# SPDX-License-Identifier: MIT
"""Regions for each mm² and the area in small ones: labels and runs, in the labelled part and the rest."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import BLUE, INK, LIGHT, VERMILLION
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.metrics.fragmentation import SMALL_MM2
from microtome.provenance.runs import RunRecord
from microtome.tables.parts.fragments import (
    FULL_TRUTH,
    MEASURES,
    SEGMENTATION,
    TRUTH,
    WHERE,
    fragments,
)

NEEDS = frozenset({"runs"})
METRICS = ("regions_per_mm2", "small_region_share", "mm2_labelled", "mm2_unlabelled")
LABELS = "labels"
TITLES = dict(zip(MEASURES, ("regions per mm²", "share of the area in small regions"), strict=True))
ROW, REST = 0.2, 0.75
"""Height of a row of dots, and of all else, inches."""
STYLES = {
    "": {"marker": "|", "color": INK, "markersize": 7},
    "_labelled": {"marker": "o", "color": BLUE, "markersize": 4},
    "_unlabelled": {"marker": "o", "color": VERMILLION, "markersize": 4, "markerfacecolor": "white"},
}
APART = 0.14
"""Rows between dots of one run."""
WIDE = 10.0
"""Ratio of the largest to the smallest number of regions above which their axis is logarithmic."""


@styled
def draw(inputs: FigureInputs, *, runs: Sequence[str] = (), part: str = "test") -> FigureResult:
    """Draw how fragmented labels and segmentations are.

    Labels are complete ones where images have them (the column `full` of the sheet); else nothing is known of
    the part without labels.

    Args:
        inputs: Run records with the metrics of the family ``fragmentation``.
        runs: Runs, a row each, in order; all by default.
        part: Part of the split that was evaluated.

    Returns:
        The figure. Its data: run (empty for labels), label, measure, where, mean and sd (over splits), n.

    Raises:
        ValueError: A run is missing or was not measured.
    """
    records = inputs.select(runs)
    data = pd.DataFrame(_measured(records, part))
    names = list(dict.fromkeys(data["label"]))
    figure = new_figure(DOUBLE_COLUMN, ROW * len(names) + REST, data_kind=inputs.data_kind)
    grid = figure.subplots(1, len(MEASURES), sharey=True)
    for place, (axes, measure) in enumerate(zip(grid, MEASURES, strict=True)):
        _draw_panel(axes, data[data["measure"] == measure], names)
        letter(axes, chr(ord("a") + place), TITLES[measure])
    _scale(grid[0], data[data["measure"] == MEASURES[0]]["mean"])
    grid[1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    handles = [
        Line2D([], [], linestyle="", label=where, **STYLES[ending])
        for ending, where in WHERE.items()
        if where in set(data["where"])
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return FigureResult(figure, data, _caption(inputs, data, records))


def _measured(records: Sequence[RunRecord], part: str) -> Iterator[dict[str, object]]:
    """The labels by the first run's metrics, complete ones if there are such; then each run."""
    by_run: dict[str, list[RunRecord]] = {}
    for record in records:
        by_run.setdefault(record.run, []).append(record)
    first = next(iter(by_run.values()))
    is_full = not fragments(first, side=FULL_TRUTH, part=part).empty
    yield from _rows("", LABELS, fragments(first, side=FULL_TRUTH if is_full else TRUTH, part=part))
    for run, found in by_run.items():
        yield from _rows(run, found[0].label, fragments(found, side=SEGMENTATION, part=part))


def _rows(run: str, label: str, by_split: pd.DataFrame) -> Iterator[dict[str, object]]:
    for ending, values in by_split.groupby("where", sort=False):
        for measure in MEASURES:
            of = values[measure]
            told = {"mean": float(of.mean()), "sd": float(of.std(ddof=1)), "n": len(of)}
            yield {"run": run, "label": label, "measure": measure, "where": WHERE[str(ending)], **told}


def _draw_panel(axes: Axes, data: pd.DataFrame, names: Sequence[str]) -> None:
    """A row of dots for each name, from above."""
    for place, (ending, where) in enumerate(WHERE.items()):
        rows = data[data["where"] == where]
        y = np.array([names.index(name) for name in rows["label"]]) + (place - 1) * APART
        style = STYLES[ending] | {"linestyle": "", "elinewidth": 0.7, "capsize": 1.6, "capthick": 0.7}
        axes.errorbar(rows["mean"], y, xerr=rows["sd"].fillna(0), **style)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.axhline(0.5, color=LIGHT, linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=LIGHT, linewidth=0.4)


def _scale(axes: Axes, values: pd.Series) -> None:
    """The axis of numbers of regions: from 0, or logarithmic where they are of different orders."""
    if values.min() > 0 and values.max() > WIDE * values.min():
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_xlim(left=0)


def _caption(inputs: FigureInputs, data: pd.DataFrame, records: Sequence[RunRecord]) -> str:
    whole = data[(data["measure"] == MEASURES[0]) & (data["where"] == WHERE[""])]
    told = ", ".join(f"{row.label} {row.mean:.1f}" for row in whole.itertuples())
    known = set(data.loc[data["run"] == "", "where"])
    full = " Labels are complete ones." if WHERE["_unlabelled"] in known else ""
    splits = len({record.split for record in records})
    spread = f"; mean ± sample standard deviation over {splits} splits" if splits > 1 else ""
    return (
        f"How fragmented labels and segmentations are: regions, which are what is connected, by edges or "
        f"corners, of one class, for each mm² (a), and the share of the area in regions below "
        f"{SMALL_MM2:g} mm² (b){spread}.{full} Regions per mm² of whole images: {told}. "
        f"{data_sentence(inputs.data_kind)}"
    )
