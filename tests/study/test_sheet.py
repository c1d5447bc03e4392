# SPDX-License-Identifier: MIT
"""The sample sheet: what is read, and what a user is told of each mistake."""

import csv
import io
from pathlib import Path

import numpy as np
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytest import fixture, mark, raises

from microtome.config.phantoms.em import EMPhantomData
from microtome.config.phantoms.he import HEPhantomData
from microtome.config.study import Data
from microtome.faults import ConfigurationError
from microtome.study.headers import check_files
from microtome.study.sample import resolve
from microtome.study.sheet import inspect_sheet, phantom_sheet
from microtome.study.splits import check_labels, check_parts
from tests.study.sheets import read_sheet
from tests.workflow.workspace import REPOSITORY

DATA = Data(source="files", samples="s.tsv", group_by="block", classes={"a": 0, "b": 1})
HEAD = "sample\timage\tlabel\tblock\tpart\n"
ROW = "a\ta.png\ta-label.png\tb0\ttrain\n"
relaxed = settings(deadline=None, max_examples=60)


@fixture
def sheet(tmp_path):
    return tmp_path / "s.tsv"


def faults_of(sheet, content, data=DATA):
    sheet.write_bytes(content if isinstance(content, bytes) else content.encode())
    faults = inspect_sheet(sheet, data)[1]
    return [str(fault).removeprefix(str(sheet)) for fault in faults]


@mark.parametrize(
    "content",
    [
        HEAD + ROW,
        (HEAD + ROW).replace("\n", "\r\n"),
        "\ufeff" + HEAD + ROW,
        HEAD + "\n\n" + ROW + "\n\t\t\t\t\n",
        (HEAD + ROW).rstrip("\n"),
        HEAD + ROW.replace("a.png", '"a.png"').replace("train", " train "),
        "block\tpart\tsample\timage\tlabel\nb0\ttrain\ta\ta.png\ta-label.png\n",
        HEAD + ROW.replace("\n", "\t\t\n"),
        HEAD.replace("block", " block ").replace("sample", "sample ") + ROW,
    ],
    ids=["plain", "crlf", "bom", "blank", "no_newline", "quoted", "order", "empty_cells_beyond", "spaces"],
)
def test_ways_to_write_the_same_sheet(content, sheet):
    sheet.write_bytes(content.encode())
    (sample,) = read_sheet(sheet, DATA)
    assert (sample.sample, sample.image, sample.label) == ("a", "a.png", "a-label.png")
    assert (sample.unit, sample.part, sample.page, sample.mpp) == ("b0", "train", None, None)


def test_missing_cells_at_the_end_are_empty(sheet):
    sheet.write_text("sample\timage\tblock\tlabel\tpage\tmpp\na\ta.tif\tb0\n", encoding="utf-8")
    (sample,) = read_sheet(sheet, DATA)
    assert (sample.label, sample.page, sample.mpp) == (None, None, None)


def test_rows_are_numbered_as_an_editor_does(sheet):
    sheet.write_text(HEAD + "\n\n" + ROW + "\n" + ROW.replace("a", "b", 1), encoding="utf-8")
    samples, _ = inspect_sheet(sheet, DATA)
    assert [sample.row for sample in samples] == [4, 6]


def test_page_and_pixel_size(sheet):
    head, rows = "sample\timage\tblock\tpage\tmpp\n", "a\tx.tif\tb\t0\t0.004\nb\tx.tif\tb\t1\t\n"
    sheet.write_text(head + rows, encoding="utf-8")
    samples = read_sheet(sheet, DATA.model_copy(update={"mpp": 0.5}))
    assert [(s.page, s.mpp) for s in samples] == [(0, 0.004), (1, 0.5)]


def test_grouping_by_sample_needs_no_other_column(sheet):
    sheet.write_text("sample\timage\na\ta.png\nb\tb.png\n", encoding="utf-8")
    samples = read_sheet(sheet, DATA.model_copy(update={"group_by": "sample"}))
    assert [sample.unit for sample in samples] == ["a", "b"]


