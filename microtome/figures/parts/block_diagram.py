# SPDX-License-Identifier: MIT
"""Pictures of the blocks of an encoder and a decoder, laid out in a U and joined by arrows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from numpy.typing import NDArray

from microtome.figures.parts.colors import GREY, INK
from microtome.figures.parts.panels import show_image
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, TEXT, new_figure

STEP, SLANT = 1.0, 0.62
"""Distance to the next block of the same level, and of another, in widths of a block's room."""
FILL = 0.84
"""Share of its room that a block takes."""
BEND = 0.3
"""Room below the lowest blocks for arrows of additions, in widths of a block's room."""
LABEL = 0.27
"""Room above a block for its label, inches."""
Rect = tuple[float, float, float, float]
"""Left, bottom, width and height in parts of the figure."""


@dataclass(frozen=True)
class Shown:
    """A block as it is drawn.

    Attributes:
        picture: (H, W) or (H, W, 3) in 0..1.
        label: What it is.
        detail: Second line of the label.
        level: How often the size was halved.
        path: ``down``, ``up``, or ``across`` for a block on the way from the one to the other.
        colors: Colour map of a picture with one channel.
        added: Whether what it gives is added to what the next block gives, before the way up.
    """

    picture: NDArray
    label: str
    detail: str
    level: int
    path: Literal["down", "across", "up"]
    colors: str = "gray"
    added: bool = False


def draw_blocks(blocks: Sequence[Shown], *, data_kind: str) -> Figure:
    """Draw blocks from left to right, each level below the one with twice the size.

    The blocks come in the order in which the network runs them, input and output included; arrows lead
    from block to block, dashed ones from the way down to the way up, bent ones from a block that is added to
    the next one to where the sum goes.
    """
    chain = [index for index, block in enumerate(blocks) if block.path != "across"]
    places = places_of([blocks[index].level for index in chain])
    left = dict(zip(chain, places, strict=True))
    left |= {index: places[-1] / 2 for index in range(len(blocks)) if index not in left}
    unit = DOUBLE_COLUMN / (places[-1] + STEP)
    side = unit * FILL
    tall = side * max(block.picture.shape[0] / block.picture.shape[1] for block in blocks)
    drop = tall + LABEL
    foot = BEND * unit if any(block.added for block in blocks) else 0.0
    height = (max(block.level for block in blocks) + 1) * drop + foot
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=data_kind)
    figure.set_layout_engine("none")
    total = figure.get_figheight()
    rects = []
    for index, block in enumerate(blocks):
        x = (left[index] + (STEP - FILL) / 2) * unit
        y = height - (block.level + 1) * drop
        rects.append((x / DOUBLE_COLUMN, y / total, side / DOUBLE_COLUMN, tall / total))
        _draw_block(figure, rects[-1], block)
    for before, after in pairwise(chain):
        _draw_arrow(figure, rects[before], rects[after], blocks[after].level - blocks[before].level)
    for before, after in _skips(blocks, chain):
        _draw_arrow(figure, rects[before], rects[after], 0, style="--", color=GREY)
    for before, after in additions(blocks):
        _draw_addition(figure, rects[before], rects[after])
    return figure


def additions(blocks: Sequence[Shown]) -> list[tuple[int, int]]:
    """From each block that is added to the next one to the block on the way up that takes the sum."""
    later = {
        index: [i for i in range(index + 1, len(blocks)) if _takes(blocks[i], block.level)]
        for index, block in enumerate(blocks)
        if block.added
    }
    return [(index, found[0]) for index, found in later.items() if found]


def _takes(block: Shown, level: int) -> bool:
    return block.path != "down" and block.level == level


def _draw_addition(figure: Figure, before: Rect, after: Rect) -> None:
    """Below the blocks between, with a plus at its end."""
    (x0, y0, width, _), (x1, y1, _, _) = before, after
    start, end = (x0 + width * 0.5, y0), (x1 + width * 0.5, y1)
    inches = [(x * figure.get_figwidth(), y * figure.get_figheight()) for x, y in (start, end)]
    bend = BEND * width * figure.get_figwidth() / FILL
    rad = 1.5 * bend / max(inches[1][0] - inches[0][0], bend)
    style = {"arrowstyle": "-|>", "mutation_scale": 6, "linewidth": 0.7, "color": INK, "linestyle": "--"}
    shape = {"connectionstyle": f"arc3,rad={rad:.3f}", "shrinkA": 1.5, "shrinkB": 1.5}
    figure.add_artist(FancyArrowPatch(start, end, transform=figure.transFigure, **style, **shape))
    figure.text(end[0] + width * 0.22, end[1], "+", fontsize=TEXT, ha="center", va="top")


def places_of(levels: Sequence[int]) -> list[float]:
    """Left ends, from 0, of blocks in a row by their levels; those of another level come closer.

    Example:
        >>> places_of([0, 0, 1])
        [0.0, 1.0, 1.62]
    """
    places = [0.0]
    for before, after in pairwise(levels):
        places.append(places[-1] + (STEP if before == after else SLANT))
    return places


def _draw_block(figure: Figure, rect: Rect, block: Shown) -> None:
    axes = figure.add_axes(rect)
    show_image(axes, block.picture, colors=block.colors)
    text = "\n".join(line for line in (block.label, block.detail) if line)
    axes.set_title(text, fontsize=SMALL, loc="center", pad=1.5)


def _skips(blocks: Sequence[Shown], chain: Sequence[int]) -> list[tuple[int, int]]:
    """From the last block of a level on the way down to its first on the way up, by way of those between."""
    pairs = []
    for level in sorted({block.level for block in blocks}):
        here = {
            path: [i for i, block in enumerate(blocks) if block.path == path and block.level == level]
            for path in ("down", "across", "up")
        }
        if not here["down"] or not here["up"]:
            continue
        ends = here["down"][-1], here["up"][0]
        if chain.index(ends[1]) > chain.index(ends[0]) + 1:
            pairs += list(pairwise([ends[0], *here["across"], ends[1]]))
    return pairs


def _draw_arrow(
    figure: Figure, before: Rect, after: Rect, down: int, *, style: str = "-", color: str = INK
) -> None:
    """From edge to edge of two blocks, of which the second is some levels further down."""
    x0, y0, width, height = before
    x1, y1, _, _ = after
    if down == 0:
        start, end = (x0 + width, y0 + height / 2), (x1, y1 + height / 2)
    elif down > 0:
        start, end = (x0 + width * 0.35, y0), (x1, y1 + height * 0.6)
    else:
        start, end = (x0 + width, y0 + height * 0.6), (x1 + width * 0.65, y1)
    figure.add_artist(
        FancyArrowPatch(
            start, end, transform=figure.transFigure, arrowstyle="-|>", mutation_scale=6, linewidth=0.7,
            linestyle=style, color=color, shrinkA=1.5, shrinkB=1.5,
        )
    )  # fmt: skip
