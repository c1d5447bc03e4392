# SPDX-License-Identifier: MIT
"""Cells of tables on the page: formulas as MathML, spans, and what stands in small type."""

from xml.etree import ElementTree

import pytest

from microtome.report.formulas import mathml_of
from microtome.report.products import read_table
from microtome.report.table_cells import cells_of_table
from microtome.tables import tabulate
from microtome.tables.frame import Column
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.activations import ACTIVATIONS
from microtome.tables.parts.save import save_table


@pytest.mark.parametrize("formula", [text for one in ACTIVATIONS for text in (one.formula, one.range)])
def test_every_formula_of_the_activation_functions_is_mathml(formula):
    root = ElementTree.fromstring(mathml_of(formula))
    assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
    assert "\\" not in "".join(root.itertext())


@pytest.mark.parametrize(
    "formula",
    [
        r"\text{<script>alert(1)</script>}",
        r"\href{javascript:alert(1)}{x}",
        r"\mathrm{<b onclick=alert(1)>}",
        r'\color{red" onclick="alert(1)}{x}',
        r'\style{x" onload="alert(1)}{x}',
        r"\text{<img src=x onerror=alert(1)>}",
        "<script>alert(1)</script>",
    ],
)
def test_no_formula_brings_an_element_or_an_address_into_the_page(formula):
    found = mathml_of(formula)
    tags = {part.split()[0].strip("/>") for part in found.split("<")[1:]}
    assert not tags & {"script", "a", "img", "b"}
    assert "javascript" not in found
    assert "onclick=" not in found.replace("&", "")
    assert 'onload="' not in found


@pytest.mark.parametrize("formula", [r"\frac{", "{", "x^", r"\begin{matrix}", r"\left("])
def test_what_cannot_be_read_is_none(formula):
    assert mathml_of(formula) == ""


def test_the_page_gets_formulas_spans_and_intervals(tmp_path):
    save_table(tabulate("activations", Inputs(), title="Table 1: functions"), tmp_path / "activations")
    table = read_table(tmp_path, "activations", {"activations": "Functions"}, root=tmp_path)
    assert table.groups[-1] == ("Value at u", 3)
    assert table.rows[0][1].mathml.startswith("<math")
    assert table.rows[0][0].mathml == ""


def test_spreads_go_below_the_values_of_a_table_that_would_be_wider_than_a_window():
    def cells(count):
        keys = [f"v{number}" for number in range(count)]
        values = dict.fromkeys(keys, 0.5) | {f"{key}_sd": 0.1 for key in keys}
        values |= {f"{key}_ci_low": 0.4 for key in keys} | {f"{key}_ci_high": 0.6 for key in keys}
        text = "\n".join("\t".join(map(str, row)) for row in (values, values.values()))
        return cells_of_table(f"{text}\n", [Column(key, key) for key in keys]).rows[0]

    assert [(cell.text, cell.small) for cell in cells(3)] == [("0.500 ± 0.100", "[0.400,\xa00.600]")] * 3
    assert [(cell.text, cell.small) for cell in cells(12)] == [("0.500", "±\xa00.100 [0.400,\xa00.600]")] * 12
