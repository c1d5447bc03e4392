# SPDX-License-Identifier: MIT
"""The way of a slide: tissue, sections, windows over the tissue of one, probability, the call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts import way as ways
from microtome.figures.parts import window_frames
from microtome.figures.parts.boxes import draw_box, label_styles
from microtome.figures.parts.called_sections import Called
from microtome.figures.parts.colors import BLUE, VERMILLION
from microtome.figures.parts.objects import fade
from microtome.figures.parts.steps import Step
from microtome.figures.parts.way import PIXELS, Way
from microtome.io import views
from microtome.io.section_boxes import Box, read_table
from microtome.provenance.runs import RunRecord
from microtome.provenance.section_calls import DONE, SECTIONS_NAME, find, read_sections

TISSUE: dict[str, Any] = {"colors": [BLUE], "linewidths": 0.7, "casing": 0.5}
REGION: dict[str, Any] = {"colors": [VERMILLION], "linewidths": 0.7, "casing": 0.35}
TEST = "test"


@dataclass(frozen=True, eq=False)
class Place:
    """A section of a slide, and what a run called it.

    Attributes:
        sample: The slide.
        section: Number of the section; 0: the largest.
        row: Its row of `sections.tsv`; None of runs that call none.
    """

    sample: str
    section: int = 0
    row: Mapping[str, object] | None = None


def choose_place(inputs: FigureInputs, record: RunRecord | None, sample: str) -> Place:
    """The section to show: of a slide, or of all, the one with the largest region among those called right.

    Sections of the class that is called come first, and those of the test part.

    Raises:
        ValueError: There is no section.
    """
    known = sorted(path.stem for path in inputs.found("sections", "*.tsv"))
    if record is None or record.run not in inputs.calls:
        found = [name for name in known if sample in ("", name)]
        if not found:
            msg = f"no sections of slide {sample!r}; slides with some: {known}"
            raise ValueError(msg)
        return Place(found[0])
    frame = read_sections(record.folder / SECTIONS_NAME)
    frame = frame[(frame["status"] == DONE) & (frame["sample"].isin([sample]) | (sample == ""))]
    if frame.empty:
        msg = (
            f"run {record.run!r} has called no labelled section of slide {sample!r}; slides at hand: {known}"
        )
        raise ValueError(msg)
    row = _best(frame, str(inputs.calls[record.run]["class"]))
    return Place(str(row["sample"]), int(float(str(row["section"]))), row)


def _best(frame: pd.DataFrame, positive: str) -> Mapping[str, object]:
    is_it = (frame["label"] == positive).astype(int)
    right = ((frame["label"] == positive) == (frame["call"] == positive)).astype(int)
    order = frame.assign(is_it=is_it, right=right, tested=(frame["part"] == TEST).astype(int))
    by = ["tested", "is_it", "right", "area", "sample", "section"]
    ranked = order.sort_values(by, ascending=[False, False, False, False, True, True])
    return ranked.iloc[0].to_dict()


def slide_steps(way: Way, place: Place) -> list[Step]:
    """The steps of a slide."""
    boxes = read_table(find(way.inputs.files["sections"], f"{way.sample}.tsv"))
    chosen = _box(boxes, place)
    section = way.whole.of(chosen)
    tissue = views.find_sample(way.inputs.files["tissue"], way.sample)
    seen = ways.read_image(way.whole.path)
    steps = [_slide(way, boxes, chosen), _tissue(way, tissue)]
    if way.record is None:
        return steps
    predict = way.settings.get("predict")
    windows = window_frames.over_section(section, boxes, predict, tissue) if predict else None
    steps += ways.window_steps(way, section, seen, windows)
    steps += ways.output_steps(way, section, whole=False)
    return [*steps, *_call(way, section, place)]


def _box(boxes: Sequence[Box], place: Place) -> Box:
    """The section of a place.

    Raises:
        ValueError: The slide has no such section.
    """
    found = [box for box in boxes if place.section in (0, box.section)]
    if not found:
        msg = f"slide {place.sample!r} has no section {place.section}; evaluate the run again"
        raise ValueError(msg)
    return max(found, key=lambda box: box.height * box.width)


def _slide(way: Way, boxes: Sequence[Box], chosen: Box) -> Step:
    styles = label_styles(way.inputs.classes, way.class_name)

    def over(axes: Axes) -> None:
        for box in boxes:
            draw_box(axes, box, styles.get(box.label, styles[""]), text=str(box.section))

    count = f"{len(boxes)} section{'s' * (len(boxes) != 1)}; number {chosen.section} is followed"
    told = f"{ways.tell_size(way.whole)}, {count}"
    return ways.picture("slide", way.whole, ways.read_image(way.whole.path), told, over)


def _tissue(way: Way, path: Path) -> Step:
    """The outline of tissue over a pale slide."""

    def show(axes: Axes) -> None:
        layer = slides.read_picture(way.whole, PIXELS)
        pale = slides.Layer(fade(layer.values), layer.start, layer.step)
        slides.show(axes, way.whole, pale, cmap="gray", vmin=0, vmax=1)
        mask = slides.read_layer(path, way.whole, lambda block: (block[0] > 0).astype(float), PIXELS)
        slides.outline(axes, mask, smooth=1.0, **TISSUE)

    mask = slides.read_layer(path, way.whole, lambda block: (block[0] > 0).astype(float), PIXELS)
    return Step(
        "tissue", show, 1 / way.whole.aspect, f"outlined, {100 * mask.values.mean():.0f} % of the slide"
    )


def _call(way: Way, section: slides.View, place: Place) -> list[Step]:
    """The regions above the threshold, and what the section was called."""
    if place.row is None or way.maps is None:
        return []
    called = Called(section, place.row, way.maps, way.class_name)
    threshold, least = (float(str(place.row[name])) for name in ("threshold", "least_area"))

    def show(axes: Axes) -> None:
        slides.show(axes, section, slides.read_picture(section, PIXELS))
        heat = called.probability(pixels=PIXELS, most=True)
        slides.outline(axes, heat, level=threshold, **REGION)
        ways.with_bar(section)(axes)

    told = f"{called.said} (outlined: p ≥ {threshold:.2f}; called from {least:,.0f} µm² on); "
    told += f"labelled {place.row['label'] or 'nothing'}"
    return [Step("call", show, 1 / section.aspect, told)]
