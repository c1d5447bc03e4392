# SPDX-License-Identifier: MIT
"""A run applied to a new slide: files that other programs open, of the slide's extent, and calls."""

import json

import numpy as np
import openslide
import pandas as pd
import pytest
import shapely
import tifffile
from PIL import Image
from scipy import ndimage

from microtome.files import write_json
from microtome.io.annotations import read_polygons
from microtome.io.errors import ImageError
from microtome.report.applied import AppliedPage, build_applied
from microtome.stages.slides.apply import SlideApplier
from microtome.stages.slides.heatmaps import Predictor
from microtome.stages.slides.regions import AREA
from tests.slides.predicted import CALLS, MPP, OPTIONS, Darkness, Made, blobs, darkness

SIZE = 700, 1100
THRESHOLD, LEAST = 0.6, 40.0
SLIDES = {"mpp": 1.0, "tolerance": 0.05, "crop": True, "decode": "exact"}
SLIDES |= {"tissue": {"kind": "whole"}, "sections": {"kind": "whole"}}


def applied(root, reduction=1, **changes):
    """Apply the darkness of pixels to a slide; the folder of results and the row of the summary."""
    path = Made(root).add("one", blobs(*SIZE), [])
    selection = root / "selection.json"
    write_json(selection, {"threshold": THRESHOLD, "least_area": LEAST})
    options = {"slides": SLIDES, "calls": CALLS, "classes": ["normal", "tumor"]} | changes
    of_run = OPTIONS | {"calls": CALLS | {"thresholds": [THRESHOLD]}}
    applier = SlideApplier(Predictor(Darkness(reduction).eval(), of_run), selection, options)
    row = {"sample": "one", "image": path.as_posix(), "page": None, "mpp": MPP}
    (root / "scratch").mkdir()
    return root / "scratch" / "out" / "one", applier(row, root / "scratch")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return applied(tmp_path_factory.mktemp("applied"))


