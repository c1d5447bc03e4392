# SPDX-License-Identifier: MIT
"""The ISBI 2012 adapter on miniature copies of both layouts, and on the real stack where it is at hand."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from microtome.datasets.catalogue import load_catalogue
from microtome.datasets.fetch import verify
from microtome.datasets.isbi2012 import Row, discover, to_sheet
from microtome.io import images

SLICES = 6


def stacks():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (SLICES, 20, 30)).astype(np.uint8), (
        rng.integers(0, 2, (SLICES, 20, 30)) * 255
    ).astype(np.uint8)


@pytest.fixture
def as_folders(tmp_path):
    for name, stack in zip(("images", "labels"), stacks(), strict=True):
        for number, array in enumerate(stack):
            images.write_png(tmp_path / f"train/{name}/{number:02d}.png", array)
    return tmp_path


@pytest.fixture(params=["imagej", "plain"])
def as_stacks(tmp_path, request):
    options = (
        {"imagej": True, "metadata": {"axes": "ZYX"}} if request.param == "imagej" else {"metadata": None}
    )
    for name, stack in zip(("train-volume.tif", "train-labels.tif"), stacks(), strict=True):
        tifffile.imwrite(tmp_path / name, stack, photometric="minisblack", **options)
    return tmp_path


def test_folders_of_slices(as_folders):
    rows = discover(as_folders, block=2, parts={"train": 4, "test": 2})
    assert [row.block for row in rows] == ["b0", "b0", "b1", "b1", "b2", "b2"]
    assert [row.part for row in rows] == ["train"] * 4 + ["test"] * 2
    assert rows[3] == Row("slice-03", "b1", "train", "train/images/03.png", "train/labels/03.png", z=3)


def test_challenge_stacks(as_stacks):
    rows = discover(as_stacks)
    assert [row.page for row in rows] == list(range(SLICES))
    assert {row.part for row in rows} == {""}
    for row, image, label in zip(rows, *stacks(), strict=True):
        np.testing.assert_array_equal(images.read(as_stacks / row.image, page=row.page), image)
        np.testing.assert_array_equal(images.read(as_stacks / row.label, page=row.page), label)


def test_a_sheet_has_pages_only_where_files_have(as_folders):
    rows = discover(as_folders)
    assert to_sheet(rows).splitlines()[0] == "sample\tblock\tgroup\tpart\timage\tlabel\tz"
    assert [row.z for row in rows] == list(range(SLICES))
    paged = to_sheet([Row("a", "b0", "", "v.tif", "l.tif", 7)]).splitlines()
    assert paged == ["sample\tblock\tgroup\tpart\timage\tlabel\tpage", "a\tb0\tvnc\t\tv.tif\tl.tif\t7"]


def test_folders_that_do_not_fit_are_refused(as_folders, tmp_path):
    (as_folders / "train/labels/02.png").unlink()
    with pytest.raises(ValueError, match=r"\['02.png'\] without partner"):
        discover(as_folders)
    with pytest.raises(ValueError, match="found neither"):
        discover(tmp_path / "train")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"parts": {"train": 5}}, "add up"),
        ({"parts": {"train": 4, "test": 2}, "block": 3}, "cut the block of slices 3 to 5"),
        ({"block": 0}, "block=0"),
    ],
)
def test_parts_that_do_not_fit_are_refused(as_folders, options, match):
    with pytest.raises(ValueError, match=match):
        discover(as_folders, **options)


def test_stacks_of_different_length_are_refused(as_stacks):
    tifffile.imwrite(as_stacks / "train-labels.tif", stacks()[1][:4], photometric="minisblack")
    with pytest.raises(ValueError, match="6x20x30 and 4x20x30"):
        discover(as_stacks)


def sheet(name):
    with Path(f"config/samples/{name}.tsv").open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_the_sheets_keep_blocks_whole():
    rows = sheet("membranes")
    assert [row["part"] for row in rows] == ["train"] * 18 + ["val"] * 3 + ["test"] * 3
    assert all(
        len({row["part"] for row in rows if row["block"] == block}) == 1
        for block in {r["block"] for r in rows}
    )
    challenge = sheet("membranes_challenge")
    assert [int(row["page"]) for row in challenge] == list(range(30))
    assert {row["part"] for row in challenge} == {""}


@pytest.mark.realdata
def test_the_real_stack_is_the_catalogued_one():
    folder = os.environ.get("MICROTOME_DATA")
    if not folder:
        pytest.skip("MICROTOME_DATA is not set: the ISBI 2012 stack is not at hand")
    root = Path(folder) / "isbi2012_em"
    rows = discover(root, parts={"train": 18, "val": 3, "test": 3})
    assert to_sheet(rows) == Path("config/samples/membranes.tsv").read_text()
    assert verify(load_catalogue(Path("config/datasets.yaml"))["isbi2012_em"], root) == {}
