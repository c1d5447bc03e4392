# SPDX-License-Identifier: MIT
"""Outlines of another image, offset, magnification or unit."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtome.config.features import Features
from microtome.io.annotations import AnnotationError, Polygon
from microtome.objects.features import load_classes, load_objects
from microtome.objects.labels import load_instances
from microtome.objects.placement import check_placement

SHAPE = (60, 100)


def squares(places, side=8.0):
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]])
    return [Polygon(parts=((corners + place,),), region=str(n)) for n, place in enumerate(places, 1)]


def grid(count=24, *, scale=1.0, shift=(0, 0), side=8.0):
    places = [((n % 8) * 12.0, (n // 8) * 18.0) for n in range(count)]
    return squares([np.array(place) * scale + shift for place in places], side * scale)


def doubts(polygons, caplog, **options):
    caplog.clear()
    check_placement(polygons, SHAPE, name="a.xml", **options)
    return [record.getMessage() for record in caplog.records]


def write(path, polygons):
    rings = [[*ring.tolist(), ring[0].tolist()] for p in polygons for ring in p.rings]
    features = [
        {
            "type": "Feature",
            "properties": {"objectType": "annotation", "classification": {"name": "cell"}},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for ring in rings
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def test_plausible_outlines_are_passed(caplog):
    assert doubts(grid(), caplog) == []
    assert doubts([], caplog) == []
    assert doubts(grid(3), caplog) == []
    assert doubts(grid(shift=(-4, -4)), caplog) == []


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        ((20_000, 5_000), "they lie 20000 pixels to the right and 5000 below its corner: take that off"),
        ((-500, -300), "they lie 500 pixels to the left and 300 above its corner"),
        ((0, 60), "they lie 0 pixels to the left and 60 below its corner"),
    ],
)
def test_outlines_beside_the_image_are_refused(shift, said):
    with pytest.raises(AnnotationError, match="expected some in the image of 60 rows x 100 columns") as error:
        check_placement(grid(shift=shift), SHAPE, name="a.xml")
    assert said in str(error.value)


def test_outlines_of_a_larger_picture_are_refused():
    with pytest.raises(
        AnnotationError, match="of a larger image, of another magnification, or in another unit"
    ):
        check_placement(grid(scale=40, shift=(200, 200)), SHAPE, name="a.xml")


def test_doubts_are_said(caplog):
    (text,) = doubts([*grid(10), *squares([(500.0 + n, 500.0) for n in range(20)])], caplog)
    assert text.startswith("a.xml: 20 of 30 outlines lie outside of the image")
    corner, small = doubts(grid(scale=0.25), caplog)
    assert (
        "all outlines end at 23 % of the width and 18 % of the height of the image; are they in micro"
        in corner
    )
    assert "half of the outlines cover less than 4 square pixels" in small
    assert doubts(grid(scale=0.25), caplog, are_objects=False) == []
    (large,) = doubts(grid(side=40), caplog)
    assert "half of the outlines cover more than 27 % of the image" in large


def test_every_reader_refuses_them(tmp_path):
    path, features = tmp_path / "slide.geojson", Features()
    write(path, grid(shift=(20_000, 0)))
    readers = (
        lambda: load_instances(path, SHAPE),
        lambda: load_objects(path, SHAPE, features, classes=["background", "cell"]),
        lambda: load_classes(path, SHAPE, features, classes=["background", "cell"], order="area", outside=0),
    )
    for read in readers:
        with pytest.raises(AnnotationError, match=r"slide\.geojson: found 24 outlines between x 20000 and"):
            read()


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=20))
def test_an_error_means_that_nothing_would_be_drawn(places):
    from microtome.objects.labels import rasterize

    polygons = squares([np.array(place) for place in places])
    try:
        check_placement(polygons, SHAPE, name="a")
    except AnnotationError:
        assert not rasterize(polygons, SHAPE).labels.any()


def test_any_part_of_an_outline_may_lie_in_the_image(caplog):
    outside, inside = squares([(-40.0, 10), (20, 10)])
    both = Polygon(parts=outside.parts + inside.parts, region="1")
    assert doubts([both], caplog) == []
