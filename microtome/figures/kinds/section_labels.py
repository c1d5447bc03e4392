# SPDX-License-Identifier: MIT
"""Slides with the boxes of their sections, which stand for the labels by colour and line style."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import panels
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts.boxes import LABEL_SIZE, draw_box, label_styles
from microtome.figures.parts.samples import data_sentence, spread
from microtome.figures.parts.slide_views import View
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io.section_boxes import Box, read_table

NEEDS = frozenset({"every_slide", "labels", "groups"})
SAMPLE_OPTIONS = ("samples",)
COUNT = 2
TITLE, LEGEND = 0.2, 0.28
"""Height of titles and of the legend, inches."""


@styled
def draw(
    inputs: FigureInputs, *, samples: Sequence[str] = (), part: str = "test", count: int = COUNT
) -> FigureResult:
    """Draw whole slides with the box of each section, its number and its label.

    Args:
        inputs: Slides and their sections.
        samples: Slides; by default those of the part with the most different labels, of different groups
            first.
        part: Part of the split, where no slide is named.
        count: Largest number of slides, where none is named.

    Returns:
        The figure. Its data, by section: sample, group, section, label, y, x, height, width (slide pixels),
        area_mm2 (of the box).

    Raises:
        ValueError: No slide of the part has sections, or one that is named has none.
    """
    boxes = _read_boxes(inputs)
    chosen = _choose(inputs, boxes, samples, part, count)
    shown = [slides.open_view(inputs.files["images"], sample) for sample in chosen]
    widths, height = slides.panel_widths(shown, DOUBLE_COLUMN)
    figure = new_figure(DOUBLE_COLUMN, height + TITLE + LEGEND, data_kind=inputs.data_kind)
    row = figure.subplots(1, len(shown), squeeze=False, width_ratios=widths)[0]
    styles = label_styles(inputs.classes, inputs.positive_class)
    for place, (axes, view) in enumerate(zip(row, shown, strict=True)):
        _draw_slide(axes, view, boxes[view.sample], styles)
        letter(axes, chr(ord("a") + place), view.sample)
    used = [name for name in styles if any(box.label == name for one in chosen for box in boxes[one])]
    handles = [Line2D([], [], label=name or "not labelled", **styles[name]) for name in used]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=2.6)
    data = pd.DataFrame([_numbers(inputs, view, box) for view in shown for box in boxes[view.sample]])
    return FigureResult(figure, data, _caption(inputs, data))


def _read_boxes(inputs: FigureInputs) -> dict[str, list[Box]]:
    """The sections of each slide."""
    return {path.stem: read_table(path) for path in inputs.found("sections", "*.tsv")}


def _choose(
    inputs: FigureInputs, boxes: Mapping[str, list[Box]], samples: Sequence[str], part: str, count: int
) -> list[str]:
    """Names of slides with sections.

    Raises:
        ValueError: There is none, or not those that are named.
    """
    parts = inputs.parts()
    able = [name for name, found in boxes.items() if found and parts.get(name) == part]
    missing = sorted(name for name in samples if not boxes.get(name))
    if missing or not (samples or able):
        found = f"slides {missing} have" if missing else f"no slide of part {part!r} has"
        msg = f"{found} sections; slides with some: {sorted(name for name in boxes if boxes[name])}"
        raise ValueError(msg)
    labels = {name: len({box.label for box in boxes[name] if box.label}) for name in able}
    ordered = sorted(spread(inputs, able), key=lambda name: -labels[name])
    return list(samples) or ordered[:count]


def _draw_slide(
    axes: Axes, view: View, boxes: Sequence[Box], styles: Mapping[str, Mapping[str, object]]
) -> None:
    slides.show(axes, view, slides.read_picture(view))
    for box in boxes:
        draw_box(axes, box, styles.get(box.label, styles[""]), text=str(box.section), size=LABEL_SIZE)
    panels.scale_bar(axes, view.box.width, view.mpp[1] if view.mpp else None)


def _numbers(inputs: FigureInputs, view: View, box: Box) -> dict[str, object]:
    return {
        **{"sample": view.sample, "group": inputs.groups.get(view.sample, "")},
        **{"section": box.section, "label": box.label},
        **{"y": box.y, "x": box.x, "height": box.height, "width": box.width},
        "area_mm2": box.height * box.width * view.pixel_area / 1e6,
    }


def _caption(inputs: FigureInputs, data: pd.DataFrame) -> str:
    counts = data["label"].replace("", "not labelled").value_counts(sort=False)
    named = ", ".join(f"{number} {name}" for name, number in counts.items())
    return (
        f"Slides with the boxes of their sections, numbered in reading order, by label: {named}. "
        f"{data_sentence(inputs.data_kind)}"
    )
