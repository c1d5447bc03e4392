# SPDX-License-Identifier: MIT
"""The scores of each decoder block of networks that have several outputs, on one window of a slide."""

from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import panels
from microtome.figures.parts.annotated_patches import draw_outline, half_annotated
from microtome.figures.parts.colors import HEAT
from microtome.figures.parts.heat_maps import Place, read_classes, read_picture
from microtome.figures.parts.level_maps import LevelMaps, read_levels, shown_class
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled, wrapped
from microtome.figures.result import FigureResult
from microtome.io import images, views
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"runs", "trained", "slides", "patches", "calls"})
SAMPLE_OPTIONS = ("sample",)
HALF = 0.5
AROUND = 0.55
"""Height of titles and colour bar, inches."""


@styled
def draw(
    inputs: FigureInputs, *, runs: Sequence[str] = (), sample: str = "", part: str = "val"
) -> FigureResult:
    """Draw the probabilities that each decoder block gives, coarse to fine, and those of the result.

    Args:
        inputs: Run records with weights, slides with annotations, patch index.
        runs: Runs, one a row; all by default.
        sample: Slide; by default the one with the patch that is nearest to half annotated.
        part: Part of the split whose slides are looked through.

    Returns:
        The figure. Its data, by run and level (and the result): sample, y, x, run, level, reduction, inside
        and outside (mean probability over annotated and over other pixels of the window), iou (of the
        annotated pixels and those with a probability of at least 0.5).

    Raises:
        ValueError: A run has no weights or a single output, or no annotated slide shows the class.
    """
    records = [records[0] for records in _by_run(inputs.select(runs)).values()]
    positive = shown_class(inputs, records[0])
    named = [sample] if sample else ()
    (place,) = half_annotated(inputs, records[0], positive, part=part, samples=named)
    path = views.find_sample(inputs.files["images"], place.sample)
    place = place.within(*views.open_raster(path).shape[1:])
    picture = read_picture(inputs.files["images"], place)
    annotated = read_classes(inputs.files["targets"], place) == inputs.class_id(positive)
    maps = {record.run: read_levels(inputs, record, place, positive) for record in records}
    figure = _draw(records, maps, picture, annotated, inputs, images.header(path).mpp)
    figure.axes[-1].set_xlabel(f"probability of {positive}")
    data = [row for record in records for row in _numbers(record, place, maps[record.run], annotated)]
    return FigureResult(figure, pd.DataFrame(data), _caption(inputs, records, maps, place, positive))


def _by_run(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """The records of each run; of several seeds the first is drawn."""
    found: dict[str, list[RunRecord]] = {}
    for record in records:
        found.setdefault(record.run, []).append(record)
    return found


def _draw(
    records: Sequence[RunRecord],
    maps: dict[str, LevelMaps],
    picture: NDArray,
    annotated: NDArray[np.bool_],
    inputs: FigureInputs,
    mpp: float | None,
) -> Figure:
    """A row for each run: the window, the levels, the result."""
    columns = 2 + max(len(one.levels) for one in maps.values())
    side = DOUBLE_COLUMN / columns
    figure = new_figure(DOUBLE_COLUMN, len(records) * side + AROUND, data_kind=inputs.data_kind)
    grid = figure.subplots(len(records), columns, squeeze=False)
    for row, record in zip(grid, records, strict=True):
        panels.show_image(row[0], picture)
        draw_outline(row[0], annotated)
        row[0].set_ylabel(wrapped(record.label, side))
        for axes, values in zip(row[1:], (*maps[record.run].levels, maps[record.run].result), strict=False):
            panels.show_image(axes, values, colors=HEAT)
    panels.scale_bar(grid[0][0], picture.shape[1], mpp)
    first = maps[records[0].run]
    sides = [f"ψ{level}, 1/{reduction}" for level, reduction in enumerate(first.reductions)]
    for name, axes, title in zip(ascii_lowercase, grid[0], ["input", *sides, "result"], strict=False):
        letter(axes, name, title)
    bar = {"ticks": [0, 0.5, 1], "orientation": "horizontal", "aspect": 60, "shrink": 0.5, "pad": 0.02}
    figure.colorbar(grid[0][-1].images[0], ax=list(grid[-1]), **bar).outline.set_linewidth(0.5)
    return figure


def _numbers(
    record: RunRecord, place: Place, maps: LevelMaps, annotated: NDArray[np.bool_]
) -> list[dict[str, object]]:
    """A row for each level and for the result, compared at the window's resolution."""
    rows = []
    shown = zip(
        [*range(len(maps.levels)), "result"], (*maps.reductions, 1), (*maps.levels, maps.result), strict=True
    )
    for level, reduction, values in shown:
        full = values.repeat(reduction, axis=0).repeat(reduction, axis=1)
        full = full[: annotated.shape[0], : annotated.shape[1]]
        found = full >= HALF
        either = (found | annotated).sum()
        rows.append(
            {
                **{"sample": place.sample, "y": place.y, "x": place.x, "run": record.run},
                **{"level": str(level), "reduction": reduction},
                "inside": float(full[annotated].mean()) if annotated.any() else float("nan"),
                "outside": float(full[~annotated].mean()) if not annotated.all() else float("nan"),
                "iou": float((found & annotated).sum() / either) if either else float("nan"),
            }
        )
    return rows


def _caption(
    inputs: FigureInputs,
    records: Sequence[RunRecord],
    maps: dict[str, LevelMaps],
    place: Place,
    positive: str,
) -> str:
    merging = [record.label for record in records if maps[record.run].merges]
    only = (
        f"In {' and '.join(merging)} the scores of the blocks are summed before the softmax; that of each "
        "block is for the picture only. "
    )
    return (
        f"Probability of {positive} by each decoder block, coarse (ψ0) to fine, each at its own resolution, "
        f"and by the network as a whole, for a window of slide {place.sample} (row {place.y}, column "
        f"{place.x}; outline: annotated {positive}). {only if merging else ''}"
        f"{data_sentence(inputs.data_kind)}"
    )
