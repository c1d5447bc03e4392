# SPDX-License-Identifier: MIT
"""Label maps from outlines and label images, and markers."""

import json
import logging
import time

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from microtome.io.annotations import Polygon
from microtome.io.images import ImageError
from microtome.objects import labels as instances
from microtome.objects import markers
from tests.reference.poly2mask import poly2mask

relaxed = settings(deadline=None, max_examples=100)
SHAPE = (11, 13)


def polygon(*rings, region="1", negative=False):
    return Polygon(
        parts=(tuple(np.asarray(ring, float) for ring in rings),), region=region, negative=negative
    )


def box(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def covered(*rings, convention="pixel_centre", shape=SHAPE):
    return instances.rasterize([polygon(*rings)], shape, convention=convention).labels > 0


coordinates = st.floats(-4, 16, allow_nan=False).map(lambda value: round(value, 3))
outlines = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9)
fifths = st.integers(-20, 80).map(lambda value: value / 5)
grid_outlines = st.lists(st.tuples(fifths, fifths), min_size=3, max_size=9)


def crossings(ring, x, y):
    """How many edges a ray upwards from (x, y) meets; edges own their left end, rays their start."""
    count = 0
    for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
        if x1 > x2:
            x1, y1, x2, y2 = x2, y2, x1, y1
        count += x1 <= x < x2 and y1 + (x - x1) * (y2 - y1) / (x2 - x1) <= y
    return count


@relaxed
@given(outlines, st.sampled_from([0.5, 0.0]))
def test_pixels_whose_centre_lies_inside_by_the_even_odd_rule(ring, centre):
    convention = {0.5: "pixel_centre", 0.0: "first_pixel"}[centre]
    ring = [(x + 1e-4 * 3**0.5, y + 1e-4 * 2**0.5) for x, y in ring]  # no vertex on a centre
    wanted = [
        [crossings(ring, column + centre, row + centre) % 2 for column in range(SHAPE[1])]
        for row in range(SHAPE[0])
    ]
    assert covered(ring, convention=convention).astype(int).tolist() == wanted


@relaxed
@given(outlines | grid_outlines)
def test_the_matlab_convention_is_poly2mask(ring):
    assert covered(ring, convention="matlab").astype(int).tolist() == poly2mask(ring, *SHAPE)


def test_poly2mask_of_the_documentation():
    """MATLAB's page shows that a square from 2.5 to 4.5 covers pixels 3 and 4, counted from 1."""
    mask = covered(box(2.5, 2.5, 4.5, 4.5), convention="matlab", shape=(5, 5))
    assert np.argwhere(mask).tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]


@pytest.mark.parametrize(("convention", "first"), [("first_pixel", 4), ("pixel_centre", 3), ("matlab", 3)])
def test_where_the_conventions_put_a_box(convention, first):
    """From 3.4 to 6.4: centres 4, 5, 6 (first pixel's is 0), 3.5 to 5.5, or 4 to 6 counted from 1."""
    assert np.flatnonzero(covered(box(3.4, 3.4, 6.4, 6.4), convention=convention)[5]).tolist() == [
        first,
        first + 1,
        first + 2,
    ]


@relaxed
@given(outlines, st.integers(0, 8), st.sampled_from(["pixel_centre", "first_pixel", "matlab"]))
def test_direction_and_start_do_not_matter(ring, start, convention):
    turned = ring[start % len(ring) :] + ring[: start % len(ring)]
    first = covered(ring, convention=convention)
    assert (first == covered(turned, convention=convention)).all()
    assert (first == covered(ring[::-1], convention=convention)).all()


@relaxed
@given(st.lists(st.tuples(coordinates, coordinates) | st.tuples(fifths, fifths), max_size=5), st.booleans())
def test_neighbours_share_no_pixel_and_leave_no_gap(cut, whole):
    """A box cut in two along any line through it, its corners on pixel centres."""
    cut = [(min(max(round(x) if whole else x, 1), 9), y) for x, y in cut]
    cut = [(x, min(max(round(y) if whole else y, 1), 9)) for x, y in cut]
    one, two = [(1, 1), *cut, (9, 9), (1, 9)], [(1, 1), *cut, (9, 9), (9, 1)]
    for convention in ("first_pixel", "pixel_centre"):
        both = covered(one, convention=convention) ^ covered(two, convention=convention)
        assert (both == covered(box(1, 1, 9, 9), convention=convention)).all()


