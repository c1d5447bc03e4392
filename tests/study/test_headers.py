# SPDX-License-Identifier: MIT
"""Files of cubes in the sample sheet: what is read, and what a user is told of each mistake."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pytest import fixture, mark

from microtome.config.phantoms.cubes import CubePhantomData
from microtome.config.study import Data
from microtome.io import images
from microtome.study.headers import check_files
from microtome.study.sample import as_rows, resolve
from microtome.study.sheet import inspect_sheet, phantom_sheet
from microtome.study.splits import check_parts

DATA = Data(source="files", samples="s.tsv", channels=3, classes={"a": 0, "b": 1})
HEAD = "sample\timage\tlabel\tpatient\tgroup\tcube\tdark\tblank\n"
ROW = "a\ta.png\tl.png\tp\t10x\ta.hdr\td.hdr\tb.hdr\n"
HEADER = """ENVI
samples = {width}
lines = {height}
bands = {bands}
data type = 12
interleave = bsq
byte order = 0
"""


def cube(folder, name, bands=3, height=6, width=8):
    text = HEADER.format(width=width, height=height, bands=bands)
    (folder / f"{name}.hdr").write_text(text, encoding="utf-8")
    (folder / f"{name}.img").write_bytes(bytes(2 * bands * height * width))


@fixture
def folder(tmp_path):
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "l.png")
    cube(tmp_path, "a")
    cube(tmp_path, "d")
    cube(tmp_path, "b")
    return tmp_path


def check(folder, row=ROW, head=HEAD):
    sheet = folder / "s.tsv"
    sheet.write_text(head + row, encoding="utf-8")
    samples, faults = inspect_sheet(sheet, DATA)
    assert faults == []
    found = check_files(resolve(samples, folder), sheet, DATA)
    return [str(fault).replace(f"{sheet}:", "").replace(f"{folder.as_posix()}/", "") for fault in found]


def test_the_columns_are_read_and_resolved(folder):
    assert check(folder) == []
    (sample,), _ = inspect_sheet(folder / "s.tsv", DATA)
    assert (sample.more, sample.row) == ({"cube": "a.hdr", "dark": "d.hdr", "blank": "b.hdr"}, 2)
    (resolved,) = resolve([sample], Path("/x"))
    assert resolved.more == {"cube": "/x/a.hdr", "dark": "/x/d.hdr", "blank": "/x/b.hdr"}


@mark.parametrize("shape", [(3, 1, 8), (3, 6, 1), (3, 1, 1)])
def test_references_may_be_lines_or_averages(folder, shape):
    cube(folder, "d", *shape)
    assert check(folder) == []


def test_a_cube_may_be_the_image_and_have_references(folder):
    assert check(folder, "a\ta.hdr\tl.png\tp\t10x\t\td.hdr\tb.hdr\n") == []
    cube(folder, "d", 4)
    (fault,) = check(folder, "a\ta.hdr\tl.png\tp\t10x\t\td.hdr\tb.hdr\n")
    assert fault.startswith(
        "2 dark: found 4 bands of 6 x 8 pixels in 'd.hdr'; expected 3 bands of 6 x 8 pixels"
    )


def test_a_cube_may_have_no_references(folder):
    assert check(folder, "a\ta.png\tl.png\tp\t10x\ta.hdr\t\t\n") == []


def remove(name):
    return lambda folder: (folder / name).unlink()


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


@mark.parametrize(
    ("spoil", "expected"),
    [
        (remove("a.hdr"), "2 cube: found 'a.hdr', which does not exist; expected a cube; correct the path"),
        (remove("b.hdr"), "2 blank: found 'b.hdr', which does not exist"),
        (write("d.hdr", b""), "2 dark: found 'd.hdr', an empty file; expected a cube; copy the file again"),
        (
            remove("b.img"),
            "2 blank: found no data file beside the header ('b.hdr'); expected one of b, b.img",
        ),
        (write("a.img", b"12"), "2 cube: found a data file cut short at 2 bytes ('a.img'); expected 288"),
        (write("a.hdr", b"PNG"), "2 cube: found a first line 'PNG' ('a.hdr'); expected 'ENVI'"),
        (
            write(
                "a.hdr", HEADER.format(width=8, height=6, bands=3).replace("byte order = 0\n", "").encode()
            ),
            "2 cube: found no field 'byte order' ('a.hdr'); expected one in the header; add a line",
        ),
        (
            lambda folder: cube(folder, "a", 3, 6, 9),
            "2 cube: found a cube of 6 x 9 pixels ('a.hdr'); expected 6 x 8, the size of its image",
        ),
        (
            lambda folder: cube(folder, "b", 3, 2, 8),
            "2 blank: found 3 bands of 2 x 8 pixels in 'b.hdr'; expected 3 bands of 6 x 8 pixels as",
        ),
    ],
)
def test_faults_say_where_what_and_the_remedy(folder, spoil, expected):
    spoil(folder)
    assert any(fault.startswith(expected) for fault in check(folder))


def test_references_without_a_cube_are_a_mistake(folder):
    found = check(folder, "a\ta.png\tl.png\tp\t10x\t\td.hdr\tb.hdr\n")
    assert [fault.split(":")[0] for fault in found] == ["2 dark", "2 blank"]
    assert "found 'd.hdr' without a cube; expected the cube in column 'cube'" in found[0]


def test_a_label_fits_the_cube_that_is_the_image(folder):
    cube(folder, "a", 3, 7, 8)
    (fault,) = check(folder, "a\ta.hdr\tl.png\tp\t10x\t\t\t\n")
    assert fault.startswith("2 label: found a label of 6 x 8 pixels ('l.png'); expected 7 x 8 pixels")


def test_rows_of_other_studies_have_no_columns_of_cubes(folder):
    check(folder)
    samples, _ = inspect_sheet(folder / "s.tsv", DATA)
    assert as_rows(samples)[0]["cube"] == "a.hdr"
    check(folder, "a\ta.png\tl.png\tp\n", "sample\timage\tlabel\tpatient\n")
    samples, _ = inspect_sheet(folder / "s.tsv", DATA)
    assert not {"cube", "dark", "blank", "row"} & set(as_rows(samples)[0])


def test_the_sheet_of_the_cube_phantom_splits_by_patient():
    samples = phantom_sheet(CubePhantomData(images={"train": 5, "val": 2, "test": 4}))
    parts = {sample.sample: sample.part for sample in samples}
    assert check_parts(parts, samples, Path("x"), "patient") == []
    assert {(sample.group, sample.mpp) for sample in samples} == {("10x", 1.0), ("20x", 0.5)}


def test_checks_need_neither_scipy_nor_spectral():
    """The DAG is made from them."""
    code = "import sys, microtome.study.sheet; print(*{m.split('.')[0] for m in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"scipy", "skimage", "torch", "pandas", "spectral"} & set(found.split())


@mark.parametrize(
    ("said", "mpp_from", "is_fault"),
    [
        ("0.5", None, True),
        ("0.26", None, False),
        ("", None, False),
        ("0.5", "file", False),
        ("0.5", "sheet", False),
    ],
)
def test_pixel_sizes_of_sheet_and_file_that_are_apart(tmp_path, said, mpp_from, is_fault):
    """5 % is a difference of calibration; more is a slip that changes every area."""
    images.write(tmp_path / "a.tif", np.zeros((8, 8), np.uint8), mpp=0.25)
    sheet = tmp_path / "s.tsv"
    sheet.write_text(f"sample\timage\tpatient\tmpp\na\ta.tif\tp\t{said}\n", encoding="utf-8")
    data = Data(source="files", samples="s.tsv", classes={"a": 0, "b": 1}, mpp_from=mpp_from)
    samples, faults = inspect_sheet(sheet, data)
    found = check_files(resolve(samples, tmp_path), sheet, data)
    assert faults == []
    image = (tmp_path / "a.tif").as_posix()
    expected = [
        f"{sheet}:2 mpp: found 0.5 µm per pixel, where '{image}' says 0.25 µm; expected the same; or say "
        "which is right by data.mpp_from: sheet, or file"
    ]
    assert [str(fault) for fault in found] == (expected if is_fault else [])


def test_the_pixel_size_of_a_study_is_compared_too(tmp_path):
    images.write(tmp_path / "a.tif", np.zeros((8, 8), np.uint8), mpp=0.25)
    sheet = tmp_path / "s.tsv"
    sheet.write_text("sample\timage\tpatient\na\ta.tif\tp\n", encoding="utf-8")
    data = Data(source="files", samples="s.tsv", classes={"a": 0, "b": 1}, mpp=1)
    samples, _ = inspect_sheet(sheet, data)
    (fault,) = check_files(resolve(samples, tmp_path), sheet, data)
    assert fault.found.startswith("1 µm per pixel, where")
