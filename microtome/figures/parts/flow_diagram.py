# SPDX-License-Identifier: MIT
"""A row of pictures and boxes joined by arrows: how an image passes through a pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle
from numpy.typing import NDArray

from microtome.figures.parts.colors import GREY, INK, PALE
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, TEXT, new_figure

SIDE = 0.92
"""Side of a picture; all lengths are in inches at the full width."""
LESSER = 0.78
"""Side of each of two pictures above each other."""
GAP, LETTER, BESIDE = 0.46, 0.057, 0.09
"""Between two pictures at least, of a letter of what stands there, and beside it, inches in print."""
SHEET = 0.07
NETWORK_WIDTH = 0.94
SPACE = 0.34
"""Between two pictures above each other."""
MARGIN = 0.06
HEAD, FOOT = 0.2, 0.1
TEXT_FOOT = 0.42
"""Room for the lines below the pictures, where nothing else is below them."""
DETOUR = 0.98
"""From the middle of the row to the way around the augmentation."""
DETOUR_INSET = 0.05
FACES = ("#CFE3F3", "#CDEBDF")
EDGE = "#3B6E91"

Shape = Literal["picture", "stack", "sheets", "pair", "network"]


@dataclass(frozen=True)
class Stage:
    """One stage of the way.

    Attributes:
        shape: One picture, pictures behind each other (`stack` for what only training sees, with a way
            around it, or `sheets`), two above each other, or a network.
        titles: Title of each picture (of `pair` two), or lines in the network.
        pictures: (H, W) or (H, W, 3) in 0..1; None for an empty frame.
        below: Small lines below.
        arrow: Text on the arrow that leads here.
        under_arrow: Small lines below that arrow.
    """

    shape: Shape
    titles: tuple[str, ...]
    pictures: tuple[NDArray | None, ...] = ()
    below: str = ""
    arrow: str = ""
    under_arrow: str = ""

    @property
    def width(self) -> float:
        """Its width."""
        if self.shape == "network":
            return NETWORK_WIDTH
        return LESSER if self.shape == "pair" else SIDE + SHEET * max(len(self.pictures) - 1, 0)


def draw_flow(stages: Sequence[Stage], *, data_kind: str) -> Figure:
    """Draw the stages from left to right; `data_kind` says where the pictures come from."""
    has_pair = any(stage.shape == "pair" for stage in stages)
    tall = 2 * LESSER + SPACE if has_pair else SIDE + 2 * SHEET
    has_detour = any(stage.shape == "stack" for stage in stages)
    foot = max(FOOT, DETOUR + FOOT - tall / 2) if has_detour else TEXT_FOOT
    gaps = [_gap(stage) for stage in stages[1:]]
    drawn = sum(stage.width for stage in stages) + 2 * MARGIN
    scale = (DOUBLE_COLUMN - sum(gaps)) / drawn
    width, height = DOUBLE_COLUMN / scale, HEAD + tall + foot
    figure = new_figure(DOUBLE_COLUMN, height * scale, data_kind=data_kind)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, height * scale / figure.get_figheight()))
    axes.set_axis_off()
    middle = HEAD + tall / 2
    places = _places(stages, [gap / scale for gap in gaps])
    for stage, left in zip(stages, places, strict=True):
        _draw_stage(axes, stage, left, middle, scale)
    for (before, start), (after, end) in pairwise(zip(stages, places, strict=True)):
        _draw_arrows(axes, before, after, start + before.width, end, middle, scale)
    _draw_detour(axes, stages, places, middle, scale)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    return figure


def tell_flow(stages: Sequence[Stage], *, run: str, sample: str) -> tuple[pd.DataFrame, str]:
    """Tell in a table and in a phrase what `draw_flow` draws of a run and a sample.

    Columns step, by (what leads to it), detail (what is known of it), pictures (how many), sample, run.
    """
    rows = []
    for stage in stages:
        step = " and ".join(stage.titles[: 2 if stage.shape == "pair" else 1])
        lines = (*(stage.titles[1:] if stage.shape == "network" else ()), stage.under_arrow, stage.below)
        detail = ", ".join(line.replace(" –\n", " to ").replace("\n", " ") for line in lines if line)
        pictures = sum(picture is not None for picture in stage.pictures)
        rows.append((step, stage.arrow, detail, pictures, sample, run))
    told = "; ".join(step + (f" ({detail})" if detail else "") for step, _, detail, *_ in rows)
    return pd.DataFrame(rows, columns=["step", "by", "detail", "pictures", "sample", "run"]), told


def _gap(stage: Stage) -> float:
    """Room before a stage for the arrow that leads to it and its text, inches."""
    lines = f"{stage.arrow}\n{stage.under_arrow}".splitlines()
    return max(GAP, *(len(line) * LETTER + BESIDE for line in lines))


def _places(stages: Sequence[Stage], gaps: Sequence[float]) -> list[float]:
    places = [MARGIN]
    for stage, gap in zip(stages, gaps, strict=False):
        places.append(places[-1] + stage.width + gap)
    return places


def _draw_stage(axes: Axes, stage: Stage, left: float, middle: float, scale: float) -> None:
    if stage.shape == "network":
        bottom = _draw_network(axes, stage, left, middle, scale)
    elif stage.shape == "pair":
        tops = (middle - SPACE / 2 - LESSER, middle + SPACE / 2)
        for title, picture, top in zip(stage.titles, stage.pictures, tops, strict=True):
            _draw_picture(axes, picture, left, top, LESSER)
            _title(axes, title, left + LESSER / 2, top, scale)
        bottom = tops[-1] + LESSER
    else:
        sheets = stage.pictures[::-1] or (None,)
        depth = SHEET * (len(sheets) - 1)
        top = middle - SIDE / 2
        for index, picture in enumerate(sheets):
            shift = depth - SHEET * index
            _draw_picture(axes, picture, left + shift, top - shift + depth / 2, SIDE, zorder=2 + 0.1 * index)
        _title(axes, stage.titles[0], left + (SIDE + depth) / 2, top - depth / 2, scale)
        bottom = top + depth / 2 + SIDE
    _small(axes, stage.below, left + stage.width / 2, bottom + 0.05, scale)


def _draw_picture(
    axes: Axes, picture: NDArray | None, left: float, top: float, side: float, *, zorder: float = 2
) -> None:
    if picture is not None:
        extent = (left, left + side, top + side, top)
        axes.imshow(picture, extent=extent, cmap="gray", vmin=0, vmax=1, zorder=zorder, aspect="auto")
    face = PALE if picture is None else "none"
    style = {"facecolor": face, "edgecolor": INK, "linewidth": 0.5, "zorder": zorder + 0.05}
    axes.add_patch(Rectangle((left, top), side, side, **style))


def _draw_network(axes: Axes, stage: Stage, left: float, middle: float, scale: float) -> float:
    """An hourglass: encoder, decoder, and the connections between them; its lower edge."""
    half, waist, width = SIDE / 2, SIDE / 6, NETWORK_WIDTH
    center = left + width / 2
    for face, outer in zip(FACES, (left, left + width), strict=True):
        corners = [(outer, -half), (center, -waist), (center, waist), (outer, half)]
        points = [(x, middle + y) for x, y in corners]
        axes.add_patch(Polygon(points, facecolor=face, edgecolor=EDGE, linewidth=0.7, zorder=2))
    for share in (0.12, 0.3):
        edge = half - (half - waist) * 2 * share
        start, end = (left + width * share, middle - edge), (left + width * (1 - share), middle - edge)
        arc = {"connectionstyle": f"arc3,rad={-0.32 + share}", "linewidth": 0.6, "color": GREY}
        axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=4 * scale, **arc))
    style = {"ha": "center", "va": "center", "zorder": 3}
    axes.text(center, middle, stage.titles[0], fontsize=TEXT, weight="bold", **style)
    lines = "\n".join(stage.titles[1:])
    _small(axes, lines, center, middle + half + 0.05, scale, color=INK)
    return middle + half + 0.1 * len(stage.titles[1:]) + 0.02


def _draw_arrows(
    axes: Axes, before: Stage, after: Stage, start: float, end: float, middle: float, scale: float
) -> None:
    offset = (SPACE + LESSER) / 2
    style = {"arrowstyle": "-|>", "mutation_scale": 7 * scale, "linewidth": 1.0 * scale, "color": INK}
    style |= {"shrinkA": 2, "shrinkB": 2, "zorder": 1}
    if after.shape == "pair":
        pairs = [(0.18, offset), (-0.18, -offset)]
    else:
        pairs = [(offset, 0.15), (-offset, -0.15)] if before.shape == "pair" else [(0.0, 0.0)]
    for first, last in pairs:
        axes.add_patch(FancyArrowPatch((start, middle + first), (end, middle + last), **style))
    center = (start + end) / 2
    text = {"ha": "center", "fontsize": SMALL, "linespacing": 1.25}
    if len(pairs) > 1:
        axes.text(center, middle, after.arrow, va="center", weight="bold", **text)
        return
    axes.text(center, middle - 0.06, after.arrow, va="bottom", weight="bold", **text)
    _small(axes, after.under_arrow, center, middle + 0.06, scale)


def _draw_detour(
    axes: Axes, stages: Sequence[Stage], places: Sequence[float], middle: float, scale: float
) -> None:
    """The way of an image that is predicted: from before the augmentation straight into the network."""
    index = next((i for i, stage in enumerate(stages) if stage.shape == "stack"), 0)
    if not 0 < index < len(stages) - 1:
        return
    start, end = places[index - 1] + stages[index - 1].width / 2, places[index + 1] + DETOUR_INSET
    low, edge = middle + DETOUR, middle + SIDE / 2
    slope = (SIDE / 2 - SIDE / 6) / (NETWORK_WIDTH / 2)
    corners = [(start, edge + 0.03), (start, low), (end, low), (end, edge - slope * DETOUR_INSET)]
    style = {"color": INK, "linewidth": 1.0 * scale, "linestyle": (0, (3, 1.5)), "zorder": 1}
    axes.plot(*zip(*corners[:3], strict=True), **style)
    head = {"arrowstyle": "-|>", "mutation_scale": 7 * scale, "shrinkA": 0, "shrinkB": 1}
    axes.add_patch(FancyArrowPatch(corners[2], corners[3], **head, **style))
    text = {"ha": "center", "va": "center", "fontsize": SMALL, "weight": "bold"}
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.text((start + end) / 2, low, "predict", bbox=ground, zorder=3, **text)


def _title(axes: Axes, text: str, x: float, top: float, scale: float) -> None:
    axes.text(x, top - 0.04, text, ha="center", va="bottom", fontsize=TEXT)


def _small(axes: Axes, text: str, x: float, top: float, scale: float, *, color: str = GREY) -> None:
    axes.text(x, top, text, ha="center", va="top", fontsize=SMALL, color=color, linespacing=1.3)
