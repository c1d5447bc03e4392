# SPDX-License-Identifier: MIT
"""LaTeX of tables: set by a TeX, it fits a column, a page, or a page on its side."""

import re

import numpy as np
import pandas as pd
import pytest

from microtome import tables
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts.condense import condense
from microtome.tables.parts.latex import to_latex
from microtome.tables.parts.latex_layout import COLUMN, LENGTH, PAGE, Grid, lay_out, width_of
from microtome.tables.parts.latex_text import escape_latex
from microtome.tables.parts.render import printed
from tests.tables.tex import needs_tex, set_text, too_tall, too_wide

RUNS = ("U-Net, BCE", "U-Net, Dice and BCE", "SE-ResNet-50, mask and shape marker", "Mean of six U-Nets")
TWO_COLUMNS = (
    r"\documentclass[10pt,a4paper,twocolumn]{article}\usepackage[utf8]{inputenc}\usepackage[T1]{fontenc}"
    r"\usepackage{lmodern}\usepackage[width=180mm,height=240mm,columnsep=4mm]{geometry}"
    r"\usepackage{amsmath,amssymb,array,booktabs,graphicx,rotating,textcomp}\begin{document}" + "\n"
)


def values(rows, *keys, interval=False, sd=True):
    """A frame of values in 0…1 with spread and intervals."""
    rng = np.random.default_rng(0)
    frame = {"label": [f"{RUNS[n % 4]}{n // 4 or ''}" for n in range(rows)]}
    for key in keys:
        value = rng.uniform(0.5, 0.99, rows)
        frame |= {key: value} | ({f"{key}_sd": value / 20} if sd else {})
        frame |= {f"{key}_ci_low": value - 0.05, f"{key}_ci_high": value + 0.01} if interval else {}
    return pd.DataFrame(frame)


def numbers(*keys, group="", **more):
    return [Column(key, key.replace("_", " "), group=group, **more) for key in keys]


RUN = Column("label", "Run", kind="text")
PUBLISHED = "published (MoNuSeg 2018, real data; not comparable)"


def small():
    return Table(values(2, "Dice", "IoU"), (RUN, *numbers("Dice", "IoU", better="high")), "Table II: scores")


def page_wide():
    ours, theirs = ("AJI", "AJI_plus", "PQ"), ("AJI_p", "PQ_p")
    columns = (RUN, *numbers(*ours, better="high"), *numbers(*theirs, group=PUBLISHED))
    return Table(values(9, *ours, *theirs), columns, "Scores", "Mean ± sd over 14 images of part test_1/a.")


def with_marks():
    marks = [Column(f"m{n}", name, kind="mark") for n, name in enumerate(("N = 1,500", "centre marker") * 6)]
    frame = values(9, "AJI", "PQ").assign(**{column.key: ["✓", ""] * 4 + ["✓"] for column in marks})
    return Table(frame, (RUN, *marks, *numbers("AJI", "PQ")), "Table II: ablation")


def classes_with_intervals():
    keys = [
        f"class_{name}"
        for name in ("background", "dermis", "epidermis", "keratin", "artefact", "nest", "mean")
    ]
    columns = (Column("label", "Run", kind="text"), *numbers(*keys, better="high"))
    return Table(
        values(12, *keys, interval=True), columns, "Rates of all pixels together", "In brackets: 95 %."
    )


def long():
    frame = values(70, "angle", "gain").assign(sample=[f"TCGA-18-5592-01Z-00-DX{n}" for n in range(70)])
    columns = (Column("sample", "Sample", kind="text"), RUN, *numbers("angle", "gain", unit="°"))
    return Table(frame, columns, "Stain normalization by image", "Angles: " + "between two vectors, " * 12)


def of_text():
    frame = pd.DataFrame(
        {
            "layer": [f"{n}" for n in range(5)],
            "text": ["convolutional; 48 maps of 46×46 neurons; 4×4", "input"] * 2 + ["[0, 1] * 50 % of a_b"],
            "other": ["the nearest threshold tried that gives the right call with the least area"] * 5,
            "sign": ["ψ0 ≥ 0.5 µm²", "β → ∞", "é ü ß “x” – …", "±0°", "<0.001*"],
        }
    )
    columns = [Column(key, key.capitalize(), kind="text") for key in frame]
    return Table(frame, tuple(columns), "What #1 costs: 5 $ & more {x} ~ ^")


def far_too_wide():
    keys = [f"sample_{n}" for n in range(24)]
    return Table(values(5, *keys), (RUN, *numbers(*keys)), "Loss by sample")


SHAPES = (small, page_wide, with_marks, classes_with_intervals, long, of_text, far_too_wide)


def grid_of(table):
    return Grid(table.columns, tuple(printed(table.frame, table.columns)))


@needs_tex
def test_every_shape_of_table_fits_its_place(tmp_path):
    made = [shape() for shape in SHAPES]
    made.append(tables.tabulate("activations", Inputs(), title="Table 1: activation functions"))
    log = set_text(tmp_path, "\n".join(map(to_latex, made)))
    assert too_wide(log) == []
    assert too_tall(log) == []


@needs_tex
def test_tables_of_a_column_and_of_a_page_fit_a_journal_of_two_columns(tmp_path):
    made = [to_latex(shape()) for shape in (small, page_wide, with_marks)]
    log = set_text(tmp_path, "\n".join(made), preamble=TWO_COLUMNS)
    assert too_wide(log) == []


