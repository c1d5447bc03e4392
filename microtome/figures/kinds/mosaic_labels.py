# SPDX-License-Identifier: MIT
"""An image and its labels, in the colours of a publication and in those of the study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.patches import Patch

from microtome.figures.inputs import FigureInputs, needed
from microtome.figures.parts import panels
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts.classes import LETTER, ROW, SWATCH, patch
from microtome.figures.parts.colors import UNLABELLED
from microtome.figures.parts.pictures import LABEL_ROOM, TITLE_HEIGHT, write_row_label
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import images

NEEDS = frozenset({"images"})
USES = frozenset({"groups"})
SAMPLE_OPTIONS = ("samples",)
SHOWN = ("image", "target")
GREY = "#808080"
NAMES = {"image": "image", "given": "labels, published colours", "own": "labels, colours of this study"}
MM2 = 1e-6


@dataclass(frozen=True, eq=False)
class Labelled:
    """An image at the figure's resolution, and how much of it has which label."""

    name: str
    view: slides.View
    picture: slides.Layer
    labels: slides.Layer
    pixels: tuple[int, ...]


@styled
def draw(
    inputs: FigureInputs,
    *,
    samples: Sequence[str] = (),
    groups: Sequence[str] = (),
    count: int = 1,
    colors: Mapping[str, str] = {},
    unlabelled: str = GREY,
) -> FigureResult:
    """Draw images beside their labels.

    Args:
        inputs: Images and their labels.
        samples: Images, a row each; by default `count`, those that show most classes first.
        groups: Groups that images are chosen from, where none is named; all by default.
        count: Largest number of images, where none is named.
        colors: Colour (``#rrggbb``) by class of a first panel of labels; the others are those of the study,
            which the second panel has. Empty: there is but one.
        unlabelled: Colour in the first panel of what is not labelled.

    Returns:
        The figure. Its data, by image and class, and ``unlabelled``: sample, group, class, pixels, share (of
        the image), mm2 (NaN where the pixel size is not known), given and own colour.

    Raises:
        ValueError: A sample lacks its image or labels, or `colors` names no class.
    """
    palettes = _palettes(inputs, colors, unlabelled)
    names = [inputs.sample(name)[0] for name in samples] or _choose(inputs, groups, count)
    rows = [_read(inputs, name) for name in names]
    figure = _draw(inputs, rows, palettes)
    data = pd.DataFrame([line for row in rows for line in _numbers(inputs, row, palettes)])
    return FigureResult(figure, data, _caption(inputs, rows, palettes))


def _palettes(inputs: FigureInputs, colors: Mapping[str, str], unlabelled: str) -> dict[str, dict[str, str]]:
    """Colours by class, and of what is not labelled, of each panel of labels.

    Raises:
        ValueError: One is of no class.
    """
    for name in colors:
        inputs.class_id(name)
    own = {**inputs.palette, "unlabelled": UNLABELLED}
    given = {"given": {**inputs.palette, **colors, "unlabelled": unlabelled}} if colors else {}
    return {**given, "own": own}


def _choose(inputs: FigureInputs, groups: Sequence[str], count: int) -> list[str]:
    """The images that show most classes, then those of which more is labelled.

    Raises:
        ValueError: None has labels, or none of the groups.
    """
    able = inputs.candidates(needs=SHOWN)
    able = [name for name in able if not groups or inputs.groups.get(name) in groups]
    if not able:
        of = f" of the groups {list(groups)}" if groups else ""
        msg = f"no image{of} has labels; the samples at hand: {sorted(inputs.sources)}; label one"
        raise ValueError(msg)
    pixels = {name: _counts(inputs, name) for name in able}
    return sorted(able, key=lambda name: (-sum(n > 0 for n in pixels[name][:-1]), pixels[name][-1]))[:count]


def _counts(inputs: FigureInputs, name: str) -> tuple[int, ...]:
    """Pixels of each class, and of none, of an image."""
    target = images.read(needed(inputs.sources[name], "target", name))
    found = np.bincount(target.ravel(), minlength=len(inputs.classes))[: len(inputs.classes)]
    return (*found.tolist(), int(target.size - found.sum()))


def _read(inputs: FigureInputs, name: str) -> Labelled:
    sources = inputs.sources[name]
    view = slides.open_view([needed(sources, "image", name).parent], name)
    labels = slides.read_classes(needed(sources, "target", name), view)
    return Labelled(name, view, slides.read_picture(view), labels, _counts(inputs, name))


