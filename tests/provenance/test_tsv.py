# SPDX-License-Identifier: MIT
"""Names stay text, and one place reads our tables."""

import re

import pandas as pd
import pytest

from microtome.provenance import tsv
from microtome.report.table_cells import cells_of
from microtome.tables.frame import Column
from tests.workflow.workspace import REPOSITORY

NAMES = ["NA", "None", "null", "nan", "NaN", "007", "1e3", "1_000", "True", "-", "#N/A", "none", "Inf", 'a"b']


def test_names_come_back_as_written(tmp_path):
    frame = pd.DataFrame({"sample": NAMES, "class": NAMES, "value": [i / 7 for i in range(len(NAMES))]})
    frame.loc[3, "value"] = float("nan")
    frame.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    found = tsv.read(tmp_path / "t.tsv")
    assert found["sample"].tolist() == found["class"].tolist() == NAMES
    pd.testing.assert_series_equal(found["value"], frame["value"], check_exact=True)


def test_numbers_are_whole_where_all_are():
    found = tsv.parse("a\tb\tc\td\n1\t2\t1_0\tx\n3\t\t20\t1\n")
    assert found.dtypes.astype(str).tolist()[:2] == ["int64", "float64"]
    assert found["c"].tolist() == ["1_0", "20"]
    assert found["d"].tolist() == ["x", "1"]
    assert tsv.parse("a\tb\n", names=()).empty


def test_nothing_is_an_error():
    with pytest.raises(pd.errors.EmptyDataError):
        tsv.parse("")


def test_the_report_shows_names_as_written():
    columns = (Column("group", "Organ", kind="text"), Column("dice", "Dice"))
    frame, _ = cells_of("group\tdice\n01\t0.5\nNA\t\n\t1\n", columns)
    assert frame["group"].tolist()[:2] == ["01", "NA"]
    assert frame["group"].isna().tolist() == [False, False, True]  # printed as a dash
    assert frame["dice"].isna().tolist() == [False, True, False]


def test_nothing_else_reads_tables():
    wild = re.compile(r"pd\.read_(csv|table)|(?<!\w)(genfromtxt|loadtxt)\b")
    files = [
        path
        for top in ("microtome", "scripts", "workflow", "rules")
        for path in (REPOSITORY / top).rglob("*")
    ]
    found = [
        path.relative_to(REPOSITORY).as_posix()
        for path in files
        if path.suffix in (".py", ".smk") and wild.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["microtome/provenance/tsv.py"]
