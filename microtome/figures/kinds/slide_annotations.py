# SPDX-License-Identifier: MIT
"""Annotated sections of slides: what was outlined in them, by colour and line style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import panels
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts.colors import INK, OF_INTEREST, OF_REST, ORANGE, PURPLE, SKY
from microtome.figures.parts.samples import data_sentence, spread
from microtome.figures.parts.slide_views import Layer, View
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import views
from microtome.io.section_boxes import read_table

NEEDS = frozenset({"every_slide", "labels", "annotations", "groups"})
SAMPLE_OPTIONS = ("samples",)
COLORS = (OF_INTEREST, INK, OF_REST, PURPLE, ORANGE, SKY)
DASHES = ("-", "--", ":", "-.")
WIDTH = 1.1
SMOOTH = 0.6
"""Pixels by which steps of a mask are rounded."""
TINT = 0.12
"""How much of its colour lies over a region."""
COARSE = 256
"""Pixels of a section's longer side when sections are compared."""
TITLE, LEGEND = 0.2, 0.28
"""Height of titles and of the legend, inches."""
MM2 = 1e-6


@dataclass(frozen=True, eq=False)
class Annotated:
    """A section, and by region the share of each pixel that it covers."""

    view: View
    regions: Mapping[str, Layer]

    def area(self, name: str) -> float:
        """Of a region in the section, mm²."""
        layer = self.regions[name]
        return float(layer.values.sum()) * layer.step[0] * layer.step[1] * self.view.pixel_area * MM2

    @property
    def riches(self) -> tuple[int, float]:
        """How many regions there are, and the area of all."""
        areas = [self.area(name) for name in self.regions]
        return sum(area > 0 for area in areas), sum(areas)


@styled
def draw(
    inputs: FigureInputs, *, samples: Sequence[str] = (), part: str = "train", count: int = 3
) -> FigureResult:
    """Draw sections of annotated slides with the outlines of what was annotated.

    Args:
        inputs: Slides with sections and annotations.
        samples: Slides; by default annotated ones of the part, of different groups first. Of each slide the
            section is shown that has the most kinds of annotations, and the largest area of them.
        part: Part of the split, where no slide is named.
        count: Largest number of slides, where none is named.

    Returns:
        The figure. Its data, by section and region: sample, group, section, region, area_mm2, share (of the
        box of the section).

    Raises:
        ValueError: No slide of the part is annotated, or one that is named is not.
    """
    shown = [_richest(inputs, sample) for sample in _choose(inputs, samples, part, count)]
    widths, height = slides.panel_widths([one.view for one in shown], DOUBLE_COLUMN)
    figure = new_figure(DOUBLE_COLUMN, height + TITLE + LEGEND, data_kind=inputs.data_kind)
    row = figure.subplots(1, len(shown), squeeze=False, width_ratios=widths)[0]
    for place, (axes, one) in enumerate(zip(row, shown, strict=True)):
        _draw_section(axes, one)
        letter(axes, chr(ord("a") + place), inputs.groups.get(one.view.sample) or one.view.sample)
    handles = [Line2D([], [], label=name, **style) for name, style in _styles(shown[0].regions).items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=2.4)
    data = pd.DataFrame([_numbers(inputs, one, name) for one in shown for name in one.regions])
    return FigureResult(figure, data, _caption(inputs, shown))


def _choose(inputs: FigureInputs, samples: Sequence[str], part: str, count: int) -> list[str]:
    """Names of annotated slides.

    Raises:
        ValueError: There is none, or not those that are named.
    """
    annotated, parts = views.samples(*inputs.files.get("labels", ())), inputs.parts()
    able = [name for name in annotated if parts.get(name) == part]
    missing = sorted(set(samples) - set(annotated))
    if missing or not (samples or able):
        found = f"slides {missing} have" if missing else f"no slide of part {part!r} has"
        msg = f"{found} annotations; slides with some: {sorted(annotated)}; name one, or its part"
        raise ValueError(msg)
    return list(samples) or spread(inputs, able)[:count]


