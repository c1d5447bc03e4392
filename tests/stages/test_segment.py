# SPDX-License-Identifier: MIT
"""From probability maps to label maps and objects, and from objects to the table of metrics."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from microtome.config.prediction import BoundaryWatershed, Watershed
from microtome.io import images
from microtome.objects.regions import separate_regions
from microtome.objects.watershed import separate
from microtome.stages.evaluate import evaluate_run
from microtome.stages.segment import segment_batch
from tests.objects.test_watershed import tissue


@pytest.fixture
def maps(tmp_path):
    """Maps of two images of different sizes: mask and marker."""
    for name, shape in (("a", (90, 110)), ("b", (70, 64))):
        mask, marker, _ = tissue(len(name) + shape[0], shape)
        images.write(tmp_path / f"maps/{name}.tif", np.stack((mask, marker)), mpp=0.25)
    return tmp_path / "maps"


def segment(maps, folder="found", **options):
    segment_batch(Watershed(**options).model_dump(), maps, maps.parent / folder)
    return maps.parent / folder


def test_a_watershed_writes_classes_and_objects(maps):
    folder = segment(maps)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        *("a.tif", "b.tif", "instances", "instances/a.tif", "instances/b.tif")
    ]
    for name in ("a", "b"):
        objects, classes = images.read(folder / f"instances/{name}.tif"), images.read(folder / f"{name}.tif")
        assert (objects.dtype, classes.dtype) == (np.int32, np.uint8)
        assert np.array_equal(objects, separate(*np.moveaxis(images.read(maps / f"{name}.tif"), -1, 0)))
        assert np.array_equal(classes, objects > 0)
        assert images.header(folder / f"instances/{name}.tif").mpp == pytest.approx(0.25)


def test_tiles_write_the_same_bytes(maps):
    whole = segment(maps, flooding="rings", reach=20)
    tiled = segment(maps, "tiled", flooding="rings", reach=20, tile=32)
    for path in sorted(whole.rglob("*.tif")):
        assert (tiled / path.relative_to(whole)).read_bytes() == path.read_bytes()
    assert len(list(tiled.rglob("*"))) == len(list(whole.rglob("*")))


def test_a_mask_alone_needs_other_markers(maps, tmp_path):
    images.write(tmp_path / "mask/a.tif", images.read(maps / "a.tif")[..., 0])
    with pytest.raises(ValueError, match=r"a\.tif: there is a mask map alone.*set markers to eroded"):
        segment(tmp_path / "mask")
    folder = segment(tmp_path / "mask", markers="eroded")
    assert images.read(folder / "instances/a.tif").max() > 1
    assert not list(tmp_path.glob(".*"))


def test_markers_of_the_mask_pass_over_a_predicted_marker(maps, tmp_path):
    images.write(tmp_path / "mask/a.tif", images.read(maps / "a.tif")[..., 0])
    alone = segment(tmp_path / "mask", "alone", markers="eroded")
    both = segment(maps, "both", markers="eroded")
    name = "instances/a.tif"
    assert np.array_equal(images.read(alone / name), images.read(both / name))


def test_maps_that_a_kind_cannot_take_are_named(tmp_path):
    images.write(tmp_path / "maps/a.tif", np.full((4, 8, 8), 0.25, np.float32))
    with pytest.raises(ValueError, match=r"a\.tif holds 4 maps, segment.kind watershed takes"):
        segment(tmp_path / "maps")
    images.write(tmp_path / "nan/a.tif", np.full((2, 8, 8), np.nan, np.float32))
    with pytest.raises(ValueError, match=r"a\.tif: the mask map holds nan at row 0, column 0"):
        segment(tmp_path / "nan")


def boundaries(seed=0, shape=(40, 44)):
    """A smooth probability of boundary."""
    field = gaussian_filter(np.random.default_rng(seed).random(shape), 2)
    return ((field - field.min()) / np.ptp(field)).astype(np.float32)


@pytest.mark.parametrize("index", [0, 1])
def test_lines_are_of_the_boundary_and_regions_of_the_other_class(tmp_path, index):
    """The one map of a network is of class 1, which may be either."""
    boundary, settings = boundaries(), BoundaryWatershed(h=0.05, sigma=0)
    images.write(tmp_path / "maps/a.tif", boundary if index else 1 - boundary)
    segment_batch(settings.model_dump() | {"of": index}, tmp_path / "maps", tmp_path / "out")
    found, regions = images.read(tmp_path / "out/a.tif"), separate_regions(boundary, settings)
    assert regions.max() > 3
    assert np.array_equal(found == index, regions == 0)
    assert found.dtype == np.uint8
    assert not (tmp_path / "out/instances").exists()


def test_regions_of_several_classes_have_the_class_most_of_their_pixels_vote_for(tmp_path):
    boundary = np.full((8, 9), 0.1, np.float32)
    boundary[:, 4] = 0.9
    left = np.zeros((8, 9), np.float32)
    left[:, :4], left[0, 6] = 0.8, 0.85
    maps = np.stack((left, boundary, np.full((8, 9), 0.3, np.float32)))
    images.write(tmp_path / "maps/a.tif", maps / maps.sum(0))
    options = BoundaryWatershed(sigma=0).model_dump() | {"of": 1, "activation": "softmax"}
    segment_batch(options, tmp_path / "maps", tmp_path / "out")
    assert np.array_equal(images.read(tmp_path / "out/a.tif"), np.uint8([[0, 0, 0, 0, 1, 2, 2, 2, 2]] * 8))


def test_regions_are_of_one_map_or_of_one_a_class(tmp_path):
    images.write(tmp_path / "maps/a.tif", np.full((2, 8, 8), 0.25, np.float32))
    with pytest.raises(ValueError, match=r"a\.tif holds 2 maps, segment.kind boundary_watershed takes one"):
        segment_batch(BoundaryWatershed().model_dump() | {"of": 0}, tmp_path / "maps", tmp_path / "out")
    images.write(tmp_path / "maps/a.tif", np.full((8, 8), 1.5, np.float32))
    with pytest.raises(ValueError, match=r"a\.tif: the boundary map holds 1\.5 at row 0"):
        segment_batch(BoundaryWatershed().model_dump() | {"of": 1}, tmp_path / "maps", tmp_path / "out")


def evaluate(maps, folder, targets):
    options = dict.fromkeys(("study", "split", "run"), "x") | {
        "seed": 0,
        "metrics": ["instances", "overlap"],
        "thresholds": [],
        "losses": {},
        "activation": "sigmoid",
        "classes": ["background", "nucleus"],
        "samples": {"a": "test", "b": "test"},
        "groups": {"a": "liver", "b": ""},
    }
    files = {"maps": [maps], "segmentations": [folder], "targets": [targets]}
    evaluate_run(options, files, maps.parent / "metrics.tsv")
    return pd.read_csv(maps.parent / "metrics.tsv", sep="\t")


def test_objects_beside_targets_and_segmentations_are_evaluated(maps):
    folder = segment(maps)
    table = evaluate(maps, folder, folder).set_index(["sample", "class", "metric"])["value"]
    assert (table["a", "all", "aji"], table["b", "all", "pq"]) == (1, 1)
    assert table["a", "all", "predicted_objects"] == images.read(folder / "instances/a.tif").max()
    assert table["a", "nucleus", "dice"] == 1


def test_targets_without_objects_are_an_error(maps):
    folder = segment(maps)
    for name in ("a", "b"):
        images.write(maps.parent / f"classes/{name}.tif", images.read(folder / f"{name}.tif"))
    with pytest.raises(ValueError, match="the target has no map of objects"):
        evaluate(maps, folder, maps.parent / "classes")


def test_smaller_levels_of_classes_hold_classes_alone(tmp_path):
    """A viewer that shows a large map from afar shows no class between two others."""
    truth = np.tile(np.array([0, 2, 2, 0], np.uint8), (4200, 4))
    maps = np.stack([truth == index for index in range(3)]).astype(np.uint8) * np.uint8(255)
    images.write(tmp_path / "maps/a.tif", maps)
    segment_batch({"kind": "argmax"}, tmp_path / "maps", tmp_path / "found")
    with tifffile.TiffFile(tmp_path / "found/a.tif") as file:
        levels = [level.asarray() for level in file.series[0].levels]
    assert len(levels) > 1
    np.testing.assert_array_equal(levels[0], truth)
    assert all(np.isin(level, (0, 2)).all() for level in levels)
