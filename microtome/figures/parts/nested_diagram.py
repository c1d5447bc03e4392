# SPDX-License-Identifier: MIT
"""The drawing of a nested network: a row for each subnetwork, coarse above fine, bottlenecks in line."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch, Patch, Rectangle

from microtome.figures.parts.colors import GREY, INK
from microtome.figures.parts.nested_steps import Scale, TracedNested
from microtome.figures.parts.network_steps import Step
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, new_figure
from microtome.figures.parts.u_diagram import (
    COLORS,
    COPY_FACE,
    EDGE_COLOR,
    FACE,
    FACES,
    arrow,
    box_width,
)

TALLEST, SHRINK = 0.9, 0.68
"""Height of the box of the whole image, inches, and of one of half the size in parts of it."""
MARGIN, ABOVE, BETWEEN, BELOW = 0.3, 0.2, 0.42, 0.12
"""Beside and above all rows, between two of them, and below the last, inches."""
LARGEST_GAP = 0.42
"""Between two boxes, at most, inches."""
LABEL = 0.14
"""Room of the text above and below a box, inches."""
GATE, BESIDE = 0.055, 0.06
"""Radius of the sign of a product, and from the way to it to texts, inches."""
GATE_ROOM, SKIP = 0.12, 0.09
"""More room behind a bottleneck, and below a row for each connection within it, inches."""
TEXT = SMALL
LEGEND_ROW, LEGEND_COLUMNS = 0.13, 2
DASHED = (0, (3, 1.5))
FACTORS = {"sigmoid": "σ(z)", "product": "z", "residual": "1 + σ(z)"}
"""What a bottleneck is multiplied with, of the projection z."""
MEANS = {"average": "means of 2×2 pixels", "nearest": "every second pixel"}


@dataclass(frozen=True)
class Placed:
    """A step in the drawing; lengths in inches, downwards from the top.

    Attributes:
        step: What makes it.
        left: Left edge.
        width: Of all of it.
        copied: Of this, at the right, what comes from the next coarser subnetwork.
        middle: Height of the row's middle.
        height: Of the box.
    """

    step: Step
    left: float
    width: float
    copied: float
    middle: float
    height: float

    @property
    def right(self) -> float:
        """Right edge."""
        return self.left + self.width

    @property
    def top(self) -> float:
        """Upper edge."""
        return self.middle - self.height / 2

    @property
    def bottom(self) -> float:
        """Lower edge."""
        return self.middle + self.height / 2


def draw_nested(traced: TracedNested) -> Figure:
    """Draw the subnetworks of a network and what each gives the next; an architecture shows no data."""
    rows, floors, total = lay_out_rows(traced.scales)
    handles = _handles(traced)
    legend = LEGEND_ROW * -(-len(handles) // LEGEND_COLUMNS) + BELOW
    figure = new_figure(DOUBLE_COLUMN, total + legend)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, legend / (total + legend), 1, total / (total + legend)))
    axes.set(xlim=(0, DOUBLE_COLUMN), ylim=(total, 0), aspect="equal")
    axes.set_axis_off()
    for scale, row, floor in zip(traced.scales, rows, floors, strict=True):
        _draw_row(axes, scale, row)
        _draw_skips(axes, row, floor)
    for level, ((coarse, fine), (above, below)) in enumerate(
        zip(pairwise(traced.scales), pairwise(rows), strict=True)
    ):
        _draw_image(axes, above[0], below[0])
        crossed = _draw_prior(axes, above[-1], below[0], floors[level])
        _draw_gate(axes, (above, coarse), (below, fine), crossed)
    figure.legend(handles=handles, loc="lower center", ncols=LEGEND_COLUMNS, fontsize=TEXT, handlelength=2.2)
    return figure


def lay_out_rows(scales: Sequence[Scale]) -> tuple[list[list[Placed]], list[float], float]:
    """Place the boxes of each row, bottlenecks below one another.

    Returns:
        The rows, where each ends with what is written below it, and the height of all; inches.
    """
    widths = [[_widths(step) for step in scale.steps] for scale in scales]
    finest = scales[-1].steps[0].size
    gap = min(
        LARGEST_GAP, *(_gap(scale, row, scales, widths) for scale, row in zip(scales, widths, strict=True))
    )
    befores = [_before(scale, row, gap) for scale, row in zip(scales, widths, strict=True)]
    extra = GATE_ROOM if len(scales) > 1 else 0.0
    rows, floors, y = [], [], ABOVE
    for scale, row, before in zip(scales, widths, befores, strict=True):
        heights = [_height(step.size, finest) for step in scale.steps]
        middle, x, boxes = y + LABEL + max(heights) / 2, MARGIN + max(befores) - before, []
        for step, (own, copied), height in zip(scale.steps, row, heights, strict=True):
            boxes.append(Placed(step, x, own + copied, copied, middle, height))
            x += own + copied + gap + (extra if len(boxes) == scale.bottleneck + 1 else 0.0)
        rows.append(boxes)
        floors.append(middle + max(heights) / 2 + LABEL + SKIP * len(skips_of(boxes)))
        y = floors[-1] + BETWEEN
    return rows, floors, y - BETWEEN + BELOW


def skips_of(row: Sequence[Placed]) -> list[tuple[int, int]]:
    """Connections within a row, by the boxes that they leave and that take what they bring, inner ones last.

    What a step takes beside the maps before it comes from the last box of that size before the bottleneck.
    """
    found = []
    for number, box in enumerate(row):
        if number and box.step.copied:
            size = row[number - 1].step.size
            sources = [index for index in range(number - 1) if row[index].step.size == size]
            smallest = min(range(len(row)), key=lambda index: row[index].step.size)
            before = [index for index in sources if index < smallest]
            found += [(before[-1], number)] if before else []
    return sorted(found)


def _widths(step: Step) -> tuple[float, float]:
    """Width of what a step makes itself, and of what is copied to it from a coarser subnetwork."""
    copied = step.copied if step.kind == "input" else 0
    return box_width(step.channels - copied), box_width(copied) if copied else 0.0


def _before(scale: Scale, row: Sequence[tuple[float, float]], gap: float) -> float:
    """From the left edge of a row to the right edge of its bottleneck."""
    return sum(map(sum, row[: scale.bottleneck + 1])) + gap * scale.bottleneck


def _gap(
    scale: Scale,
    row: Sequence[tuple[float, float]],
    scales: Sequence[Scale],
    widths: Sequence[Sequence[tuple[float, float]]],
) -> float:
    """The largest gap with which all that is left of bottlenecks and this row's rest fit into the width."""
    rest = sum(map(sum, row[scale.bottleneck + 1 :]))
    gaps = len(row) - scale.bottleneck - 1
    room = DOUBLE_COLUMN - 2 * MARGIN - rest - (GATE_ROOM if len(scales) > 1 else 0.0)
    return min(
        (room - _before(one, other, 0)) / (gaps + one.bottleneck)
        for one, other in zip(scales, widths, strict=True)
    )


