# SPDX-License-Identifier: MIT
"""The palette of classes, the same in tables, figures and outlines. No NumPy: the DAG asks for it, too."""

from collections.abc import Iterable, Mapping, Sequence
from math import dist, inf

BACKGROUND = "background"
REST = frozenset({BACKGROUND, "normal", "negative", "healthy", "other", "others", "rest", "none"})
"""What the class is called that is left when the class a study is about is taken away."""
BLACK_WHITE = ("#000000", "#FFFFFF")
"""Colours of two classes: the rest is black, what the study is about white. Where no name says which they
are, they take them in order: black membranes between white cells, as the ISBI challenge has them."""
FALSE_POSITIVE, FALSE_NEGATIVE = "#D55E00", "#0072B2"
"""Wrong pixels of a class (Okabe and Ito, 2008): given to it wrongly, and missed."""
TRUE_POSITIVE, TRUE_NEGATIVE = "#3A3A3A", "#FFFFFF"
"""Right pixels of one of several classes; of two classes they keep the colours of these."""
COLORS = (
    *("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00"),
    *("#000066", "#772200", "#445555", "#3300CC", "#44CC88"),
)
"""Colours of the classes after the background, which is black: those of Okabe and Ito (2008), then those that
lie furthest from all before to normal, protanope and deuteranope eyes (CIEDE2000, at least 11 apart)."""
NEUTRAL, UNLIKE = ("#F2F2F2", "#FFFFFF", "#6E6E6E", "#3A3A3A"), 60
"""Greys beside the colours; the first is taken that is so far from all of them (Euclidean, RGB 0 to 255)."""
TINTS = ((0, 0.0), (255, 0.55), (0, 0.45))
"""Grey value that the colours are mixed with, and how much, for the first, second and third twelve."""


def class_colors(names: Sequence[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give each class its colour, the same in every figure of a study.

    Args:
        names: All classes of the study, in order.
        given: Colours by class that the study gives; they go before the palette.

    Returns:
        Colour (``#rrggbb``) by class. Two classes are black and white, white the one that the study
        is about where names say which (`class_of_interest`); of more, the one called ``background``, else the
        first, is black, and the others take `COLORS` in order, from the thirteenth on lighter, then darker.

    Example:
        >>> class_colors(["background", "tumor", "stroma"])
        {'background': '#000000', 'tumor': '#56B4E9', 'stroma': '#E69F00'}
        >>> class_colors(["tumor", "stroma"], {"tumor": "#ff0000"})
        {'tumor': '#ff0000', 'stroma': '#FFFFFF'}
        >>> class_colors(["tumor", "normal"])
        {'tumor': '#FFFFFF', 'normal': '#000000'}
    """
    order = list(names)
    if len(order) <= len(BLACK_WHITE):
        last_is_rest = [is_rest(name) for name in order] == [False, True]
        palette = dict(zip(order, BLACK_WHITE[::-1] if last_is_rest else BLACK_WHITE, strict=False))
    else:
        first = next((name for name in order if name.lower() == BACKGROUND), order[0])
        others = [name for name in order if name != first]
        palette = {first: BLACK_WHITE[0]} | {name: _class_color(index) for index, name in enumerate(others)}
    return {name: (given or {}).get(name, palette[name]) for name in order}


def is_rest(name: str) -> bool:
    """Whether a class is what is left beside the others, by its name.

    Example:
        >>> is_rest("Background"), is_rest("tumor")
        (True, False)
    """
    return name.lower() in REST


def class_of_interest(names: Sequence[str]) -> str:
    """The class that a study is about: the first that is not the rest by its name, else the first.

    Example:
        >>> class_of_interest(["normal", "melanoma"]), class_of_interest(["membrane", "cell"])
        ('melanoma', 'membrane')
    """
    return next((name for name in names if not is_rest(name)), names[0])


def bright_class(palette: Mapping[str, str]) -> str:
    """Of two classes with these colours the one whose probability is shown, bright where it is high.

    That is the one that a study is about where their names say which is the rest, whatever their colours,
    else the lighter one, as in the labels beside it.

    Example:
        >>> bright_class(class_colors(["membrane", "cell"])), bright_class(class_colors(["tumor", "normal"]))
        ('cell', 'tumor')
        >>> bright_class({"normal": "#FFFFFF", "tumor": "#AA0000"})
        'tumor'
    """
    named = [name for name in palette if not is_rest(name)]
    return named[0] if len(named) == 1 else max(palette, key=lambda name: sum(rgb_bytes(palette[name])))


def neutral_color(colors: Iterable[str]) -> str:
    """Choose what is shown where no class is meant (a right pixel among errors), unlike all classes' colours.

    Example:
        >>> neutral_color(["#000000", "#56B4E9"]), neutral_color(["#000000", "#e0e0e0", "#beff00"])
        ('#F2F2F2', '#6E6E6E')
    """
    taken = [rgb_bytes(color) for color in colors]
    nearest = {one: min((dist(rgb_bytes(one), color) for color in taken), default=inf) for one in NEUTRAL}
    return next((one for one in NEUTRAL if nearest[one] > UNLIKE), max(nearest, key=nearest.__getitem__))


def rgb_bytes(color: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``, 0 to 255."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue


def _class_color(index: int) -> str:
    """The colour of a class after the background."""
    turn, place = divmod(index, len(COLORS))
    grey, share = TINTS[turn % len(TINTS)]
    return "#" + "".join(
        f"{round((1 - share) * value + share * grey):02X}" for value in rgb_bytes(COLORS[place])
    )
