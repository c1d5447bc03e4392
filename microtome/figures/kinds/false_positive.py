# SPDX-License-Identifier: MIT
"""Part of a section without the called class in which a run sees some: its largest region, near by."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy import ndimage

from microtome.config.colors import FALSE_POSITIVE
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import panels
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts.called_sections import Called, choose_run, look_at, sections_of
from microtome.figures.parts.colors import HEAT, INK
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.slide_views import Layer, View
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io.section_boxes import Box

NEEDS = frozenset({"runs", "slides", "calls", "heat_maps"})
SAMPLE_OPTIONS = ("sample",)
SIDE = 500.0
EIGHT = np.ones((3, 3), bool)
WIDTH = 1.2
AROUND = 0.7
"""Height of titles, and of the legend and the colour bar, inches."""


@styled
def draw(
    inputs: FigureInputs, *, run: str = "", sample: str = "", part: str = "test", side: float = SIDE
) -> FigureResult:
    """Draw the place of a section without the class where a run sees the largest region of it.

    Args:
        inputs: Run records with their sections and heat-maps, slides.
        run: The run; the first that calls sections by default.
        sample: The slide; by default the one with the largest region in a section that was called wrongly,
            or, where none was, in any section without the class.
        part: Part of the split.
        side: Of the part that is shown, µm.

    Returns:
        The figure: the section with a frame, the part in it, its probabilities with the outline of what
        exceeds the threshold. Its data, one row: sample, section, group, label, call, area (µm²), greatest,
        threshold, least_area, y, x, height, width (of the part, slide pixels).

    Raises:
        ValueError: Every labelled section of the part, or of the slide, has the class.
    """
    record = choose_run(inputs, run)
    positive = str(inputs.calls[record.run]["class"])
    row = _choose(sections_of(record, part), positive, sample)
    one = look_at(inputs, record, row)
    near = _around_largest(one, float(str(row["threshold"])), side)
    widths, height = slides.panel_widths([one.view, near, near], DOUBLE_COLUMN)
    figure = new_figure(DOUBLE_COLUMN, height + AROUND, data_kind=inputs.data_kind)
    axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    _draw_section(axes[0], one, near)
    picture = slides.read_picture(near)
    slides.show(axes[1], near, picture)
    panels.scale_bar(axes[1], near.box.width, near.mpp[1] if near.mpp else None)
    heat = one.probability(near)
    drawn = slides.show(axes[2], near, heat, cmap=HEAT, vmin=0, vmax=1)
    for panel in axes[1:]:
        slides.outline(
            panel, heat, level=float(str(row["threshold"])), colors=[FALSE_POSITIVE], linewidths=WIDTH
        )
    panels.probability_bar(axes[2].inset_axes(panels.COLOUR_BAR), drawn)
    outline = Line2D([], [], color=FALSE_POSITIVE, linewidth=WIDTH, label=f"called {positive}")
    axes[1].legend(handles=[outline], loc="upper center", bbox_to_anchor=(0.5, 0.0), borderaxespad=0.3)
    titles = (f"section {near.box.section} of {row['sample']}", "part of it", f"probability of {positive}")
    for name, panel, title in zip("abc", axes, titles, strict=True):
        letter(panel, name, title)
    box = {"y": near.box.y, "x": near.box.x, "height": near.box.height, "width": near.box.width}
    data = pd.DataFrame([{**row, **box}]).drop(columns=["unit", "status"])
    return FigureResult(figure, data, _caption(inputs, record.label, one, positive))


def _choose(frame: pd.DataFrame, positive: str, sample: str) -> dict[str, object]:
    """The section without the class that has the largest region, those that were called wrongly first.

    Raises:
        ValueError: There is none.
    """
    found = frame[(frame["label"] != positive) & (frame["sample"].isin([sample]) if sample else True)]
    if found.empty:
        where = f"slide {sample!r}" if sample else "the part"
        msg = f"no section of {where} is labelled otherwise than {positive!r}; name another slide or part"
        raise ValueError(msg)
    order = found.assign(wrong=found["call"] == positive)
    by, ascending = ["wrong", "area", "greatest", "sample", "section"], [False, False, False, True, True]
    return order.sort_values(by, ascending=ascending).drop(columns="wrong").iloc[0].to_dict()


def _around_largest(one: Called, threshold: float, side: float) -> View:
    """A square of the section around its largest region, else around its most probable pixel."""
    heat = one.probability(most=True)
    labels, count = ndimage.label(heat.values >= threshold, EIGHT)
    if count:
        largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
        row, column = ndimage.center_of_mass(labels == largest)
    else:
        row, column = np.unravel_index(int(heat.values.argmax()), heat.values.shape)
    box, mpp = one.view.box, one.view.mpp or (1.0, 1.0)
    middle, room = _place(heat, float(row), float(column)), (box.height, box.width)
    height, width = (min(round(side / each), most) for each, most in zip(mpp, room, strict=True))
    y = box.y + min(max(round(middle[0] - height / 2), 0), box.height - height)
    x = box.x + min(max(round(middle[1] - width / 2), 0), box.width - width)
    return one.view.of(Box(y=y, x=x, height=height, width=width, section=box.section))


def _place(layer: Layer, row: float, column: float) -> tuple[float, float]:
    """Where a pixel of a layer has its middle, slide pixels from the corner of its view."""
    return layer.start[0] + (row + 0.5) * layer.step[0], layer.start[1] + (column + 0.5) * layer.step[1]


def _draw_section(axes: Axes, one: Called, near: View) -> None:
    slides.show(axes, one.view, slides.read_picture(one.view))
    box, part = one.view.box, near.box
    panels.draw_frame(
        axes, part.x - box.x, part.y - box.y, part.width, part.height, edgecolor=INK, linewidth=WIDTH
    )
    panels.scale_bar(axes, box.width, one.view.mpp[1] if one.view.mpp else None)


def _caption(inputs: FigureInputs, label: str, one: Called, positive: str) -> str:
    row = one.row
    threshold, area, least = (float(str(row[name])) for name in ("threshold", "area", "least_area"))
    is_wrong = row["call"] == positive
    told = (
        f"A section labelled {row['label']} that {label} calls {positive}"
        if is_wrong
        else f"No section is called {positive} wrongly by {label}; of those labelled otherwise, the one with "
        f"the largest region"
    )
    return (
        f"{told}: (a) the section, framed the part of (b) and (c). Outlined is p ≥ {threshold:.2f}; the "
        f"largest region has {area:,.0f} µm², and a section is called from {least:,.0f} µm² on. "
        f"{data_sentence(inputs.data_kind)}"
    )