@mark.parametrize(
    ("content", "expected"),
    [
        ("", ": found an empty file; expected a header with the columns sample, image,"),
        ("\n\n", ": found an empty file; expected a header"),
        (HEAD, ": found no rows below the header; expected one row for each image"),
        (HEAD + "\t\t\n \n", ": found no rows below the header"),
        (HEAD.replace("\t", ",") + "a,a.png,,b,\n", ":1: found columns separated by ','; expected tabs"),
        (HEAD.replace("\t", ";"), ":1: found columns separated by ';'; expected tabs"),
        (
            HEAD.replace("block", "blok") + ROW,
            ":1: found no column 'block' (data.group_by is 'block'); expected it",
        ),
        (HEAD.replace("label", "lable") + ROW, ":1: found unknown column 'lable'; expected 'label'?"),
        (HEAD.replace("label", "Label") + ROW, ":1: found unknown column 'Label'; expected 'label'?"),
        (HEAD.replace("part", "image") + ROW, ":1: found the column 'image' a second time"),
        (HEAD.replace("\n", "\t\n") + ROW, ":1: found column 6 without a name"),
        (HEAD + ROW.replace("\n", "\tx\n"), ":2: found 6 cells; expected 5, one for each column"),
        (HEAD + ROW.replace("a\t", "\t", 1), ":2 sample: found nothing; expected a name of letters"),
        (HEAD + ROW.replace("a\t", "a b\t", 1), ":2 sample: found 'a b'; expected a name of letters"),
        (HEAD + ROW.replace("a\t", "../a\t", 1), ":2 sample: found '../a'; expected a name"),
        (HEAD + ROW.replace("a\t", ".a\t", 1), ":2 sample: found '.a'; expected a name"),
        (HEAD + ROW.replace("a.png", ""), ":2 image: found nothing; expected the path of the image"),
        (HEAD + ROW.replace("b0", " "), ":2 block: found nothing; expected the block this image comes from"),
        (
            HEAD + ROW.replace("train", "Train"),
            ":2 part: found 'Train'; expected train, val, test, or nothing",
        ),
        (HEAD + ROW + ROW, ":3 sample: found 'a', also in row 2; expected a name of its own"),
        (HEAD + ROW + ROW.replace("a\t", "A\t", 1), ":3 sample: found 'A', also in row 2 as 'a'"),
        (
            HEAD + ROW + ROW.replace("a\t", "b\t", 1),
            ":3 image: found 'a.png', also in row 2; expected each image once",
        ),
        (HEAD + ROW + ROW.replace("a\ta", "b\t./a", 1), ":3 image: found './a.png', also in row 2"),
        (HEAD + '"a\ta.png\t\tb\t\n', ":2: found unexpected end of data; expected cells separated by tabs"),
        (
            b"sample\timage\tblock\na\tb\xfcro.png\tb\n",
            ":2: found the byte 0xfc, which is not UTF-8; expected",
        ),
        (
            (HEAD + ROW).encode("utf-16"),
            ":1: found the byte 0xff, which is not UTF-8; expected a sheet saved",
        ),
    ],
)
def test_fault_of_a_sheet(content, expected, sheet):
    found = faults_of(sheet, content)
    assert any(fault.startswith(expected) for fault in found), found


@mark.parametrize(
    ("column", "value", "expected"),
    [
        ("page", "-1", ":2 page: found '-1'; expected a page number, from 0"),
        ("page", "1.0", ":2 page: found '1.0'; expected a page number"),
        ("page", "x", ":2 page: found 'x'"),
        ("mpp", "0", ":2 mpp: found '0'; expected micrometres per pixel, above 0"),
        ("mpp", "0,5", ":2 mpp: found '0,5'; expected micrometres per pixel, above 0, with a decimal point"),
        ("mpp", "nan", ":2 mpp: found 'nan'"),
        ("mpp", "inf", ":2 mpp: found 'inf'"),
    ],
)
def test_fault_of_a_number(column, value, expected, sheet):
    (found,) = faults_of(sheet, f"sample\timage\tblock\t{column}\na\ta.tif\tb\t{value}\n")
    assert found.startswith(expected)


def test_all_faults_of_all_rows_are_listed(sheet):
    rows = "a b\t\t\t\tx\nc\tc.png\t\tb\ty\n"
    sheet.write_text(HEAD + rows, encoding="utf-8")
    with raises(ConfigurationError) as caught:
        read_sheet(sheet, DATA)
    assert [str(fault).removeprefix(str(sheet)).split(":")[1] for fault in caught.value.faults] == [
        "2 sample",
        "2 image",
        "2 part",
        "2 block",
        "3 part",
    ]


def test_no_sheet(tmp_path):
    for path, found in ((tmp_path / "none.tsv", "no such file"), (tmp_path, "a folder")):
        with raises(ConfigurationError, match=found):
            read_sheet(path, DATA)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@relaxed
@given(st.lists(st.lists(cells, max_size=6), max_size=5), st.booleans())
def test_any_text_is_read_or_refused_with_faults(tmp_path_factory, rows, quoted):
    """No sheet, however odd, ends in another exception."""
    sheet = tmp_path_factory.mktemp("odd") / "s.tsv"
    if quoted:
        stream = io.StringIO()
        csv.writer(stream, delimiter="\t").writerows(rows)
        text = stream.getvalue()
    else:
        text = "\n".join("\t".join(row) for row in rows)
    sheet.write_bytes((HEAD + text).encode())
    samples, faults = inspect_sheet(sheet, DATA)
    assert samples or faults


