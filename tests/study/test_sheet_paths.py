# SPDX-License-Identifier: MIT
"""Paths in sample sheets: none leads out of the folder unless the study allows it."""

from pathlib import Path

import numpy as np
from PIL import Image
from pytest import fixture, mark

from microtome.config.study import Data
from microtome.study.headers import check_files
from microtome.study.sample import resolve
from microtome.study.sheet import inspect_sheet
from tests.study.sheets import read_sheet

DATA = Data(source="files", samples="s.tsv", group_by="block", classes={"a": 0, "b": 1})


@fixture
def sheet(tmp_path):
    return tmp_path / "s.tsv"


def test_absolute_paths_stay_where_the_study_allows_them(sheet):
    sheet.write_text("sample\timage\tblock\na\t/x/a.png\tb\nb\t../b.png\tb\n", encoding="utf-8")
    allowed = DATA.model_copy(update={"allow_outside": True})
    resolved = resolve(read_sheet(sheet, allowed), Path("root"))
    assert [sample.image for sample in resolved] == ["/x/a.png", "root/../b.png"]


@mark.parametrize("path", ["/etc/passwd", "../a.png", "x/../../a.png", ".", "x/.."])
@mark.parametrize("column", ["image", "label", "cube", "dark", "blank"])
def test_paths_stay_in_the_folder(path, column, sheet):
    files = dict.fromkeys(("image", "label", "cube", "dark", "blank"), "a.png") | {column: path}
    names, paths = "\t".join(files), "\t".join(files.values())
    sheet.write_text(f"sample\tblock\t{names}\na\tb\t{paths}\n", encoding="utf-8")
    samples, (fault,) = inspect_sheet(sheet, DATA)
    assert (fault.where, fault.found) == (
        f"{sheet}:2 {column}",
        f"'{path}', which leads out of '{sheet.parent.as_posix()}'",
    )
    assert "set data.root, or set data.allow_outside: true" in fault.expected
    assert not [s for s in samples if s.cell(column)], "such a file is not even looked at"


def test_paths_inside_may_be_written_in_any_way(sheet):
    paths = ("./a.png", "x/../b.png", f"{sheet.parent}/c.png", "..d.png", "x/..e/f.png")
    rows = "".join(f"s{number}\t{path}\tb\n" for number, path in enumerate(paths))
    sheet.write_text("sample\timage\tblock\n" + rows, encoding="utf-8")
    assert len(read_sheet(sheet, DATA)) == len(paths)


def test_one_file_in_two_spellings_is_one_file(sheet):
    rows = f"a\ta.png\tla.png\tb\nb\t{sheet.parent}/a.png\tlb.png\tb\nc\tc.png\t{sheet.parent}/la.png\tb\n"
    sheet.write_text("sample\timage\tlabel\tblock\n" + rows, encoding="utf-8")
    found = [(fault.where.rpartition(":")[2], fault.found) for fault in inspect_sheet(sheet, DATA)[1]]
    assert [where for where, _ in found] == ["3 image", "4 label"]
    assert found[0][1].endswith("also in row 2")


@mark.parametrize(("page", "mpp"), [("1_0", "0.5"), ("1", "0_5")])
def test_numbers_have_no_underscores(page, mpp, sheet):
    sheet.write_text(f"sample\timage\tblock\tpage\tmpp\na\ta.tif\tb\t{page}\t{mpp}\n", encoding="utf-8")
    (fault,) = inspect_sheet(sheet, DATA)[1]
    assert "_" in fault.found


def test_paths_start_from_the_root_of_the_study(sheet, tmp_path):
    sheet.write_text(f"sample\timage\tblock\na\t{tmp_path}/x/a.png\tb\n", encoding="utf-8")
    for root, count in ((tmp_path / "x", 0), (tmp_path / "y", 1), (None, 0)):
        data = DATA.model_copy(update={"root": root and str(root)})
        assert len(inspect_sheet(sheet, data)[1]) == count


def test_a_link_inside_may_lead_outside(tmp_path):
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/a.png").symlink_to(tmp_path / "a.png")
    sheet, data = tmp_path / "inside/s.tsv", DATA.model_copy(update={"group_by": "sample"})
    sheet.write_text("sample\timage\na\ta.png\n", encoding="utf-8")
    assert check_files(resolve(read_sheet(sheet, data), sheet.parent), sheet, data) == []


@mark.parametrize(
    ("path", "found"),
    [
        ("a" * 256, "a name of more than 255 bytes"),
        ("x/" * 2001, "a path of more than 4000 bytes"),
        ("a\0.png", "characters that do not print"),
    ],
)
def test_paths_that_no_file_can_have(path, found, sheet):
    """Looking for a file with such a name is an error of the system, not an answer."""
    sheet.write_text(f"sample\timage\tlabel\tblock\na\ta.png\t{path}\tb\n", encoding="utf-8")
    (fault,) = inspect_sheet(sheet, DATA)[1]
    assert found in fault.found
    assert len(str(fault)) < 300 + len(str(sheet))
