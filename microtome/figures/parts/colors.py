# SPDX-License-Identifier: MIT
"""Colours: a palette for the colour-blind (Okabe and Ito, 2008), and line styles beyond it."""

from collections.abc import Sequence

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

TRUE_POSITIVE = "#3A3A3A"
TRUE_NEGATIVE = "#FFFFFF"
FALSE_POSITIVE = VERMILLION
FALSE_NEGATIVE = BLUE
UNLABELLED = "#E8E2D0"


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