@relaxed
@given(st.binary(max_size=40))
def test_any_bytes_are_refused_with_faults(tmp_path_factory, content):
    sheet = tmp_path_factory.mktemp("bytes") / "s.tsv"
    sheet.write_bytes(content)
    assert inspect_sheet(sheet, DATA)[1]


names = st.lists(st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,6}", fullmatch=True), min_size=1, max_size=6)


@relaxed
@given(names.filter(lambda found: len({n.casefold() for n in found}) == len(found)), st.data())
def test_what_is_written_is_read(tmp_path_factory, found, data):
    sheet = tmp_path_factory.mktemp("sheet") / "s.tsv"
    parts = data.draw(st.lists(st.sampled_from(["train", "val", "test", ""]), min_size=len(found)))
    rows = [
        [n, f"{n}.png", f"{n}-l.png", f"b{i}", p] for i, (n, p) in enumerate(zip(found, parts, strict=False))
    ]
    with sheet.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter="\t").writerows([HEAD.split(), *rows])
    read = read_sheet(sheet, DATA)
    assert [[s.sample, s.image, s.label, s.unit, s.part] for s in read] == rows


SHEETS = {
    "membranes": ("block", 24),
    "membranes_challenge": ("block", 30),
    "monuseg2018": ("patient", 30),
    "monuseg2018_challenge": ("patient", 44),
    "skin_layers": ("block", 26),
}
"""Those of the project: the column that keeps samples together, and their number."""


@mark.parametrize("path", sorted((REPOSITORY / "config/samples").glob("*.tsv")), ids=lambda path: path.stem)
def test_the_sheets_of_the_project(path):
    unit, count = SHEETS[path.stem]
    samples = read_sheet(path, DATA.model_copy(update={"group_by": unit}))
    assert len(samples) == count
    assert all(sample.label and sample.group for sample in samples)
    parts = {sample.sample: sample.part for sample in samples}
    assert check_parts(parts, samples, path, unit) == []
    units = [sample.unit for sample in samples]
    if path.stem.startswith("membranes"):
        assert units == sorted(units, key=lambda unit: int(unit[1:])), "blocks are runs of neighbours"
    if path.stem.startswith("monuseg"):
        assert {sample.mpp for sample in samples} == {0.25}


@fixture
def files(tmp_path):
    for name in ("a", "b"):
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / f"{name}.png")
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / f"{name}-label.png")
    return tmp_path


def check(folder, rows, data=DATA):
    sheet = folder / "s.tsv"
    sheet.write_text(HEAD.replace("part", "page") + rows, encoding="utf-8")
    faults = check_files(resolve(read_sheet(sheet, data), folder), sheet, data)
    return [str(fault).replace(f"{sheet}:", "").replace(f"{folder}/", "") for fault in faults]


def test_good_files_have_no_faults(files):
    assert check(files, "a\ta.png\ta-label.png\tb0\nb\tb.png\t\tb1\n") == []


def test_faults_of_files(files):
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(files / "rgb.png")
    Image.fromarray(np.zeros((6, 7), np.uint8)).save(files / "small.png")
    (files / "text.png").write_text("no image", encoding="utf-8")
    (files / "empty.png").touch()
    (files / "cut.png").write_bytes((files / "a.png").read_bytes()[:20])
    (files / "folder").mkdir()
    rows = [
        "c\tnone.png\ta-label.png\tb0\t0",
        "d\trgb.png\trgb.png\tb0\t0",
        "e\tb.png\tsmall.png\tb0\t0",
        "f\ttext.png\tempty.png\tb0\t0",
        "g\tcut.png\tfolder\tb0\t0",
        "h\ta.png\ta-label.png\tb0\t1",
    ]
    found = check(files, "\n".join(rows) + "\n")
    expected = [
        "2 image: found 'none.png', which does not exist; expected an image file",
        "3 image: found 3 channels in 'rgb.png'; expected 1, as data.channels says",
        "3 label: found 3 channels in 'rgb.png'; expected one channel of class values",
        "4 label: found a label of 6 x 7 pixels ('small.png'); expected 6 x 8 pixels, the size of its image",
        "5 image: found 'text.png', which cannot be read (not an image this program reads); expected",
        "5 label: found 'empty.png', which cannot be read (found an empty file (0 bytes)); expected",
        "6 image: found 'cut.png', which cannot be read (",
        "6 label: found 'folder', which is a folder; expected an image file",
        "7 page: found page 1 of 'a.png'; expected below 1; it has 1 page, from 0",
        "7 page: found page 1 of 'a-label.png'; expected below 1",
    ]
    assert len(found) == len(expected)
    for fault, start in zip(found, expected, strict=True):
        assert fault.startswith(start)


