# SPDX-License-Identifier: MIT
"""The stage that refers to slides, and how its files are found and opened."""

import json
from pathlib import Path

import numpy as np
import tifffile
from pytest import fixture, mark, raises

from microtome.io import images, slides, views
from microtome.io.slides.pyramid import Box, lattice
from microtome.stages.slides.references import reference_slides
from tests.slides.written import phantom, write

SMALL = phantom()[0][:256, :320]
OPTIONS = {"mpp": 1.0, "tolerance": 0.05, "crop": True, "decode": "exact"}


@fixture
def root(tmp_path: Path) -> Path:
    """Two slides, of which one says how large its pixels are, and a picture of 16 bits."""
    write("svs", tmp_path / "raw", SMALL, 0.5)
    tifffile.imwrite(tmp_path / "raw/silent.tif", SMALL, photometric="rgb", tile=(256, 256), metadata=None)
    tifffile.imwrite(tmp_path / "raw/deep.tif", SMALL.astype(np.uint16), photometric="rgb", metadata=None)
    return tmp_path


def row(name: str, image: str, mpp: float | None = None) -> dict:
    """A row of the sheet."""
    return {"sample": name, "image": f"raw/{image}", "mpp": mpp}


def test_slides_stay_where_they_are(root: Path) -> None:
    rows = [row("a", "slide.svs"), row("b", "silent.tif", 0.25)]
    reference_slides(rows, root, root / "images", slides=OPTIONS)
    found = views.samples(root / "images")
    assert sorted(found) == ["a", "b"]
    assert views.find_sample([root / "none", root / "images"], "b") == root / "images/b.slide"
    assert [images.header(path).height for path in found.values()] == [128, 64]
    assert all(isinstance(views.open_raster(path), slides.SlideSource) for path in found.values())
    told = json.loads(found["a"].read_text())
    assert Path(told["path"]) == root / "raw/slide.svs"
    assert all(path.stat().st_size < 2000 for path in found.values())


@mark.parametrize(("mpp_from", "expected"), [(None, 0.52), ("sheet", 0.52), ("file", 0.5)])
def test_whose_pixel_size_counts(root: Path, mpp_from: str | None, expected: float) -> None:
    rows = [row("a", "slide.svs", 0.52), row("b", "silent.tif", 0.25)]
    reference_slides(rows, root, root / "images", slides=OPTIONS, mpp_from=mpp_from)
    found = [slides.read_reference(root / f"images/{name}.slide").slide_mpp for name in "ab"]
    assert found == [(expected, expected), (0.25, 0.25)]


@mark.parametrize("mpp_from", [None, "sheet", "file"])
def test_what_is_told_of_all_slides_comes_last(root: Path, mpp_from: str | None) -> None:
    rows = [row("a", "slide.svs"), row("b", "silent.tif"), row("c", "silent.tif", 0.25)]
    reference_slides(rows, root, root / "images", slides=OPTIONS, mpp_from=mpp_from, mpp=0.7)
    found = [slides.read_reference(root / f"images/{name}.slide").slide_mpp[0] for name in "abc"]
    assert found == [0.5, 0.7, 0.25]


def test_all_that_cannot_be_referred_to_are_named(root: Path) -> None:
    rows = [row("a", "slide.svs"), row("b", "silent.tif"), row("c", "deep.tif", 0.5), row("d", "gone.svs")]
    with raises(images.ImageError) as caught:
        reference_slides(rows, root, root / "images", slides=OPTIONS)
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["sample b", "sample c", "sample d"]
    for line, what in zip(lines, ("column mpp", "uint16", "nothing"), strict=True):
        assert what in line
    assert not (root / "images").exists()


def test_a_pixel_size_with_the_nine_digits_of_a_tag_shows_the_same_pixels() -> None:
    own, sides = 8.123456789012, (9001, 9500)
    for mpp in (own, float(f"{own:.9g}")):
        seen = lattice(Path("a.tif"), [sides], (own, own), Box(0, 0, *sides), mpp, 0.0)
        assert (seen.rows.length, seen.columns.length) == sides


def test_a_name_that_no_file_has_is_refused():
    with raises(images.ImageError, match="a path that no file has"):
        slides.describe("a" * 5000 + ".svs", mpp=1.0)