@needs_tex
@pytest.mark.parametrize("shape", SHAPES[:6])
def test_widths_are_taken_for_a_little_more_than_they_are(tmp_path, shape):
    """The layout, which knows of no TeX, against the width that TeX gives the same tabular."""
    (layout,) = lay_out(grid_of(shape()))
    tabular = re.search(r"(?s)\\begin\{(longtable|tabular)\}.*?\n  \\end\{\1\}", to_latex(shape()))[0]
    tabular = re.sub(
        r"(?m)^ *\\(?:caption|bottomrule.*endlastfoot).*$|\\end(?:firsthead|head|foot)", "", tabular
    )
    type_size = r"\fontsize{8}{9.6}\selectfont\setlength{\tabcolsep}{3pt}"
    body = rf"\sbox{{\drawing}}{{{type_size}{tabular.replace('longtable', 'tabular')}}}"
    log = set_text(tmp_path, body + r"\typeout{WIDTH=\the\wd\drawing}", runs=1)
    found = float(re.search(r"WIDTH=([\d.]+)pt", log)[1])
    assert found <= layout.grid.width + 2 <= 1.25 * found + 12


@pytest.mark.parametrize(
    ("shape", "place"),
    [(small, "{table}"), (page_wide, "{table*}"), (with_marks, "{table*}"), (long, "{longtable}")],
)
def test_a_table_goes_where_it_fits(shape, place):
    assert rf"\begin{place}" in to_latex(shape())


def test_intervals_go_below_their_values_before_a_page_is_turned():
    grid = grid_of(classes_with_intervals())
    (layout,) = lay_out(grid)
    assert grid.width > PAGE
    assert layout.grid.is_stacked
    assert layout.grid.width <= LENGTH
    turned = lay_out(grid_of(Table(values(2, "a", interval=True), (RUN, *numbers("a")), "t")))
    assert not turned[0].grid.is_stacked
    assert turned[0].place == "table"


def test_texts_are_broken_into_lines_and_numbers_are_not():
    (layout,) = lay_out(grid_of(of_text()))
    assert layout.place == "table*"
    assert layout.grid.width <= PAGE
    assert dict(layout.grid.narrowed).keys() <= {1, 2, 3}
    assert dict(layout.grid.narrowed)
    assert r">{\raggedright\arraybackslash}p{" in to_latex(of_text())


def test_what_no_page_holds_is_cut_into_parts_that_repeat_the_first_column():
    layouts = lay_out(grid_of(far_too_wide()))
    keys = [[column.key for column in layout.grid.columns] for layout in layouts]
    assert len(keys) > 1
    assert {key[0] for key in keys} == {"label"}
    assert [key for one in keys for key in one[1:]] == [f"sample_{n}" for n in range(24)]
    text = to_latex(far_too_wide(), label="tab:x")
    assert text.count(r"\label{tab:x}") == 1
    assert f"Columns, part {len(keys)} of {len(keys)}." in text


def test_a_number_in_the_title_is_not_counted_twice():
    assert r"\caption{Scores (Table II of the study)}" in to_latex(small())
    assert r"\caption{Scores}" in to_latex(page_wide())


def test_the_packages_that_a_table_needs_are_named():
    heads = [to_latex(shape()).splitlines()[0] for shape in (small, with_marks, long)]
    assert [re.search(r"\{(.*)\}", head)[1] for head in heads] == [
        "booktabs",
        "amssymb,booktabs,graphicx",
        "array,booktabs,longtable",
    ]


@pytest.mark.parametrize(
    "text", ["Ω Σ Α α ϑ", "x² y₂ 10⁻³", "é ñ ø Ł", "日本 🔬", "a\tb\x00c", "[x] *y* \\\\"]
)
def test_any_text_can_be_set(text):
    found = escape_latex(text)
    assert found.count("{") == found.count("}")
    assert all(letter.isascii() or ord(letter) < 0x180 for letter in found)


@needs_tex
def test_any_text_is_set_by_tex(tmp_path):
    text = "Ω Σ Α α β ψ x² y₂ 10⁻³ é ñ ø Ł ß 日本 a\tb ≈ ≠ ∞ √ ↑ € µ μ Å –—… „x“"
    signs = "[x] *y* \\ ' \" ` 50 % #1 & $ {} ~ ^ < > |"
    log = set_text(tmp_path, escape_latex(f"{text} {signs}"))
    assert "Missing character" not in log


def test_a_column_of_one_value_is_said_in_the_note_once():
    frame = values(3, "Dice").assign(n=[4, np.nan, 4], data="phantom", part=["a", "b", "a"])
    columns = (RUN, *numbers("Dice"), Column("n", "n", format=".0f", once=True))
    columns = (
        *columns,
        Column("data", "Data", kind="text", once=True),
        Column("part", "Part", kind="text", once=True),
    )
    table = condense(Table(frame, columns, "t", "A note."))
    assert [column.key for column in table.columns] == ["label", "Dice", "part"]
    assert table.note == "A note. Alike in all rows: n 4, data phantom."
    assert list(table.frame) == list(frame)


def test_letters_are_not_narrower_than_digits_are_wide():
    assert width_of("0123456789") == pytest.approx(42.5)
    assert width_of("mm") > width_of("ii")
    assert COLUMN < PAGE < LENGTH
