# SPDX-License-Identifier: MIT
"""Texts of a study in figures: drawn as they are written, or refused with the name of the run."""

import re
from dataclasses import replace

import pandas as pd
import pytest
from matplotlib import font_manager
from matplotlib.text import Text

from microtome import figures
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import fonts
from microtome.figures.parts.style import letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.figures.save import save_failed, save_figure
from microtome.provenance.sidecars import Failure
from tests.synthetic_study import write_study

LABELS = ("cost $5 and $6", "5 $ a slide", r"dose 5 $\unit$ a ml", r"\alpha_1^2 {x} %d #1 & <b>", "Größe µm²")
FONT = font_manager.get_font(font_manager.findfont("DejaVu Sans"))


def drawn(svg: str, letter: str) -> int:
    """How often a letter of the figures' font stands in a drawing."""
    glyph = FONT.get_char_index(ord(letter))
    return len(re.findall(rf'href="#DejaVuSans-{glyph:x}"|href="#DejaVuSans-{glyph}"', svg))


@styled
def made(text: str, *, ticks: bool = False) -> FigureResult:
    """The text wherever figures have texts: a panel's title, an axis, a legend, ticks."""
    figure = new_figure(3, 2)
    axes = figure.subplots()
    letter(axes, "a", text)
    axes.set_xlabel(text)
    axes.plot([0, 1], [0, 1], label=text)
    axes.legend()
    if ticks:
        axes.set_yticks([0, 1], labels=[text, text])
    return FigureResult(figure, pd.DataFrame({"x": [1]}), text)


@pytest.mark.parametrize("text", LABELS)
def test_texts_are_drawn_as_written(text, tmp_path):
    paths = save_figure(made(text, ticks=True), tmp_path / "f")
    svg = paths["svg"].read_text(encoding="utf-8")
    rare = {letter for letter in text if letter in "$\\_^{}%#&<µ²ß"}
    assert rare
    for one in rare:
        assert drawn(svg, one) == 5 * text.count(one), one
    assert paths["pdf"].stat().st_size > 0


@pytest.mark.parametrize("kind", ["loss_curves", "v_rand_curves"])
def test_labels_of_runs_are_drawn_as_written(kind, tmp_path):
    runs, _, _ = write_study(tmp_path)
    shown = [replace(run, label=label) for run, label in zip(runs, LABELS[:3], strict=False)]
    result = figures.draw(kind, FigureInputs(runs=shown, classes=("membrane", "cell")))
    svg = save_figure(result, tmp_path / "f")["svg"].read_text(encoding="utf-8")
    assert drawn(svg, "$") == "".join(LABELS[:3]).count("$")
    assert all(run.label in result.caption or kind == "v_rand_curves" for run in shown)


@pytest.mark.filterwarnings("ignore:Glyph")  # of the font that only this test takes for one that has it
def test_letters_that_the_font_lacks_come_from_another(tmp_path, monkeypatch):
    own, other = frozenset(range(0x3000)), frozenset({ord("大")})
    monkeypatch.setattr(fonts, "_letters", lambda name: own if name == fonts.FAMILY else other)
    expected = "the text '核 大', the label of run 'deep', cannot be drawn: no font of .* the letter '核'"
    with pytest.raises(ValueError, match=expected):
        save_figure(made("核 大"), tmp_path / "f", labels={"plain": "Dice", "deep": "核 大"})
    assert not list(tmp_path.iterdir())
    result = made("大 x", ticks=True)
    save_figure(result, tmp_path / "f")
    families = {tuple(one.get_fontfamily()) for one in result.figure.findobj(Text) if "大" in one.get_text()}
    ((first, second),) = families
    assert first == fonts.FAMILY != second


def test_a_letter_that_no_font_has_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="cannot be drawn: no font of this machine has the letter") as error:
        save_figure(made("\U0002fa1d"), tmp_path / "f", labels={})
    # The message holds the letter, and stands in the red box in place of the figure.
    failure = Failure(message=str(error.value), log="logs/f.log")
    files = save_failed(failure, tmp_path / "f")
    assert {path.suffix for path in files.values()} == {".svg", ".pdf", ".png", ".tsv", ".json"}
    assert "\U0002fa1d" in files["tsv"].read_text(encoding="utf-8")
    assert fonts.drawable("a \U0002fa1d µ") == "a U+2FA1D µ"


def test_usual_texts_need_no_other_font():
    before = made("plain", ticks=True)
    fonts.fit_fonts(before.figure, {})
    assert all(one.get_fontfamily() == [fonts.FAMILY] for one in before.figure.findobj(Text))