def _richest(inputs: FigureInputs, sample: str) -> Annotated:
    """The section of a slide that has the most annotations; the whole slide where it has no sections."""
    whole = slides.open_view(inputs.files["images"], sample)
    path = _find(inputs.files.get("sections", ()), f"{sample}.tsv")
    found = [whole.of(box) for box in read_table(path)] if path else []
    coarse = {number: _look(inputs, view, COARSE).riches for number, view in enumerate(found)}
    best = found[max(coarse, key=lambda number: coarse[number])] if coarse else whole
    return _look(inputs, best, slides.PIXELS)


def _find(folders: Sequence[Path], name: str) -> Path | None:
    return next((path for folder in folders if (path := Path(folder) / name).is_file()), None)


def _look(inputs: FigureInputs, view: View, pixels: int) -> Annotated:
    """Read what was annotated in a view: its regions; where the study names none, its classes."""
    target = views.find_sample(inputs.files["labels"], view.sample)
    regions = target.parent / views.REGIONS / target.name
    if inputs.regions and regions.is_file():
        read = {
            ", ".join(names): slides.read_layer(regions, view, _has_bit(bit), pixels)
            for bit, names in enumerate(inputs.regions.values())
        }
    else:
        read = {
            name: slides.read_layer(target, view, _has_value(value), pixels)
            for value, name in enumerate(inputs.classes)
            if name == inputs.positive_class or len(inputs.classes) > len("ab")
        }
    return Annotated(view, read)


def _has_bit(bit: int) -> slides.Value:
    return lambda block: ((block[0] >> bit) & 1).astype(np.float32)


def _has_value(value: int) -> slides.Value:
    return lambda block: (block[0] == value).astype(np.float32)


def _styles(names: Sequence[str]) -> dict[str, dict[str, object]]:
    """How the outline of each region is drawn."""
    return {
        name: {"color": COLORS[at % len(COLORS)], "linestyle": DASHES[at % len(DASHES)], "linewidth": WIDTH}
        for at, name in enumerate(names)
    }


def _draw_section(axes: Axes, one: Annotated) -> None:
    picture = slides.read_picture(one.view)
    slides.show(axes, one.view, picture)
    for name, style in reversed(_styles(one.regions).items()):  # the first over the others
        layer = one.regions[name]
        slides.show(axes, one.view, Layer(_tinted(layer.values, style["color"]), layer.start, layer.step))
        lines = {"colors": [style["color"]], "linestyles": style["linestyle"], "linewidths": WIDTH}
        slides.outline(axes, layer, smooth=SMOOTH, **lines)
    panels.scale_bar(axes, one.view.box.width, one.view.mpp[1] if one.view.mpp else None)


def _tinted(share: NDArray, color: object) -> NDArray:
    """A colour (h, w, 4) that lets the picture through."""
    return np.concatenate([np.broadcast_to(to_rgb(color), (*share.shape, 3)), TINT * share[..., None]], -1)


def _numbers(inputs: FigureInputs, one: Annotated, name: str) -> dict[str, object]:
    box, area = one.view.box, one.area(name)
    return {
        **{"sample": one.view.sample, "group": inputs.groups.get(one.view.sample, "")},
        **{"section": box.section, "region": name, "area_mm2": area},
        "share": area / (box.height * box.width * one.view.pixel_area * MM2),
    }


def _caption(inputs: FigureInputs, shown: Sequence[Annotated]) -> str:
    named = ", ".join(
        one.view.sample + (f" (section {one.view.box.section})" if one.view.box.section else "")
        for one in shown
    )
    return (
        f"Annotations of slides: outlines of {', '.join(shown[0].regions)}. Of each slide the section with "
        f"the most annotations is shown: {named}. {data_sentence(inputs.data_kind)}"
    )