def test_self_crossing_outlines_are_filled_by_the_even_odd_rule():
    """A pentagram: its middle is wound around twice, so it is outside; the non-zero rule would fill it."""
    angles = np.deg2rad(90 + 144 * np.arange(5))
    star = np.stack([50 + 40 * np.cos(angles), 50 + 40 * np.sin(angles)], axis=1)
    for convention in instances.CONVENTIONS:
        mask = covered(star, convention=convention, shape=(100, 100))
        assert not mask[50, 50]
        assert mask[66, 50]
    bow = covered([(2, 2), (8, 8), (8, 2), (2, 8)])
    assert not bow[2, 3:7].any()
    assert bow[2:8, 2:8].sum(axis=0).tolist() == [5, 3, 1, 1, 3, 5]


def test_holes_and_parts():
    ring = polygon(box(1, 1, 9, 9), box(3, 3, 6, 6))
    parts = Polygon(parts=(*ring.parts, (np.array(box(10, 0, 12, 2), float),)), region="1")
    found = instances.rasterize([parts], SHAPE)
    assert (found.labels > 0).sum() == found.areas[1] == 64 - 9 + 4


def test_the_first_keeps_a_shared_pixel():
    found = [polygon(box(0, 0, 4, 4)), polygon(box(2, 0, 6, 4))]
    labels = instances.rasterize(found, SHAPE).labels
    assert labels.dtype == np.int32
    assert np.bincount(labels.ravel())[1:].tolist() == [16, 8]


def test_what_lies_outside_is_cut_off_or_told(caplog):
    found = [
        polygon(box(-3, -3, 2, 2), region="corner"),
        polygon(box(20, 0, 30, 9), region="far"),
        polygon([(1, 1), (5, 5), (9, 9)], region="line"),
        polygon(box(0, 0, 1, 1), region="under"),
        polygon(box(5, 5, 99, 99), region="edge"),
    ]
    with caplog.at_level(logging.WARNING):
        result = instances.rasterize(found, SHAPE)
    assert "3 of 5 regions have no pixel" in caplog.text
    assert "far, line, under" in caplog.text
    assert np.unique(result.labels).tolist() == [0, 1, 5]
    assert (result.labels == 1).sum() == 4
    assert result.areas == {1: 25, 5: 94**2}


def test_negative_regions_cut_out(caplog):
    found = [polygon(box(1, 1, 3, 3), negative=True), polygon(box(0, 0, 4, 4))]
    labels = instances.rasterize(found, SHAPE).labels
    assert (labels == 2).sum() == 12
    assert not caplog.records


def test_no_polygons():
    assert not instances.rasterize([], SHAPE).labels.any()


@pytest.mark.parametrize("option", [{"convention": "zero"}, {"shape": (0, 4)}])
def test_options_of_rasterize(option):
    with pytest.raises(ValueError, match="expected one of pixel_centre, matlab, first_pixel"):
        instances.rasterize([], **({"shape": SHAPE} | option))


def test_a_thousand_nuclei_keep_their_numbers_and_get_a_marker_each():
    turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    outline = np.stack([12 * np.cos(turn), 9 * np.sin(turn)], axis=1)
    found = [polygon(outline + 15 + 30 * np.array(divmod(k, 33))) for k in range(1000)]
    for convention in instances.CONVENTIONS:
        start = time.process_time()
        labels = instances.rasterize(found, (1000, 1000), convention=convention).labels
        assert time.process_time() - start < 1
        assert np.array_equal(np.unique(labels), np.arange(1001))
        start = time.process_time()
        both = (markers.shape_markers(labels), markers.centre_markers(labels))
        assert time.process_time() - start < 1
        for made in both:
            inside = np.unique(labels[np.asarray(made) > 0])
            assert np.array_equal(inside, np.arange(1, 1001))


