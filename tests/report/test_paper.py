# SPDX-License-Identifier: MIT
"""The tables and figures of a study as one document, and as PDF."""

import re
import shutil

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from microtome.provenance.sidecars import Failure, FigureSidecar, dump
from microtome.stages.paper import typeset, write_document
from microtome.tables.frame import Column, Table
from microtome.tables.parts.save import save_failed, save_table
from tests.tables.tex import needs_tex

OPTIONS = {
    "title": "Mine: U-Net & others",
    "scale": "demo",
    "tables": [["scores", "Table 2: scores"], ["broken", "Table 3: broken_one"]],
    "figures": [["curves", "Figure 1: loss & more"]],
}


@pytest.fixture
def study(tmp_path):
    """The folder of a study with a table, one that could not be made, and a figure."""
    frame = pd.DataFrame({"label": ["a_b", "c"], "dice": [0.5, 0.75]})
    columns = (Column("label", "Run", kind="text"), Column("dice", "Dice", better="high"))
    save_table(Table(frame, columns, "Table 2: scores", "Means."), tmp_path / "tables/scores")
    save_failed(
        Failure(message="run 'x' has no metric_y; evaluate it", log="logs/x.log"), tmp_path / "tables/broken"
    )
    (tmp_path / "figures").mkdir()
    figure, axes = plt.subplots(figsize=(9, 2))
    axes.plot([0, 1])
    figure.savefig(tmp_path / "figures/curves.pdf")
    plt.close(figure)
    sidecar = FigureSidecar(
        caption="Loss by epoch_number: 50 %.", kind="curves", title="Figure 1: loss & more"
    )
    (tmp_path / "figures/curves.json").write_text(dump(sidecar), encoding="utf-8")
    return tmp_path


def test_the_document_holds_all_in_order_and_says_what_is_missing(study):
    write_document(OPTIONS, study / "paper.tex")
    text = (study / "paper.tex").read_text(encoding="utf-8")
    parts = (r"\section*{Tables}", r"\input{tables/scores.tex}", "Table 3: broken", r"\section*{Figures}")
    places = [text.index(part) for part in (*parts, r"\shown{figures/curves.pdf}")]
    assert places == sorted(places)
    assert "could not be made: run 'x' has no metric" in text
    assert r"\input{tables/broken.tex}" not in text
    caption = re.search(r"\\caption\{(Loss.*)\}\\label", text)[1]
    assert caption.startswith(r"Loss \& more (Figure 1 of the study). Loss by epoch\_")


@needs_tex
def test_the_document_is_set_twice_alike_and_fits(study):
    write_document(OPTIONS, study / "paper.tex")
    for name in ("paper.pdf", "again.pdf"):
        typeset(study / "paper.tex", study / name)
    assert (study / "paper.pdf").read_bytes()[:5] == b"%PDF-"
    assert (study / "paper.pdf").read_bytes() == (study / "again.pdf").read_bytes()
    assert sorted(path.name for path in study.iterdir()) == [
        *("again.pdf", "figures", "paper.pdf", "paper.tex", "tables"),
    ]


@needs_tex
def test_what_tex_cannot_set_is_said(study):
    (study / "paper.tex").write_text(
        "\\documentclass{article}\n\\begin{document}\n\\nothing\n\\end{document}\n"
    )
    with pytest.raises(
        ValueError, match=r"(?s)pdflatex cannot set .*:3: Undefined control sequence.*nothing"
    ):
        typeset(study / "paper.tex", study / "paper.pdf")
    assert not (study / "paper.pdf").exists()


def test_where_there_is_no_tex_the_remedy_is_named(study, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match=r"there is no pdflatex on this machine .*texlive-latex-recommended"):
        typeset(study / "paper.tex", study / "paper.pdf")


def test_a_sidecar_that_is_missing_is_named(study):
    (study / "tables/scores.json").unlink()
    with pytest.raises(OSError, match=r"scores\.json"):
        write_document(OPTIONS, study / "paper.tex")
