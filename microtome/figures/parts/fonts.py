# SPDX-License-Identifier: MIT
"""Letters that the font of figures lacks (Chinese, Japanese, …): another font of the machine, or an error."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

from microtome.figures.parts.style import SETTINGS

FAMILY = SETTINGS["font.family"][0]
SHOWN = 40
"""Characters of a text that a message repeats."""


def fit_fonts(figure: Figure, labels: Mapping[str, str]) -> None:
    """Give every text of a figure fonts that have its letters; the figure is changed where one is needed.

    Args:
        figure: Drawn by a kind, not yet rendered.
        labels: What runs are called, by their names, for the message.

    Raises:
        ValueError: No font of this machine has the letters of a text; with the run whose label it is.
    """
    lacking = {text: missing for text in set(_texts(figure)) if (missing := _missing(text))}
    if not lacking:
        return
    families = [FAMILY, *_families(lacking, labels)]
    for artist in figure.findobj(Text):
        if artist.get_text() in lacking:
            artist.set_fontfamily(families)
    for axes in figure.get_axes():
        for axis in ("x", "y"):
            axes.tick_params(axis, labelfontfamily=families)


def drawable(text: str) -> str:
    """A text whose letters can be drawn: those that no font of this machine has become their code points.

    Example:
        >>> drawable("5 µm")
        '5 µm'
    """
    lost = {ord(letter): f"U+{ord(letter):04X}" for letter in _missing(text) if _font_of(letter) is None}
    return text.translate(lost)


def _texts(figure: Figure) -> Iterator[str]:
    """What stands in a figure: texts, and the labels that its ticks will have."""
    yield from (artist.get_text() for artist in figure.findobj(Text))
    for axes in figure.get_axes():
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            yield from map(str, formatter.seq if isinstance(formatter, FixedFormatter) else ())


def _missing(text: str) -> frozenset[str]:
    return frozenset(
        letter for letter in text if letter.isprintable() and ord(letter) not in _letters(FAMILY)
    )


@cache
def _letters(family: str) -> frozenset[int]:
    """The code points that a font has."""
    return frozenset(font_manager.get_font(font_manager.findfont(family)).get_charmap())


def _families(lacking: Mapping[str, Iterable[str]], labels: Mapping[str, str]) -> list[str]:
    """Fonts of the machine that have all letters lacking, in the order of their names."""
    found: list[str] = []
    for text, letters in lacking.items():
        for letter in sorted(letters):
            if any(ord(letter) in _letters(name) for name in found):
                continue
            name = _font_of(letter)
            if name is None:
                raise ValueError(_refusal(text, letter, labels))
            found.append(name)
    return found


def _font_of(letter: str) -> str | None:
    """The first font of the machine, by name, that has a letter."""
    fonts = {entry.name for entry in font_manager.fontManager.ttflist if "LastResort" not in entry.fname}
    return next((name for name in sorted(fonts) if ord(letter) in _letters(name)), None)


def _refusal(text: str, letter: str, labels: Mapping[str, str]) -> str:
    runs = [run for run, label in labels.items() if letter in label]
    said = f"'{labels[runs[0]][:SHOWN]}', the label of run '{runs[0]}'," if runs else f"'{text[:SHOWN]}'"
    return (
        f"the text {said} cannot be drawn: no font of this machine has the letter '{letter}'; install one "
        "that has it (for Chinese, Japanese and Korean Noto Sans CJK), or change the text in the study"
    )