def _height(size: int, finest: int) -> float:
    halved, height = finest, TALLEST
    while halved > size:
        halved, height = halved // 2, height * SHRINK
    return height


def _draw_row(axes: Axes, scale: Scale, row: Sequence[Placed]) -> None:
    for number, box in enumerate(row):
        _draw_box(axes, box, sized=number == 0 or box.step.size != row[number - 1].step.size)
    for before, after in pairwise(row):
        arrow(
            axes, (before.right, before.middle), (after.left, after.middle), _color(before.step, after.step)
        )
    share = f"1/{scale.reduction} of the resolution" if scale.reduction > 1 else "full resolution"
    text = f"{share}: {scale.parameters:,} parameters"
    highest = min(box.top for box in row) - LABEL
    left = _behind(row, scale.bottleneck) + BESIDE
    axes.text(left, highest, text, ha="left", va="bottom", fontsize=TEXT, weight="bold")


def _draw_skips(axes: Axes, row: Sequence[Placed], floor: float) -> None:
    """Below a row, from behind a box of the encoder to before one of the decoder."""
    for number, (source, target) in enumerate(skips_of(row)):
        start, end = (_behind(row, index) for index in (source, target - 1))
        level = floor - SKIP * (number + 0.5)
        style = {"color": COLORS["copy"], "linewidth": 0.9, "zorder": 1}
        axes.plot([start, start, end], [row[source].middle, level, level], **style)
        arrow(axes, (end, level), (end, row[target].middle), COLORS["copy"])


def _draw_box(axes: Axes, box: Placed, *, sized: bool) -> None:
    """A box with its channels above and, where it is `sized`, the side of its image below."""
    step, style = box.step, {"edgecolor": EDGE_COLOR, "linewidth": 0.6}
    own = box.width - box.copied
    face = FACES.get(step.kind, FACE)
    axes.add_patch(Rectangle((box.left, box.top), own, box.height, facecolor=face, **style))
    copied = step.copied if box.copied else 0
    texts = [(box.left + own / 2, str(step.channels - copied))]
    if copied:
        axes.add_patch(
            Rectangle((box.left + own, box.top), box.copied, box.height, facecolor=COPY_FACE, **style)
        )
        texts.append((box.left + own + box.copied / 2, str(copied)))
    for x, text in texts:
        axes.text(x, box.top - 0.03, text, ha="center", va="bottom", fontsize=TEXT)
    center = box.left + box.width / 2
    if step.blocks:
        axes.text(center, box.middle, f"×{step.blocks}", ha="center", va="center", fontsize=TEXT)
    if sized:
        axes.text(
            center, box.bottom + 0.03, f"{step.size}²", ha="center", va="top", fontsize=TEXT, color=GREY
        )


def _color(before: Step, after: Step) -> str:
    """Of an arrow: what changes the size is told by that, else by what is done."""
    if after.size < before.size:
        return COLORS["pool"]
    return COLORS["up"] if after.size > before.size else COLORS[after.kind]


