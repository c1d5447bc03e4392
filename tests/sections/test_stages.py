# SPDX-License-Identifier: MIT
"""Tissue and sections as stages: what they write, and what they refuse."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import shapely
from pytest import approx, fixture, raises

from microtome.io import images
from microtome.io.annotations import read_polygons
from microtome.io.errors import AnnotationError, ImageError
from microtome.io.section_boxes import Box, read_table
from microtome.io.slides import describe
from microtome.objects.labels import rasterize
from microtome.stages.slides.sections import find_sections
from microtome.stages.slides.tissue import find_tissue
from tests.slides.written import phantom, write

MPP = 1.0
CLASSES = ["normal", "tumor"]
PROPOSED = {"kind": "proposed", "names": {"tumor": ["BCC"]}}


@fixture(scope="module")
def batch(tmp_path_factory):
    """A slide of the phantom as SCN, whose bounds begin far within its canvas, and its tissue."""
    root = tmp_path_factory.mktemp("batch")
    (root / "images").mkdir()
    path = write("scn", root, phantom(MPP)[0], MPP)
    describe(path, mpp=2.0).write(root / "images" / "a.slide")
    find_tissue({"tissue": {"kind": "glass"}, "may_fail": False}, root / "images", root / "tissue")
    return root


def sections_of(batch, folder, given=None, **options):
    rows = [{"sample": "a", "sections": given}]
    wanted = {"sections": PROPOSED | options, "classes": CLASSES, "samples": rows, "may_fail": False}
    find_sections(wanted, batch, batch / "images", batch / "tissue", folder)
    return folder


def test_outlines_of_tissue_are_those_of_the_mask(batch):
    mask, mpp = images.read(batch / "tissue/a.tif"), images.header(batch / "tissue/a.tif").mpp
    assert (mask.dtype, set(np.unique(mask)), mpp) == (np.uint8, {0, 1}, 8.0)
    polygons = read_polygons(batch / "tissue/a.geojson")
    scaled = [
        replace(one, parts=tuple(tuple(ring / 8 for ring in part) for part in one.parts)) for one in polygons
    ]
    assert ((rasterize(scaled, mask.shape).labels > 0) == (mask > 0)).all()
    document = json.loads((batch / "tissue/a.geojson").read_text(encoding="utf-8"))
    assert all(shapely.geometry.shape(one["geometry"]).is_valid for one in document["features"])


def test_shares_and_overlay_are_of_the_slide(batch):
    mask = images.read(batch / "tissue/a.tif")
    (row,) = pd.read_csv(batch / "tissue/shares.tsv", sep="\t").to_dict("records")
    assert row["sample"] == "a"
    assert row["tissue"] == approx(mask.mean(), rel=1e-4)
    assert row["tissue_mm2"] == approx(mask.sum() * 64e-6, rel=1e-4)
    assert images.header(batch / "tissue/a.png").shape == (*mask.shape, 3, "uint8")


def test_tissue_is_where_the_phantom_has_it(batch):
    mask, (_, truth) = images.read(batch / "tissue/a.tif") > 0, phantom(MPP)
    outlines = shapely.union_all([piece for section in truth for piece in section.tissue])
    rows, columns = np.indices(mask.shape)
    inside = shapely.contains_xy(outlines, (columns + 0.5) * 8, (rows + 0.5) * 8)
    assert (mask & inside).sum() > 0.97 * inside.sum()
    assert (mask & ~inside).sum() < 0.05 * inside.sum()


def test_proposed_sections_are_those_of_the_phantom(batch, tmp_path):
    found = read_table(sections_of(batch, tmp_path / "s") / "a.tsv")
    truth = [shapely.union_all(section.tissue).bounds for section in phantom(MPP)[1]]
    assert len(found) == len(truth)
    for box, (left, top, right, bottom) in zip(found, truth, strict=True):
        assert (
            np.abs(
                np.array([box.x, box.y, box.right, box.bottom])
                - (left - 40, top - 40, right + 40, bottom + 40)
            ).max()
            <= 24
        )
    again = sections_of(batch, tmp_path / "again")
    for name in ("a.tsv", "a.geojson"):
        assert (again / name).read_bytes() == (tmp_path / "s" / name).read_bytes()


def test_a_given_file_takes_precedence_and_may_be_corrected_and_given_again(batch, tmp_path):
    """Proposed, corrected in QuPath (one moved and named, one drawn, one deleted), given in the sheet."""
    proposed = sections_of(batch, tmp_path / "proposed")
    document = json.loads((proposed / "a.geojson").read_text(encoding="utf-8"))
    first, second = document["features"]
    first["properties"]["classification"] = {"name": "BCC", "color": [200, 0, 0]}
    corner = first["geometry"]["coordinates"][0]
    first["geometry"]["coordinates"][0] = [[x + 3.4, y - 2.6] for x, y in corner]
    drawn = {"type": "Polygon", "coordinates": [[[5, 7], [45, 7], [45, 60], [5, 60], [5, 7]]]}
    added = {"type": "Feature", "geometry": drawn, "properties": {"classification": {"name": "normal"}}}
    (tmp_path / "corrected.geojson").write_text(json.dumps([first, added]), encoding="utf-8")
    given = sections_of(batch, tmp_path / "given", tmp_path / "corrected.geojson")
    before = read_table(proposed / "a.tsv")[0]
    assert [replace(box, section=0) for box in read_table(given / "a.tsv")] == [
        Box(y=7, x=5, height=53, width=40, label="normal"),
        replace(before, y=before.y - 3, x=before.x + 3, label="tumor", section=0),
    ]
    assert second["properties"]["name"] == "section 2"
    again = sections_of(batch, tmp_path / "again", given / "a.geojson")
    table = sections_of(batch, tmp_path / "table", given / "a.tsv")
    for name in ("a.tsv", "a.geojson"):
        assert (again / name).read_bytes() == (given / name).read_bytes() == (table / name).read_bytes()


def test_a_slide_as_a_whole_is_within_its_bounds(batch, tmp_path):
    height, width = phantom(MPP)[0].shape[:2]
    (box,) = read_table(sections_of(batch, tmp_path / "s", kind="whole") / "a.tsv")
    assert box == Box(y=0, x=0, height=height, width=width, section=1)


def test_a_box_outside_the_slide_stops(batch, tmp_path):
    (tmp_path / "b.tsv").write_text("y\tx\theight\twidth\n0\t0\t10\t99999\n", encoding="utf-8")
    with raises(AnnotationError, match=r"b\.tsv, box 1: found rows 0 to 10, columns 0 to 99999"):
        sections_of(batch, tmp_path / "s", tmp_path / "b.tsv")
    assert not (tmp_path / "s").exists()


def test_a_mask_of_another_slide_is_refused(batch, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.slide").write_bytes((batch / "images/a.slide").read_bytes())
    images.write(tmp_path / "tissue/a.tif", np.ones((9, 9), np.uint8), mpp=8.0)
    rows = [{"sample": "a", "sections": None}]
    wanted = {"sections": PROPOSED, "classes": CLASSES, "samples": rows, "may_fail": False}
    with raises(ImageError, match=r"found a mask of \(9, 9\) pixels"):
        find_sections(wanted, batch, tmp_path / "images", tmp_path / "tissue", tmp_path / "s")
