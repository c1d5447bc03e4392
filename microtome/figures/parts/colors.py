# SPDX-License-Identifier: MIT
"""Colours: a palette for the colour-blind (Okabe and Ito, 2008), classes, and line styles beyond it."""

from collections.abc import Mapping, Sequence

BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
INK = "#262626"
GREY = "#7A7A7A"
LIGHT = "#D9D9D9"
PALE = "#F2F2F2"

HEAT = "cividis"
"""Colour map of probabilities and the like: even steps, also to the colour-blind."""

CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES = ("-", "--", ":")

CLASSES = (
    *(SKY, ORANGE, GREEN, PURPLE, YELLOW, BLUE, VERMILLION),
    *("#000066", "#772200", "#445555", "#3300CC", "#44CC88"),
)
"""Colours of the classes after the background, which is black: those of Okabe and Ito, then those furthest
from all before to normal, protanope and deuteranope eyes (CIEDE2000, at least 11 between any two)."""
TWO_CLASSES = (BLACK, "#FFFFFF")
"""Colours of two classes, as the ISBI challenge has them."""
BACKGROUND = "background"
TINTS = ((0, 0.0), (255, 0.55), (0, 0.45))
"""Grey value that the palette is mixed with, and how much, for the first, second and third twelve classes."""

TRUE_POSITIVE = "#3A3A3A"
TRUE_NEGATIVE = "#FFFFFF"
FALSE_POSITIVE = VERMILLION
FALSE_NEGATIVE = BLUE
UNLABELLED = "#E8E2D0"


def class_colors(names: Sequence[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give each class its colour, the same in every figure of a study.

    Args:
        names: All classes of the study, in order.
        given: Colours by class that the study gives; they go before the palette.

    Returns:
        Colour (``#rrggbb``) by class. Two classes are black and white; of more, the one called
        ``background``, else the first, is black, and the others take `CLASSES` in order, from the thirteenth
        on lighter, then darker.

    Example:
        >>> class_colors(["background", "tumor", "stroma"])
        {'background': '#000000', 'tumor': '#56B4E9', 'stroma': '#E69F00'}
        >>> class_colors(["tumor", "stroma"], {"tumor": "#ff0000"})
        {'tumor': '#ff0000', 'stroma': '#FFFFFF'}
    """
    order = list(names)
    if len(order) <= len(TWO_CLASSES):
        palette = dict(zip(order, TWO_CLASSES, strict=False))
    else:
        first = next((name for name in order if name.lower() == BACKGROUND), order[0])
        others = [name for name in order if name != first]
        palette = {first: BLACK} | {name: _class_color(index) for index, name in enumerate(others)}
    return {name: (given or {}).get(name, palette[name]) for name in order}


def rgb_bytes(color: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``, 0 to 255."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue


def _class_color(index: int) -> str:
    """The colour of a class after the background."""
    turn, place = divmod(index, len(CLASSES))
    grey, share = TINTS[turn % len(TINTS)]
    return "#" + "".join(
        f"{round((1 - share) * value + share * grey):02X}" for value in rgb_bytes(CLASSES[place])
    )


def line_styles(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Give each name its colour and, past the palette's length, its own dashes: arguments of a line by name.

    Example:
        >>> line_styles(["a", "b"])["b"]
        {'color': '#D55E00', 'linestyle': '-'}
    """
    count = len(CYCLE)
    return {
        name: {"color": CYCLE[index % count], "linestyle": DASHES[index // count % len(DASHES)]}
        for index, name in enumerate(dict.fromkeys(names))
    }