def _draw_image(axes: Axes, coarse: Placed, fine: Placed) -> None:
    """From the image of a subnetwork to the coarser one above."""
    x = fine.left + (fine.width - fine.copied) / 2
    corner = "angle,angleA=90,angleB=0"
    start, end = (x, fine.top - LABEL), (coarse.left, coarse.middle)
    arrow(axes, start, end, COLORS["pool"], connectionstyle=corner, linestyle=DASHED)


def _draw_prior(axes: Axes, scores: Placed, image: Placed, floor: float) -> float:
    """From the scores of a subnetwork to what is appended to the image below; the level between the rows."""
    x, low, level = image.right - image.copied / 2, scores.bottom, floor + BETWEEN / 4
    center = scores.left + scores.width / 2
    style = {"color": COLORS["up"], "linewidth": 0.9, "linestyle": DASHED, "zorder": 1}
    axes.plot([center, center, x], [low, level, level], **style)
    arrow(axes, (x, level), (x, image.top - LABEL), COLORS["up"], linestyle=DASHED)
    return level


def _draw_gate(
    axes: Axes, above: tuple[Sequence[Placed], Scale], below: tuple[Sequence[Placed], Scale], crossed: float
) -> None:
    """From behind the bottleneck of a subnetwork to that of the next, where the two are multiplied."""
    (upper, coarse), (lower, fine) = above, below
    before, after = upper[coarse.bottleneck], lower[fine.bottleneck]
    x, y = _behind(lower, fine.bottleneck), after.middle
    axes.plot([x, x], [crossed - 0.04, crossed + 0.04], color="white", linewidth=4, zorder=2)
    start = (_behind(upper, coarse.bottleneck), before.middle)
    axes.add_patch(Circle(start, GATE / 3, facecolor=INK, linewidth=0, zorder=3))
    style = {"arrowstyle": "-|>", "mutation_scale": 5.5, "shrinkA": 0, "shrinkB": 0, "linewidth": 0.9}
    axes.add_patch(FancyArrowPatch(start, (x, y - GATE), color=INK, zorder=3, **style))
    axes.add_patch(Circle((x, y), GATE, facecolor="white", edgecolor=INK, linewidth=0.7, zorder=4))
    axes.text(x, y + 0.003, "×", ha="center", va="center", fontsize=TEXT, zorder=5)
    text = f"1×1: {before.step.channels} → {after.step.channels}"
    level = min(box.top for box in lower) - LABEL
    axes.text(x - BESIDE, level, text, ha="right", va="bottom", fontsize=TEXT)


def _behind(row: Sequence[Placed], index: int) -> float:
    """The middle of the gap behind a box."""
    return (row[index].right + row[index + 1].left) / 2


def _handles(traced: TracedNested) -> list[Line2D | Patch]:
    steps = [step for scale in traced.scales for step in scale.steps]
    kinds = {step.kind for step in steps}
    blocks = next((step.label for step in steps if step.kind == "stage"), "")
    ways = sorted({step.label for step in steps if step.kind == "up" and step.label})
    texts = [
        ("stage", f"stage of ×n {blocks}s", "-") if "stage" in kinds else None,
        ("convolution", "convolution", "-") if "convolution" in kinds else None,
        ("pool", _halving(kinds), "-"),
        ("up", f"{', '.join(ways)} up-sampling, ×2" if ways else "up-convolution, ×2", "-"),
        ("output", "1×1 convolution: scores of the classes", "-"),
    ]
    if len(traced.scales) > 1:
        texts += [
            ("pool", f"image of half the size: {MEANS[traced.pyramid]}", DASHED),
            ("up", "softmax of the scores, ×2, appended to the image", DASHED),
        ]
    lines = [_line(COLORS[key], text, dashes) for key, text, dashes in filter(None, texts)]
    if len(traced.scales) > 1:
        factor = FACTORS[traced.gate]
        lines.append(_line(INK, f"bottleneck × {factor}, z: 1×1 convolution of the coarser one", "-"))
    if any(step.copied for step in steps if step.kind != "input"):
        lines.append(_line(COLORS["copy"], "copy, appended to the maps", "-"))
    return [*lines, *_boxes(traced, kinds)]


def _boxes(traced: TracedNested, kinds: set[str]) -> list[Patch]:
    """What the colours of boxes mean."""
    faces = {"image, and scores of the classes": FACES["input"]}
    faces |= {"softmax of the coarser scores": COPY_FACE} if len(traced.scales) > 1 else {}
    faces |= {"feature maps of a stage of ×n blocks": FACES["stage"]} if "stage" in kinds else {}
    faces |= {"feature maps; above: channels, below: side in pixels": FACE}
    return [Patch(facecolor=face, edgecolor=EDGE_COLOR, label=text) for text, face in faces.items()]


def _halving(kinds: set[str]) -> str:
    return "stage whose first block has stride 2" if "stage" in kinds else "halving"


def _line(color: str, text: str, dashes: object) -> Line2D:
    style = {"marker": ">", "markevery": (1, 2), "markersize": 3, "linestyle": dashes}
    return Line2D([], [], color=color, label=text, **style)
