# SPDX-License-Identifier: MIT
"""Prediction section by section, against a map that needs no windows and against labelling it whole."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import openslide
import pytest
import tifffile

from microtome.io import images
from microtome.io.slides.pyramid import Box
from microtome.stages.slides.heatmaps import Layout, Predictor, heat_map, predict_sections
from tests.slides.predicted import CALLS, MASK, MPP, OPTIONS, Darkness, Made, blobs, darkness, largest

BOXES = [(10, 20, 150, 130), (40, 330, 160, 100), (230, 30, 60, 40)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    batch = Made(tmp_path_factory.mktemp("slides"))
    batch.add("one", blobs(317, 452), BOXES)
    return batch


def part(array, box):
    y, x, height, width = box
    return array[..., y : y + height, x : x + width]


def test_maps_and_areas_are_those_of_the_whole_slide(made):
    whole, found = made.predict("one", BOXES, Darkness())
    expected = darkness(blobs(317, 452)).astype(np.float32)
    for number, box in enumerate(BOXES, 1):
        np.testing.assert_allclose(part(whole[1], box), part(expected, box), atol=1e-5)
        regions = [largest(part(whole[1], box), np.float32(one)) for one in CALLS["thresholds"]]
        np.testing.assert_allclose(found[number].areas, np.array(regions) * MPP**2)
        assert found[number].greatest == part(whole[1], box).max()
    np.testing.assert_allclose(whole.sum(0)[whole[0] >= 0], 1, atol=1e-5)


def test_sections_whose_windows_overlap_are_predicted_once(made):
    network, alone = Darkness(), Darkness()
    boxes = [(10, 20, 100, 200), (50, 100, 100, 200), (112, 20, 50, 50)]
    made.predict("one", boxes, network)
    made.predict("one", [(10, 20, 152, 280)], alone)
    assert network.windows == alone.windows


def test_windows_without_tissue_cost_nothing(tmp_path):
    batch, tissue = Made(tmp_path), np.zeros((20, 29), np.uint8)
    tissue[4, 6] = 1
    pixels, box = blobs(317, 452), (0, 0, 317, 452)
    batch.add("one", pixels, [box], tissue)
    network = Darkness()
    whole, found = batch.predict("one", [box], network)
    y, x = 4 * MASK, 6 * MASK
    expected = darkness(pixels).astype(np.float32)
    np.testing.assert_allclose(part(whole[1], (y, x, 15, 15)), part(expected, (y, x, 15, 15)), atol=1e-5)
    assert network.windows <= 9 and (whole[1] == 0).mean() > 0.8
    assert found[1].greatest == whole[1].max()


def test_tissue_outside_sections_does_not_count(made):
    network = Darkness()
    whole, _ = made.predict("one", [(0, 0, 64, 64)], network)
    assert network.windows == 1 and (whole[1] >= 0).sum() == 64 * 64


def test_small_sections_are_seen_with_their_surroundings(made):
    """The window lies on the slide wherever the slide goes on: nothing is mirrored."""

    class Mean(Darkness):
        def forward(self, windows):
            return super().forward(windows.mean((2, 3), keepdim=True).expand_as(windows))

    whole, _ = made.predict("one", [(130, 200, 10, 10)], Mean())
    around = blobs(317, 452)[103:167, 173:237, 0]
    np.testing.assert_allclose(whole[1, 135, 205], 1 - around.mean() / 255, atol=1e-5)


def test_a_slide_smaller_than_a_window_is_mirrored(tmp_path):
    batch, pixels = Made(tmp_path), blobs(40, 50)
    batch.add("one", pixels, [(0, 0, 40, 50)])
    whole, _ = batch.predict("one", [(0, 0, 40, 50)], Darkness())
    np.testing.assert_allclose(whole[1], darkness(pixels), atol=1e-5)


@pytest.mark.parametrize("reduction", [2, 16])
def test_a_level_is_stitched_at_its_resolution(made, reduction):
    boxes = [(16, 32, 150, 130), (32, 320, 170, 120)]
    whole, found = made.predict("one", boxes, Darkness(reduction))
    expected = darkness(blobs(317, 452), reduction).astype(np.float32)
    assert whole.shape[1:] == expected.shape
    for number, (y, x, height, width) in enumerate(boxes, 1):
        top, left = y // reduction, x // reduction
        box = (top, left, -(-(y + height) // reduction) - top, -(-(x + width) // reduction) - left)
        np.testing.assert_allclose(part(whole[1], box), part(expected, box), atol=1e-5)
        regions = [largest(part(whole[1], box), np.float32(one)) for one in CALLS["thresholds"]]
        np.testing.assert_allclose(found[number].areas, np.array(regions) * (MPP * reduction) ** 2)


def test_heat_maps_keep_what_is_asked_for_and_lie_on_the_slide(made, tmp_path):
    kept = {"store": {"dtype": "uint8", "classes": ["tumor"]}}
    options = OPTIONS | {"predict": OPTIONS["predict"] | kept}
    network = Darkness().eval()
    layout = made.layout("one", BOXES)
    tissue = images.open_source(made.tissue / "one.tif")
    with heat_map(tmp_path / "map.tif", Predictor(network, options), layout) as put:
        predict_sections(Predictor(network, options), layout, tissue, put)
    expected = darkness(blobs(317, 452))
    with tifffile.TiffFile(tmp_path / "map.tif") as tiff:
        stored = tiff.asarray()
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    assert stored.dtype == np.uint8 and stored.shape == (317, 452)
    for box in BOXES:
        assert abs(part(stored, box) - part(expected, box) * 255).max() <= 0.5 + 1e-3
    assert stored[200:225, 200:300].max() == 0
    assert images.channel_names(tmp_path / "map.tif") == ("tumor",)
    assert (pixels["PhysicalSizeX"], pixels["Plane"]["PositionX"]) == (MPP, 0)
    with openslide.OpenSlide(tmp_path / "map.tif") as slide:
        assert float(slide.properties[openslide.PROPERTY_NAME_MPP_X]) == pytest.approx(MPP, rel=1e-4)


def test_all_classes_are_kept_as_floats_by_default(made, tmp_path):
    layout, predictor = made.layout("one", BOXES), Predictor(Darkness().eval(), OPTIONS)
    tissue = images.open_source(made.tissue / "one.tif")
    with heat_map(tmp_path / "map.tif", predictor, layout) as put:
        predict_sections(predictor, layout, tissue, put)
    whole, _ = made.predict("one", BOXES, Darkness())
    source = images.open_source(tmp_path / "map.tif")
    assert source.shape == (2, 317, 452) and source.dtype == np.float32
    np.testing.assert_array_equal(source.read(0, 0, 317, 452), np.where(whole < 0, 0, whole))


def test_a_box_outside_the_slide_is_refused(made):
    with pytest.raises(ValueError, match="outside a map of 317 x 452"):
        made.layout("one", [(400, 10, 20, 20)])


def test_classes_without_a_map_are_refused(made):
    options = OPTIONS | {"calls": CALLS | {"class": "stroma"}}
    with pytest.raises(ValueError, match=r"calls\.class is 'stroma'"):
        made.predict("one", BOXES, Darkness(), options)


CANVAS = """
import resource, sys, time
from pathlib import Path
import numpy as np
from microtome.io.section_boxes import Box
from microtome.io.raster import ArraySource
from microtome.stages.slides.heatmaps import Predictor, heat_map, lay_out, predict_sections
from tests.slides.predicted import OPTIONS, Darkness

