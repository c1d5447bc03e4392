# SPDX-License-Identifier: MIT
"""Files of strangers in a sheet: what `snakemake -n` says of them."""

import unicodedata
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tifffile
from PIL import Image
from pydantic import ValidationError
from pytest import fixture, mark, raises

from microtome.config.modalities.objects import Targets
from microtome.config.sampling import Input
from microtome.config.study import Data
from microtome.study import headers
from microtome.study.depths import check_depths
from microtome.study.headers import check_files, remembered
from microtome.study.modalities import cubes
from microtome.study.modalities.objects import check_labels
from microtome.study.sample import Sample, resolve
from microtome.study.sheet import inspect_sheet
from microtome.study.splits import check_spellings

DATA = Data(source="files", samples="s.tsv", group_by="block", classes={"a": 0, "b": 1})
HEAD = "sample\timage\tlabel\tblock\tpage\n"


@fixture
def files(tmp_path):
    for name in ("a", "b", "a-label", "b-label"):
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


def check(files, rows, data=DATA):
    sheet = files / "s.tsv"
    sheet.write_text(HEAD + rows, encoding="utf-8")
    samples, faults = inspect_sheet(sheet, data)
    found = [*faults, *check_files(resolve(samples, files), sheet, data)]
    return [str(fault).replace(f"{sheet}:", "").replace(f"{files.as_posix()}/", "") for fault in found]


def scan(path, *shapes):
    with tifffile.TiffWriter(path) as file:
        for shape in shapes:
            file.write(np.zeros(shape, np.uint8), photometric="minisblack", metadata=None)


def test_a_stack_without_a_page_is_said(files):
    tifffile.imwrite(files / "stack.tif", np.zeros((3, 6, 8), np.uint8), photometric="minisblack")
    (fault,) = check(files, "a\tstack.tif\t\tb0\t\n")
    assert fault.startswith("2 page: found nothing, for 3 pages in 'stack.tif'; expected the page of each")
    (fault,) = check(files, "a\ta.png\tstack.tif\tb0\t\n")
    assert fault.startswith("2 page: found nothing, for 3 pages in 'stack.tif'")


def test_sizes_are_those_of_the_page(files):
    scan(files / "scan.tif", (2, 3), (6, 8), (3, 4))
    assert check(files, "a\tscan.tif\ta-label.png\tb0\t\n") == []
    assert check(files, "a\tscan.tif\tscan.tif\tb0\t2\n") == []
    (fault,) = check(files, "a\tscan.tif\t\tb0\t3\n")
    assert fault.startswith("2 page: found page 3 of 'scan.tif'; expected below 3")
    scan(files / "other.tif", (6, 8), (6, 8), (6, 8))
    (fault,) = check(files, "a\tother.tif\tscan.tif\tb0\t2\n")
    assert fault.startswith("2 label: found a label of 3 x 4 pixels ('scan.tif'); expected 6 x 8 pixels")


def test_pages_of_other_sizes_are_remembered(files):
    scan(files / "scan.tif", (2, 3), (6, 8))
    with remembered(files / "headers.json"):
        first = headers.header_of(str(files / "scan.tif"))
    headers._known.clear()
    with remembered(files / "headers.json"):
        assert headers._known
        assert headers.header_of(str(files / "scan.tif")) == first


# --- depth


def depths(files, types, data=DATA, **run):
    lines = [f"s{k}\ti{k}.tif\t\tb{k}\t\n" for k in range(len(types))]
    for number, dtype in enumerate(types):
        tifffile.imwrite(files / f"i{number}.tif", np.zeros((6, 8), dtype), photometric="minisblack")
    (files / "s.tsv").write_text(HEAD + "".join(lines), encoding="utf-8")
    samples = resolve(inspect_sheet(files / "s.tsv", data)[0], files)
    options = {"view": "image", "is_ensemble": False, "input": Input(**run)}
    study = SimpleNamespace(data=data, runs={"one": SimpleNamespace(**options)})
    found = check_depths(study, samples, files / "s.tsv", ".".join)
    return [str(fault).replace(f"{files.as_posix()}/", "") for fault in found]


def test_one_depth_is_no_fault(files):
    assert depths(files, ["uint8"] * 3) == []
    assert depths(files, ["uint16"] * 3, scale=65535) == []
    assert depths(files, ["float16", "float32", "float64"], scale=1) == []
    assert depths(files, ["int64"]) == []


def test_mixed_depths_are_said(files):
    (fault,) = depths(files, ["uint8", "uint16", "uint8", "uint16", "uint8"])
    assert fault.startswith("s.tsv:3 image: found uint16 values in 'i1.tif' and 1 further images")
    assert "expected uint8, as 'i0.tif' has; set data.dtype" in fault
    assert depths(files, ["uint8", "uint16"], DATA.model_copy(update={"dtype": "uint8"})) == []


@mark.parametrize("dtype", ["uint16", "float32"])
def test_a_scale_that_nobody_said_is_asked_for(files, dtype):
    (fault,) = depths(files, [dtype])
    assert fault.startswith(f"defaults.input.scale: found nothing, which is 255, for {dtype} images such as")
    assert depths(files, [dtype], scale=255) == []


# --- names


