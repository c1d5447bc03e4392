# SPDX-License-Identifier: MIT
"""Files of strangers in a sheet: what `snakemake -n` says of them."""

from types import SimpleNamespace

import numpy as np
import tifffile
from PIL import Image
from pytest import fixture, mark

from microtome.config.sampling import Input
from microtome.config.study import Data
from microtome.study import headers
from microtome.study.depths import check_depths
from microtome.study.headers import check_files, remembered
from microtome.study.sample import resolve
from microtome.study.sheet import inspect_sheet

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
