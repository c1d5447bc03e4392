# SPDX-License-Identifier: MIT
"""Boxes of sections over slides: a colour and a line style for each label."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke

from microtome.figures.parts.colors import BLUE, GREY, OF_INTEREST, OF_REST, ORANGE, PURPLE
from microtome.figures.parts.style import SMALL
from microtome.io.section_boxes import Box

OTHERS = (OF_REST, BLUE, PURPLE, ORANGE)
DASHES = ((0, (4, 2)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5)), (0, (7, 2)))
WIDTH = 1.2
ABOVE = 5
"""Order of boxes: over scale bars."""
LABEL_SIZE = SMALL
CASING = 0.7
"""Points of white around a number."""
Style = Mapping[str, Any]


def label_styles(classes: Sequence[str], positive: str) -> dict[str, dict[str, Any]]:
    """How the box of each label is drawn: that of the positive class red, the others green and so on, dashed.

    The empty label, of sections that nobody has labelled, is grey and dotted.

    Example:
        >>> label_styles(["normal", "tumor"], "tumor")["tumor"]
        {'color': '#D55E00', 'linestyle': '-', 'linewidth': 1.2}
    """
    others = [name for name in classes if name != positive]
    styles = {positive: {"color": OF_INTEREST, "linestyle": "-", "linewidth": WIDTH}}
    for at, name in enumerate(others):
        color, dashes = OTHERS[at % len(OTHERS)], DASHES[at % len(DASHES)]
        styles[name] = {"color": color, "linestyle": dashes, "linewidth": WIDTH}
    return styles | {"": {"color": GREY, "linestyle": ":", "linewidth": WIDTH}}


def draw_box(axes: Axes, box: Box, style: Style, *, text: str = "", size: float = LABEL_SIZE) -> None:
    """Draw a box in axes whose coordinates are slide pixels, with a text inside its upper left corner."""
    axes.add_patch(Rectangle((box.x, box.y), box.width, box.height, fill=False, zorder=ABOVE, **style))
    if text:
        told = {"ha": "left", "va": "top", "fontsize": size, "color": style["color"], "fontweight": "bold"}
        around = [Stroke(linewidth=2 * CASING, foreground="white"), Normal()]
        place = {"xytext": (2.5, -2.5), "textcoords": "offset points"}
        axes.annotate(text, (box.x, box.y), path_effects=around, **place, **told)