def test_a_name_in_another_unicode_form_is_told_apart(files):
    composed = unicodedata.normalize("NFC", "Präparat.png")
    decomposed = unicodedata.normalize("NFD", composed)
    for there, said in ((composed, decomposed), (decomposed, composed)):
        (files / "a.png").rename(files / there)
        (fault,) = check(files, f"a\t{said}\t\tb0\t\n")
        assert "which does not exist; expected an image file; a name that looks the same is there" in fault
        assert "Unicode form" in fault
        assert check(files, f"a\t{there}\t\tb0\t\n") == []
        (files / there).rename(files / "a.png")
        headers._names.cache_clear()
    folder = unicodedata.normalize("NFD", "Müller")
    (files / folder).mkdir()
    (fault,) = check(files, "a\tMüller/a.png\t\tb0\t\n")
    assert "another Unicode form, decomposed (NFD) for composed (NFC)" in fault


def test_capitals_are_told(files):
    (fault,) = check(files, "a\tA.PNG\t\tb0\t\n")
    assert "there is 'a.png', whose capitals differ; write the name as it is there" in fault


@mark.parametrize("name", ["scan{2}.png", "{sample}/a.png", "{x,[0-9]{2}}.png", "{ a_b }.png"])
def test_words_in_braces_are_refused(files, name):
    for row in (f"a\t{name}\t\tb0\t\n", f"a\ta.png\t{name}\tb0\t\n"):
        (fault,) = check(files, row)
        assert "in braces, which Snakemake takes for a wildcard; expected the path of a file" in fault


@mark.parametrize("name", ["{3f2a-11}.png", "a}{b.png", "{}.png", "a{.png"])
def test_other_braces_are_names(files, name):
    (files / "a.png").rename(files / name)
    assert check(files, f"a\t{name}\t\tb0\t\n") == []


@mark.parametrize("name", ["a{b}", "{x}"])
def test_the_study_s_own_paths_have_no_words_in_braces(name):
    with raises(ValidationError, match="in braces"):
        DATA.model_validate(DATA.model_dump() | {"samples": f"{name}/s.tsv"})


# --- slips


def test_one_label_for_two_images(files):
    (fault,) = check(files, "a\ta.png\ta-label.png\tb0\t\nb\tb.png\t./a-label.png\tb0\t\n")
    assert fault.startswith(
        "3 label: found './a-label.png', which is the label of 'a.png' in row 2; expected"
    )
    tifffile.imwrite(files / "stack.tif", np.zeros((2, 6, 8), np.uint8), photometric="minisblack")
    rows = "a\tstack.tif\tstack.tif\tb0\t0\nb\tstack.tif\tstack.tif\tb0\t1\n"
    assert check(files, rows) == []


@mark.parametrize("column", ["cube", "types"])
def test_what_belongs_to_one_image_stands_beside_no_other(column):
    samples = [Sample(name, f"{name}.png", row=row, label="l.png") for row, name in enumerate("ab", start=2)]
    beside = [replace(one, more={column: path}) for one, path in zip(samples, ("x", "./x"), strict=True)]
    study = SimpleNamespace(
        cubes=object(),
        targets=Targets(kind="instances"),
        data=SimpleNamespace(classes=["rest", "cell"], source="files"),
    )
    check_all = {"cube": cubes.check_samples, "types": check_labels}[column]
    assert [str(fault) for fault in check_all(study, beside, Path("s.tsv"))] == [
        f"s.tsv:3 {column}: found './x', also in row 2; expected a {column} of its own for each image"
    ]
    pages = [replace(one, page=number) for number, one in enumerate(beside)]
    assert list(headers.named_twice(pages, column, Path("s.tsv"))) == []


SLIPS = [
    ("P1", "p1"),
    ("007", "7"),
    ("P 07", "P7"),
    ("TCGA-05-1", "tcga-5-01"),
    ("Ａ1", "a1"),
    ("7", "7.0"),
    ("007.00", "7"),
]
APART = [("1", "10"), ("100", "1"), ("P1", "P2"), ("a0", "a00x"), ("1.5", "15"), ("0", ""), ("7.1", "7.10")]


@mark.parametrize(("first", "second"), SLIPS)
def test_units_that_a_spreadsheet_made_of_one(first, second):
    samples = [Sample("a", "a", unit=first, row=2), Sample("b", "b", unit=second, row=3)]
    (fault,) = check_spellings({"a": "train", "b": "test"}, samples, Path("s.tsv"), "patient")
    assert str(fault).startswith(
        f"s.tsv:3 patient: found patient '{second}' in 'test', but '{first}' in 'train'"
    )
    assert check_spellings({"a": "train", "b": "train"}, samples, Path("s.tsv"), "patient") == []


def test_units_that_look_alike_are_told_apart():
    samples = [Sample("a", "a", unit="P 1", row=2), Sample("b", "b", unit="P\u00a01", row=3)]
    (fault,) = check_spellings({"a": "train", "b": "test"}, samples, Path("s.tsv"), "patient")
    assert fault.found.endswith(r"in row 2 (which look alike, but are 'P\xa01' and 'P 1')")


@mark.parametrize(("first", "second"), APART)
def test_units_that_are_not_one(first, second):
    samples = [Sample("a", "a", unit=first, row=2), Sample("b", "b", unit=second, row=3)]
    assert check_spellings({"a": "train", "b": "test"}, samples, Path("s.tsv"), "patient") == []


@mark.parametrize(("classes", "faults"), [(["background", "nucleus"], 0), (["background", "a", "b"], 2)])
def test_only_objects_of_several_classes_need_a_map_of_classes(files, classes, faults):
    samples = [Sample(name, f"{name}.png", label=f"{name}-label.png", row=2) for name in "ab"]
    study = SimpleNamespace(
        targets=Targets(kind="instances"),
        data=SimpleNamespace(source="files", classes=dict(zip(classes, range(3), strict=False))),
    )
    assert len(list(check_labels(study, samples, Path("s.tsv")))) == faults