class Reference:
    bounds, slide_mpp = (0, 0, 1, 1), (0.5, 0.5)

class Canvas:
    shape, dtype, mpp, scale, reference = None, np.dtype(np.uint8), (0.5, 0.5), (1.0, 1.0), Reference()
    def read(self, y, x, height, width, channels=slice(None)):
        return np.full((3, height, width), 99, np.uint8)

source, (height, width, y, x) = Canvas(), map(int, sys.argv[2:6])
source.shape = (3, height, width)
options = OPTIONS | {"predict": OPTIONS["predict"] | {"window": 512, "store": {"dtype": "uint8"}}}
predictor = Predictor(Darkness().eval(), options)
layout = lay_out(source, {1: Box(y=y, x=x, height=2000, width=1500)}, 1)
tissue = ArraySource(np.ones((height // 16, width // 16), np.uint8))
begun = time.perf_counter()
with heat_map(Path(sys.argv[1]), predictor, layout) as put:
    predict_sections(predictor, layout, tissue, put)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_depend_on_the_canvas(tmp_path):
    def peak(*size):
        arguments = [sys.executable, "-c", CANVAS, str(tmp_path / "map.tif"), *map(str, size)]
        return int(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)

    assert peak(60_000, 25_000, 9_000, 7_000) < 1.15 * peak(2_000, 1_500, 0, 0)


def test_a_map_begins_at_the_corner_of_what_was_scanned():
    reference = SimpleNamespace(bounds=Box(y=100, x=300, height=10, width=20), slide_mpp=(0.5, 0.25))
    assert Layout(SimpleNamespace(reference=reference), 4, {}).origin == (50.0, 75.0)
