# SPDX-License-Identifier: MIT
"""Outlines drawn by bands: the same as pixel by pixel, whatever the height of a band and the grid."""

import json
import tracemalloc

import numpy as np
import pytest
import shapely

from microtome.config.features import Features
from microtome.io.annotations import Polygon
from microtome.objects.areas import NO_CLASS, Areas
from microtome.objects.features import read_areas

CLASSES = ["normal", "tumor"]
REGIONS = {"T": ["Tumornest"], "S": ["Stroma"], "N": ["Normal"]}
MEANT = Features(names={"Tumornest": "tumor"})


def star(generator, name):
    """A star of 3 to 9 corners with a hole, somewhere on and beside 45 x 45 pixels."""
    turns = np.sort(generator.uniform(0, 2 * np.pi, generator.integers(3, 10)))
    radii, (x, y) = generator.uniform(4, 22, turns.size), generator.uniform(-5, 45, 2)
    ring = np.stack([x + radii * np.cos(turns), y + radii * np.sin(turns)], 1)
    hole = np.array([x, y]) + 0.3 * (ring - [x, y])
    rings = [[*one.tolist(), one[0].tolist()] for one in (ring, hole)]
    geometry = {"type": "Polygon", "coordinates": rings}
    return {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": name}}}


def drawn(features, tmp_path, shape, rows, **options):
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(features), encoding="utf-8")
    known = {"classes": CLASSES, "order": "area", "outside": 0, "regions": REGIONS}
    areas, left_out = read_areas(path, shape, MEANT, **(known | options))
    assert left_out == {}
    bands = list(areas.bands(shape, rows))
    assert [band.y for band in bands] == list(range(0, shape[0], rows))
    return np.concatenate([b.classes for b in bands]), np.concatenate([b.regions for b in bands])


def by_pixel(features, shape, scale, origin):
    """Which outlines cover the centre of each pixel, by shapely: (n, H, W), holes left out."""
    y, x = (np.arange(count) + 0.5 for count in shape)
    places = np.meshgrid(origin[1] + scale[1] * x, origin[0] + scale[0] * y)
    covered = []
    for one in features:
        rings = [shapely.Polygon(ring) for ring in one["geometry"]["coordinates"]]
        covered.append(np.logical_xor(*(shapely.contains_xy(ring, *places) for ring in rings)))
    return np.array(covered)


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize(("scale", "origin"), [((1, 1), (0, 0)), ((2.0005, 1.5), (3.25, -2))])
def test_every_pixel_is_that_of_its_centre(tmp_path, rows, scale, origin):
    generator = np.random.default_rng(6)
    names = ["Tumornest", "Stroma", "Normal", "Tumornest", "Stroma", "Tumornest"]
    features, shape = [star(generator, name) for name in names], (29, 41)
    covered = by_pixel(features, shape, scale, origin)
    classes, regions = drawn(features, tmp_path, shape, rows, scale=scale, origin=origin)
    is_tumor = np.array([name == "Tumornest" for name in names])
    assert (classes == covered[is_tumor].any(0)).all()
    for bit, called in enumerate(("Tumornest", "Stroma", "Normal")):
        wanted = covered[[name == called for name in names]].any(0)
        assert ((regions >> bit & 1) == wanted).all()
    assert classes.any() and all((regions >> bit & 1).any() for bit in range(3))


def square(x, y, side, name, **fields):
    ring = np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], float)
    return Polygon(parts=((ring,),), region="", classification=name, **fields)


def test_what_is_cut_out_is_cut_out_of_its_own_name_in_every_band():
    polygons = [square(0, 0, 8, "a"), square(0, 0, 8, "b"), square(2, 2, 4, "a", negative=True)]
    areas = Areas(polygons, (1, NO_CLASS, NO_CLASS), (1, 2, 1), (0, 1, 2), outside=0)
    bands = list(areas.bands((9, 9), 3))
    classes, regions = (np.concatenate([band[part] for band in bands]) for part in (1, 2))
    expected = np.zeros((9, 9), int)
    expected[:8, :8] = 1
    expected[2:6, 2:6] = 0
    assert (classes == expected).all()
    assert ((regions & 1) == expected).all()
    assert (regions >> 1).sum() == 64


def test_names_of_regions_are_taken_beside_those_of_classes(tmp_path):
    """Where some classes alone are taken, outlines of another class that are a region are not drawn as it."""
    generator = np.random.default_rng(2)
    features = [star(generator, name) for name in ("Tumornest", "Stroma", "normal")]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(features), encoding="utf-8")
    options = {"classes": [*CLASSES, "Stroma"], "order": "area", "outside": 0, "regions": {"S": ["Stroma"]}}
    some = Features(names={"Tumornest": "tumor"}, take=["Tumornest"])
    areas, left_out = read_areas(path, (50, 50), some, **options)
    (band,) = areas.bands((50, 50))
    assert left_out == {"class 'normal'": 1}
    assert set(np.unique(band.classes)) == {0, 1}
    assert band.regions.sum() == by_pixel(features, (50, 50), (1, 1), (0, 0))[1].sum() > 0


@pytest.mark.parametrize(("order", "middle"), [("area", 1), ("file", 0), ("classes", 1)])
def test_orders_say_which_class_lies_on_top(tmp_path, order, middle):
    small, large = (
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[[a, a], [b, a], [b, b], [a, b], [a, a]]]},
            "properties": {"classification": {"name": name}},
        }
        for a, b, name in ((2, 4, "Tumornest"), (0, 6, "normal"))
    )
    classes, _ = drawn([small, large], tmp_path, (6, 6), 4, order=order, outside=255)
    assert classes[3, 3] == middle


def test_a_grid_of_its_own_has_no_convention_of_matlab(tmp_path):
    with pytest.raises(ValueError, match="convention 'matlab' is for images on the grid of the file"):
        drawn(
            [star(np.random.default_rng(0), "Stroma")], tmp_path, (9, 9), 9, convention="matlab", scale=(2, 2)
        )


def test_the_centre_of_the_first_pixel_may_be_at_zero(tmp_path):
    """Where a file counts so, its corner is half a pixel of the file away, whatever the grid."""
    ring = [[5.6, 3.5], [13.6, 3.5], [13.6, 7.5], [5.6, 7.5], [5.6, 3.5]]
    shifted = {"type": "Polygon", "coordinates": [ring]}
    properties = {"classification": {"name": "Tumornest"}}
    features = [{"type": "Feature", "geometry": shifted, "properties": properties}]
    classes, _ = drawn(features, tmp_path, (4, 5), 2, convention="first_pixel", scale=(4, 4))
    assert np.argwhere(classes).tolist() == [[1, 2], [1, 3]]
    (fine,) = {drawn(features, tmp_path, (16, 20), 5, convention="first_pixel")[0].sum()}
    assert fine == 4 * 8


@pytest.mark.parametrize("height", [2_000, 16_000])
def test_memory_does_not_grow_with_the_height(height):
    """An outline around the whole slide and 50 inside it."""
    polygons = [square(0, 0, height, "a"), *(square(9, y, 30, "b") for y in range(0, height, height // 50))]
    areas = Areas(polygons, [1] * len(polygons), [1] * len(polygons), range(len(polygons)), outside=0)
    tracemalloc.start()
    covered = sum(int(band.classes.sum()) for band in areas.bands((height, 500), 250))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert covered == height * 500
    assert peak < 2**20