def _draw(
    inputs: FigureInputs, rows: Sequence[Labelled], palettes: Mapping[str, Mapping[str, str]]
) -> Figure:
    kinds = ("image", *palettes)
    panel = (DOUBLE_COLUMN - LABEL_ROOM) / len(kinds)
    handles = _handles(rows, palettes)
    columns = _columns(list(handles), len(palettes))
    height = sum(panel / row.view.aspect for row in rows) + TITLE_HEIGHT
    height += ROW * -(-len(handles) // columns)
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=inputs.data_kind)
    ratios = [1 / row.view.aspect for row in rows]
    grid = figure.subplots(len(rows), len(kinds), squeeze=False, height_ratios=ratios)
    for axes, row in zip(grid, rows, strict=True):
        _draw_row(axes, inputs, row, palettes)
    for place, (axes, kind) in enumerate(zip(grid[0], kinds, strict=True)):
        title = NAMES[kind] if len(palettes) > 1 else NAMES[kind].partition(",")[0]
        letter(axes, chr(ord("a") + place), title)
    style = {"columnspacing": 1.4, "handlelength": 2.0, "handleheight": 1.0}
    several = {tuple: HandlerTuple(ndivide=None, pad=0.2)}
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=columns,
        handler_map=several,
        **style,
    )
    return figure


def _columns(names: Sequence[str], swatches: int) -> int:
    """Columns of the legend: of all entries if these fit into a row, else as many as the widest leaves."""
    widths = [len(name) * LETTER + SWATCH * (1 + swatches) / 2 for name in names]
    return len(names) if sum(widths) <= DOUBLE_COLUMN else max(int(DOUBLE_COLUMN / max(widths)), 1)


def _handles(
    rows: Sequence[Labelled], palettes: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[Patch, ...]]:
    """A swatch of each palette by class; also for what is not labelled, if there is such."""
    names = list(palettes["own"])
    if not any(row.pixels[-1] for row in rows):
        names.remove("unlabelled")
    return {name: tuple(patch(one[name], name) for one in palettes.values()) for name in names}


def _draw_row(
    row_axes: Sequence[Axes], inputs: FigureInputs, row: Labelled, palettes: Mapping[str, Mapping[str, str]]
) -> None:
    view, count = row.view, len(inputs.classes)
    slides.show(row_axes[0], view, row.picture)
    write_row_label(row_axes[0], inputs, row.name)
    panels.scale_bar(row_axes[0], view.box.width, view.mpp[1] if view.mpp else None)
    ids = np.where(row.labels.values < count, row.labels.values, count)
    for axes, palette in zip(row_axes[1:], palettes.values(), strict=True):
        painted = panels.paint(ids, tuple(palette.values()))
        slides.show(
            axes, view, slides.Layer(painted, row.labels.start, row.labels.step), interpolation="nearest"
        )


def _numbers(
    inputs: FigureInputs, row: Labelled, palettes: Mapping[str, Mapping[str, str]]
) -> list[dict[str, object]]:
    area = row.view.pixel_area * MM2 if row.view.mpp else float("nan")
    given, own, whole = palettes.get("given", {}), palettes["own"], sum(row.pixels)
    return [
        {
            **{"sample": row.name, "group": inputs.groups.get(row.name, ""), "class": name},
            **{"pixels": pixels, "share": pixels / whole, "mm2": pixels * area},
            **{"given_color": given.get(name, ""), "own_color": own[name]},
        }
        for name, pixels in zip(own, row.pixels, strict=True)
    ]


def _caption(
    inputs: FigureInputs, rows: Sequence[Labelled], palettes: Mapping[str, Mapping[str, str]]
) -> str:
    told = []
    for row in rows:
        shares = [
            f"{name} {pixels / sum(row.pixels):.0%}"
            for name, pixels in zip(palettes["own"], row.pixels, strict=True)
            if pixels
        ]
        told.append(f"{row.name}: {', '.join(shares)}".replace("%", " %"))
    twice = (
        ", in the colours of the publication (b) and in colours that the colour-blind tell apart (c)"
        if len(palettes) > 1
        else " (b)"
    )
    return (
        f"Images (a) and their labels{twice}. Shares of the pixels of {'; of '.join(told)}. "
        f"{data_sentence(inputs.data_kind)}"
    )