def halved(pixels):
    """The slide at twice its pixel size, by exact means rounded half up."""
    return np.floor(pixels.reshape(SIZE[0] // 2, 2, SIZE[1] // 2, 2, 3).mean((1, 3)) + 0.5)


def test_the_heat_map_is_pyramidal_and_lies_on_the_slide(done):
    path, expected = done[0] / "heatmap.tif", darkness(halved(blobs(*SIZE)))
    with tifffile.TiffFile(path) as tiff:
        levels = [level.shape[-2:] for level in tiff.series[0].levels]
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
        np.testing.assert_allclose(tiff.asarray()[1], expected, atol=1e-5)
    assert levels == [(350, 550), (175, 275), (88, 138)]
    assert pixels["PhysicalSizeX"] * pixels["SizeX"] == SIZE[1] * MPP
    assert pixels["PhysicalSizeY"] * pixels["SizeY"] == SIZE[0] * MPP


def test_a_map_of_bytes_is_opened_by_openslide(tmp_path):
    path = Made(tmp_path).add("one", blobs(*SIZE), [])
    write_json(tmp_path / "selection.json", {"threshold": THRESHOLD, "least_area": LEAST})
    predict = OPTIONS["predict"] | {"store": {"dtype": "uint8", "classes": ["tumor"]}}
    of_run = OPTIONS | {"calls": CALLS | {"thresholds": [THRESHOLD]}, "predict": predict}
    options = {"slides": SLIDES, "calls": CALLS, "classes": ["normal", "tumor"]}
    applier = SlideApplier(Predictor(Darkness().eval(), of_run), tmp_path / "selection.json", options)
    (tmp_path / "scratch").mkdir()
    applier({"sample": "one", "image": str(path), "page": None, "mpp": MPP}, tmp_path / "scratch")
    with openslide.OpenSlide(tmp_path / "scratch" / "out" / "one" / "heatmap.tif") as slide:
        assert slide.dimensions == (550, 350)
        assert float(slide.properties[openslide.PROPERTY_NAME_MPP_Y]) == pytest.approx(2 * MPP, rel=1e-4)


def test_regions_are_the_pixels_at_the_threshold(done):
    mask = darkness(halved(blobs(*SIZE))).astype(np.float32) >= np.float32(THRESHOLD)
    polygons = read_polygons(done[0] / "regions.geojson")
    document = json.loads((done[0] / "regions.geojson").read_text())
    shapes = [shapely.geometry.shape(one["geometry"]) for one in document["features"]]
    assert all(shape.is_valid for shape in shapes)
    y, x = np.mgrid[0:350, 0:550] * 2 + 1
    whole = shapely.union_all(shapes)
    shapely.prepare(whole)
    np.testing.assert_array_equal(shapely.contains_xy(whole, x, y), mask)
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    assert len(polygons) == len(shapes) == count
    areas = sorted(np.bincount(labels.ravel())[1:] * (2 * MPP) ** 2)
    assert sorted(one["properties"]["measurements"][AREA] for one in document["features"]) == areas
    assert {one["properties"]["classification"]["name"] for one in document["features"]} == {"tumor"}


def test_calls_are_by_the_largest_region(done):
    calls = pd.read_csv(done[0] / "calls.tsv", sep="\t")
    document = json.loads((done[0] / "regions.geojson").read_text())
    largest = max(one["properties"]["measurements"][AREA] for one in document["features"])
    assert calls["area"].tolist() == [largest]
    assert calls["call"].tolist() == ["tumor"] and largest >= LEAST
    (section,) = json.loads((done[0] / "sections.geojson").read_text())["features"]
    assert shapely.geometry.shape(section["geometry"]).bounds == (0, 0, SIZE[1], SIZE[0])
    assert section["properties"]["classification"]["name"] == "tumor"
    found = done[1]
    assert (found["height"], found["width"], found["mpp"]) == (*SIZE, MPP)
    assert (found["sections"], found["tumor_sections"]) == (1, 1)
    assert found["tumor_regions"] == len(document["features"])
    assert json.loads((done[0] / "summary.json").read_text()) == found


def test_pictures_are_of_the_whole_slide(done):
    thumbnail, overlay = (
        np.asarray(Image.open(done[0] / f"{name}.png")).astype(int) for name in ("thumbnail", "overlay")
    )
    assert thumbnail.shape == overlay.shape == (350, 550, 3)
    np.testing.assert_array_equal(thumbnail, halved(blobs(*SIZE)))
    changed, grey = abs(overlay - thumbnail).sum(axis=2)[3:-3, 3:-3], thumbnail[3:-3, 3:-3, 0]
    assert changed[grey < 60].min() > changed[grey > 240].max()


def test_the_page_shows_the_slide_and_what_was_found(done):
    rows = [{"image": "one.tif", "sample": "one", "status": "done", "message": "", **done[1]}]
    page = AppliedPage("DS on new images", {}, [], rows, ["normal", "tumor"], [])
    html = build_applied(page, done[0].parent)
    assert html.count("data:image/") == 2 and "not shown" not in html
    assert "tumor_sections" in html


@pytest.mark.parametrize("reduction", [4, 16])
def test_coarse_levels_have_the_extent_of_the_slide(tmp_path, reduction):
    folder, _ = applied(tmp_path, reduction)
    with tifffile.TiffFile(folder / "heatmap.tif") as tiff:
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    for axis, length in zip("YX", SIZE, strict=True):
        beyond = pixels[f"PhysicalSize{axis}"] * pixels[f"Size{axis}"] - length * MPP
        assert 0 <= beyond < reduction * 2 * MPP
    document = json.loads((folder / "regions.geojson").read_text())
    shapes = [shapely.geometry.shape(one["geometry"]) for one in document["features"]]
    bounds = shapely.union_all(shapes).bounds
    assert bounds[0] >= 0 and bounds[1] >= 0 and bounds[2] <= SIZE[1] and bounds[3] <= SIZE[0]


def test_a_slide_without_tissue_says_so(tmp_path):
    glass = SLIDES | {"tissue": {"kind": "glass"}, "sections": {"kind": "proposed"}}
    path = Made(tmp_path).add("one", np.full((600, 700, 3), 240, np.uint8), [])
    write_json(tmp_path / "selection.json", {"threshold": THRESHOLD, "least_area": LEAST})
    options = {"slides": glass, "calls": CALLS, "classes": ["normal", "tumor"]}
    applier = SlideApplier(Predictor(Darkness().eval(), OPTIONS), tmp_path / "selection.json", options)
    with pytest.raises(ImageError, match="tissue"):
        applier({"sample": "one", "image": str(path), "page": None, "mpp": MPP}, tmp_path)