def test_outlines_are_looked_for_and_not_into(files):
    for name in ("a.xml", "b.GeoJSON", "c.json"):
        (files / name).write_text("not looked into", encoding="utf-8")
        assert check(files, f"a\ta.png\t{name}\tb0\t0\n") == []
    (files / "empty.xml").touch()
    (files / "folder.geojson").mkdir()
    rows = "a\ta.png\tempty.xml\tb0\t0\nb\tb.png\tnone.xml\tb0\t0\nc\tc.json\tfolder.geojson\tb0\t0\n"
    expected = [
        "2 label: found 'empty.xml', an empty file; expected outlines of objects; copy the file again",
        "3 label: found 'none.xml', which does not exist; expected a file of outlines; correct the path in",
        "4 image: found 'c.json', which cannot be read (",
        "4 label: found 'folder.geojson', which is a folder; expected a file of outlines",
    ]
    for fault, start in zip(check(files, rows), expected, strict=True):
        assert fault.startswith(start)


def test_instance_labels_of_any_numbers_are_labels(files):
    Image.fromarray(np.full((6, 8), 40000, np.uint16)).save(files / "deep.png")
    tifffile.imwrite(files / "deep.tif", np.full((6, 8), 70000, np.int32), photometric="minisblack")
    assert check(files, "a\ta.png\tdeep.png\tb0\t0\nb\tb.png\tdeep.tif\tb1\t0\n") == []


def test_pages_of_a_stack(files):
    tifffile.imwrite(files / "stack.tif", np.zeros((3, 6, 8), np.uint8), photometric="minisblack")
    rows = "".join(f"s{page}\tstack.tif\t\tb0\t{page}\n" for page in range(3))
    assert check(files, rows) == []
    (fault,) = check(files, rows + "s3\tstack.tif\t\tb0\t3\n")
    assert fault.startswith("5 page: found page 3 of 'stack.tif'; expected below 3; it has 3 pages, from 0")


def test_a_file_that_many_rows_name_is_one_fault(files):
    rows = "".join(f"s{page}\tgone.tif\t\tb0\t{page}\n" for page in range(3))
    (fault,) = check(files, rows)
    assert "2 image: found 'gone.tif', which does not exist (also in 2 further rows, to row 4)" in fault


def test_headers_are_read_again_when_a_file_changes(files):
    rows = "a\ta.png\ta-label.png\tb0\t0\n"
    assert check(files, rows) == []
    Image.fromarray(np.zeros((60, 80), np.uint8)).save(files / "a.png")
    assert len(check(files, rows)) == 1


def test_a_sheet_that_is_too_large_is_not_read(sheet, monkeypatch):
    monkeypatch.setattr("microtome.study.sheet.LARGEST_SHEET", 20)
    (found,) = faults_of(sheet, HEAD + ROW)
    assert "a sample sheet of at most 20" in found


def test_unlabelled_samples_only_in_test(sheet):
    sheet.write_text("sample\timage\tblock\na\ta.png\tb0\nb\tb.png\tb1\nc\tc.png\tb2\n", encoding="utf-8")
    samples = read_sheet(sheet, DATA)
    faults = check_labels({"a": "train", "b": "val", "c": "test"}, samples, sheet)
    assert [fault.where for fault in faults] == [f"{sheet}:2 label", f"{sheet}:3 label"]
    assert "only samples of part 'test' may go without" in faults[0].expected


def test_a_unit_in_two_parts_names_both_rows(sheet):
    rows = "a\ta.png\tb0\nb\tb.png\tb0\nc\tc.png\tb1\n"
    sheet.write_text("sample\timage\tblock\n" + rows, encoding="utf-8")
    (fault,) = check_parts({"a": "train", "b": "test", "c": "val"}, read_sheet(sheet, DATA), sheet, "block")
    assert str(fault) == (
        f"{sheet}:3 part: found block 'b0' in 'test', but in 'train' in row 2; "
        "expected each block in one part only, or scores are optimistic"
    )


@relaxed
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_phantom_sheet_keeps_blocks_whole(train, val, test, block):
    phantom = EMPhantomData(slices={"train": train, "val": val, "test": test}, block=block)
    samples = phantom_sheet(phantom)
    parts = {sample.sample: sample.part for sample in samples}
    assert [list(parts.values()).count(part) for part in ("train", "val", "test")] == [train, val, test]
    assert check_parts(parts, samples, Path("x"), "block") == []
    sizes = [sum(s.unit == unit for s in samples) for unit in {s.unit for s in samples}]
    assert max(sizes) <= block


def test_the_sheet_of_the_he_phantom_splits_by_patient():
    samples = phantom_sheet(HEPhantomData(tiles=2, images={"train": 5, "val": 2, "test": 4}))
    parts = {sample.sample: sample.part for sample in samples}
    assert check_parts(parts, samples, Path("x"), "patient") == []
    assert {sample.mpp for sample in samples} == {0.25}
    assert len({sample.unit for sample in samples}) == 3 + 1 + 2
