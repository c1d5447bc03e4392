# SPDX-License-Identifier: MIT
"""Every slide with the outline of its tissue and the boxes of its sections."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts.boxes import Style, draw_box, label_styles
from microtome.figures.parts.colors import GREY, INK
from microtome.figures.parts.panels import frame_panel
from microtome.figures.parts.pictures import shorten
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.slide_views import View
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import views
from microtome.io.failures import read_failures
from microtome.io.section_boxes import Box, read_table
from microtome.provenance import tsv
from microtome.provenance.section_calls import DONE, FAILED, find

NEEDS = frozenset({"every_slide", "labels"})
SHOWN = 40
COLUMNS = 5
PIXELS = 400
"""Of the longer side of a slide."""
LETTERS = 24
LEGEND, TITLE = 0.28, 0.17
"""Height of the legend and of the names above each row, inches."""
TALLEST = 2.0
"""Height of a panel in parts of its width, at most."""
TISSUE: dict[str, Any] = {"color": INK, "linewidth": 0.6}
CONTOUR: dict[str, Any] = {"colors": [INK], "linewidths": 0.6}
MEASURED = ("tissue", "left_out", "tissue_mm2")
UNLABELLED = "unlabelled"
PARTS = ("train", "val", "test", "")


@styled
def draw(inputs: FigureInputs, *, count: int = SHOWN, columns: int = COLUMNS) -> FigureResult:
    """Draw slides, small, with the outline of their tissue and the boxes of their sections by label.

    Args:
        inputs: Slides, tissue and sections.
        count: Largest number of slides that are drawn, evenly from all; the data have every slide.
        columns: Slides in a row.

    Returns:
        The figure. Its data, by slide: part, sample, tissue (share of the slide), left_out (share that is pen
        or border), tissue_mm2, sections, then the number of sections by label (`unlabelled`: without one),
        status (`done` or `failed`).

    Raises:
        ValueError: There is no slide.
    """
    data = _table(inputs)
    drawn = data.iloc[np.linspace(0, len(data) - 1, min(count, len(data))).round().astype(int)]
    shown = [slides.open_view(inputs.files["images"], sample) for sample in drawn["sample"]]
    rows, across = -(-len(shown) // columns), min(columns, len(shown))
    tallest = min(max(1 / view.aspect for view in shown), TALLEST)
    height = rows * (DOUBLE_COLUMN / across * tallest + TITLE) + LEGEND
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=inputs.data_kind)
    grid = figure.subplots(rows, across, squeeze=False).ravel()
    styles = label_styles(inputs.classes, inputs.positive_class)
    for axes, view, row in zip(grid, shown, drawn.itertuples(), strict=False):
        _draw_slide(axes, inputs, view, styles, is_done=row.status == DONE)
        told = f"{row.sample}, {row.part}" if row.part else row.sample
        axes.set_title(shorten(told, LETTERS), fontsize=SMALL)
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    handles = [Line2D([], [], label="tissue", **TISSUE)]
    used = [name for name in styles if data[name or UNLABELLED].any()]
    handles += [Line2D([], [], label=f"section, {name or 'not labelled'}", **styles[name]) for name in used]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=2.4)
    return FigureResult(figure, data, _caption(inputs, data, len(shown)))


def _table(inputs: FigureInputs) -> pd.DataFrame:
    """A row a slide, parts in order.

    Raises:
        ValueError: There is no slide.
    """
    shares = [tsv.read(path) for path in inputs.found("tissue", "shares.tsv")]
    measured = {row["sample"]: row for frame in shares for row in frame.to_dict("records")}
    failed = read_failures(*inputs.files.get("tissue", ()), *inputs.files.get("sections", ()))
    boxes = {path.stem: read_table(path) for path in inputs.found("sections", "*.tsv")}
    parts, names = inputs.parts(), (*inputs.classes, UNLABELLED)
    found = [
        {"part": parts.get(sample, ""), "sample": sample}
        | {name: measured.get(sample, {}).get(name, float("nan")) for name in MEASURED}
        | _counts(boxes.get(sample, ()), names)
        | {"status": FAILED if sample in failed else DONE}
        for sample in views.samples(*inputs.files.get("images", ()))
    ]
    if not found:
        msg = "there is no slide; run the rules of slides first"
        raise ValueError(msg)
    order = {part: place for place, part in enumerate(PARTS)}
    data = pd.DataFrame(found)
    return data.sort_values(
        ["part", "sample"], key=lambda c: c.map(order) if c.name == "part" else c
    ).reset_index(drop=True)


def _counts(boxes: Sequence[Box], names: Sequence[str]) -> dict[str, int]:
    """How many sections there are, and of each label."""
    labels = [box.label or UNLABELLED for box in boxes]
    return {"sections": len(labels)} | {name: labels.count(name) for name in names}


def _draw_slide(
    axes: Axes, inputs: FigureInputs, view: View, styles: Mapping[str, Style], *, is_done: bool
) -> None:
    """Draw a slide; of one that cannot be read a frame and a word."""
    if not is_done:
        frame_panel(axes)
        axes.text(0.5, 0.5, "not read", ha="center", va="center", color=GREY, transform=axes.transAxes)
        return
    slides.show(axes, view, slides.read_picture(view, PIXELS))
    mask = views.find_sample(inputs.files["tissue"], view.sample)
    slides.outline(axes, slides.read_layer(mask, view, _is_tissue, PIXELS), casing=0, **CONTOUR)
    for box in read_table(find(inputs.files["sections"], f"{view.sample}.tsv")):
        text = str(box.section)
        draw_box(axes, box, styles.get(box.label, styles[""]), text=text, size=SMALL)


def _is_tissue(block: NDArray) -> NDArray:
    return (block[0] > 0).astype(np.float32)


def _caption(inputs: FigureInputs, data: pd.DataFrame, shown: int) -> str:
    failed = int((data["status"] == FAILED).sum())
    part = f"{shown} of {len(data)} slides" if shown < len(data) else f"{len(data)} slides"
    lost = f" {failed} could not be read." if failed else ""
    return (
        f"Tissue and sections of {part}: {int(data['sections'].sum())} sections on "
        f"{data['tissue_mm2'].sum():,.1f} mm² of tissue.{lost} Boxes are numbered in reading order. "
        f"{data_sentence(inputs.data_kind)}"
    )