# --- label files


def read_labels(*arguments, **options):
    return instances.load_instances(*arguments, **options).labels


@pytest.fixture
def save(tmp_path):
    def writer(array, name):
        path = tmp_path / name
        array = np.asarray(array)
        if path.suffix == ".tif":
            tifffile.imwrite(path, array)
        else:
            Image.fromarray(array).save(path)
        return path

    return writer


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("a.png", np.uint8), ("a.png", np.uint16)]
    + [("a.tif", d) for d in (np.uint8, np.uint16, np.uint32, np.int32, np.float32)],
)
def test_label_images_keep_their_numbers(save, name, dtype):
    array = np.array([[0, 7, 7], [0, 0, 200]], dtype)
    labels = read_labels(save(array, name), (2, 3))
    assert labels.dtype == np.int32
    assert labels.tolist() == array.astype(int).tolist()
    assert instances.load_instances(save(array, name), (2, 3)).areas == {7: 2, 200: 1}


def test_an_empty_label_image_has_no_objects(save):
    assert not read_labels(save(np.zeros((2, 3), np.uint8), "a.png"), (2, 3)).any()


def test_indices_of_a_colour_table(tmp_path):
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), mode=None).convert("P")
    picture.putdata([0, 1, 2])
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "a.png")
    assert read_labels(tmp_path / "a.png", (1, 3)).tolist() == [[0, 1, 2]]


MASK = np.array([[0, 255, 0, 255]], np.uint8)


@pytest.mark.parametrize(
    ("array", "name", "message"),
    [
        (np.zeros((1, 4), np.uint8), "a.jpg", "found JPEG, whose compression changes object numbers"),
        (np.zeros((1, 4, 3), np.uint8), "a.png", "found 3 channels, expected one channel of object numbers"),
        (np.zeros((2, 4), np.uint8), "a.png", "found 2 rows x 4 columns, expected 1 x 4"),
        (np.full((1, 4), 0.5, np.float32), "a.tif", "4 pixels not whole, the first 0.5"),
        (np.full((1, 4), np.nan, np.float32), "a.tif", "4 pixels not whole"),
        (np.full((1, 4), -1, np.int32), "a.tif", "values -1 to -1, expected 0 to 2147483647"),
        (np.full((1, 4), 2**32 - 1, np.uint32), "a.tif", "values 4294967295"),
        (MASK, "a.png", r"found a mask .only the value 255, 2 pieces.*number the pieces"),
        (np.full((1, 4), 255, np.uint8), "a.png", "found a mask .only the value 255, 1 pieces"),
        (MASK // 255, "a.png", "found a mask .only the value 1, 2 pieces"),
        (MASK > 0, "a.png", "found a mask"),
    ],
)
def test_what_is_no_label_image(save, array, name, message):
    path = save(array, name)
    with pytest.raises(ImageError, match=message) as caught:
        read_labels(path, (1, 4))
    assert str(path) in str(caught.value)


def test_one_nucleus_may_be_number_one(save):
    assert read_labels(save(MASK[:, :2] // 255, "a.png"), (1, 2)).tolist() == [[0, 1]]


def test_objects_in_pieces_stay_one_and_are_counted(save, caplog):
    with caplog.at_level(logging.INFO):
        labels = read_labels(save(np.array([[4, 0, 4, 5]], np.uint8), "a.png"), (1, 4))
    assert labels.tolist() == [[4, 0, 4, 5]]
    assert "1 objects are in several pieces: 4" in caplog.text


def geojson(path, *classes):
    shapes = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [box(3 * k, 0, 3 * k + 2, 2)]},
            "properties": {"classification": {"name": name}},
        }
        for k, name in enumerate(classes)
    ]
    path.write_text(json.dumps(shapes))
    return path


def test_areas_of_annotation_files(tmp_path):
    path = geojson(tmp_path / "a.geojson", "Nucleus", "Fold", "Nucleus")
    assert instances.load_instances(path, (2, 8)).areas == {1: 4, 2: 4, 3: 4}
