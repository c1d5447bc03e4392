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
"""Colour map of probabilities, and of what layers of networks give: even steps, also to the colour-blind;
high is bright, as what a study is about is white where there are two classes."""
DOUBT = "magma"
"""Colour map of uncertainty, which is none of a class."""

CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES = ("-", "--", ":")

UNLABELLED = "#E8E2D0"
OF_INTEREST, OF_REST = VERMILLION, GREEN
"""The class that a study is about, and the rest, as lines over images or on paper, where black and white are
not seen: red and green, as published figures of slides have tumour and normal."""


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
