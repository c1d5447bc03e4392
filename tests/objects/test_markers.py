# SPDX-License-Identifier: MIT
"""Markers of touching objects, against erosion of each object alone."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label

from microtome.objects import markers as instances
from microtome.objects.labels import load_instances
from microtome.objects.markers import half_widths

relaxed = settings(deadline=None, max_examples=100)
DATA = Path(os.environ.get("MICROTOME_DATA", ""), "monuseg2018")
OCTAGON_4 = (3, 5, 7, 7, 7, 5, 3)
OCTAGON_6 = (7, 9, 11, 11, 11, 11, 11, 11, 11, 9, 7)


def element(rows):
    width = max(rows)
    return np.array([[abs(2 * x - width + 1) < row for x in range(width)] for row in rows])


@pytest.mark.parametrize(
    ("radius", "kind", "rows"),
    [
        (0, "octagon", (1,)),
        (1, "octagon", (1, 3, 1)),
        (2, "octagon", (1, 3, 5, 3, 1)),
        (3, "octagon", (5,) * 5),
        (4, "octagon", OCTAGON_4),
        (5, "octagon", (5, 7, 9, 9, 9, 9, 9, 7, 5)),
        (6, "octagon", OCTAGON_6),
        (4, "disk", (1, 5, 7, 7, 9, 7, 7, 5, 1)),
    ],
)
def test_structuring_elements(radius, kind, rows):
    assert tuple(2 * half + 1 for half in half_widths(radius, kind)) == rows


@pytest.mark.parametrize("radius", [3, 7, 8, 20, 39])
def test_octagons_are_2r_minus_1_wide_and_symmetric(radius):
    rows = half_widths(radius, "octagon")
    assert len(rows) == 2 * max(rows) + 1 == 2 * radius - 1
    drawn = element([2 * half + 1 for half in rows])
    assert (drawn == drawn.T).all()


@pytest.mark.parametrize("radius", [1, 4, 6])
def test_survivors_are_those_of_a_comparison_shift_by_shift(radius):
    """The element moved over every pixel; outside the image lies what lies at its edge."""
    rng = np.random.default_rng(radius)
    labels = rng.integers(0, 3, (5, 6)).repeat(9, axis=0).repeat(9, axis=1)
    rows = half_widths(radius, "octagon")
    reach = max(rows)
    wide = np.pad(labels, reach, mode="edge")
    kept = np.ones(labels.shape, bool)
    for y, half in enumerate(rows):
        for x in range(reach - half, reach + half + 1):
            kept &= wide[y : y + labels.shape[0], x : x + labels.shape[1]] == labels
    assert (instances.survivors(labels, rows) == kept).all()


def eroded_one_by_one(labels, areas, elements):
    """Each object alone, as published code does it."""
    result = np.zeros_like(labels)
    for number in np.unique(labels[labels > 0]).tolist():
        own = labels == number
        area = own.sum() if areas is None else areas[number]
        rows = elements[0 if area <= 70 else 1 if area <= 120 else 2 if area <= 500 else 3]
        result[ndimage.binary_erosion(own, element(rows), border_value=1)] = number
    return result


ELEMENTS = {
    "octagon": ((1,), (1, 3, 1), OCTAGON_4, OCTAGON_6),
    "disk": (
        (1,),
        (1, 3, 1),
        (1, 5, 7, 7, 9, 7, 7, 5, 1),
        (1, 7, 9, 11, 11, 11, 13, 11, 11, 11, 9, 7, 1),
    ),
}


@st.composite
def touching(draw):
    """A few large objects that fill a small image or part of it, touching each other and its edges."""
    height, width = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    points = draw(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), min_size=1, max_size=6))
    rows, columns = np.mgrid[:height, :width]
    distance = np.array([np.hypot(rows - y, columns - x) for y, x in points])
    labels = distance.argmin(0) * draw(st.sampled_from([1, 3])) + 1
    return np.where(distance.min(0) < draw(st.integers(2, 60)), labels, 0)


@relaxed
@given(touching(), st.sampled_from(["octagon", "disk"]), st.booleans(), st.data())
def test_each_object_is_eroded_alone(labels, kind, given_areas, data):
    numbers = np.unique(labels[labels > 0]).tolist()
    areas = {n: data.draw(st.sampled_from([70, 70.5, 120, 121, 500, 501])) for n in numbers}
    areas = areas if given_areas else None
    before = labels.copy()
    result = instances.erode_by_area(labels, areas=areas, element=kind)
    assert (result == eroded_one_by_one(labels, areas, ELEMENTS[kind])).all()
    assert (instances.shape_markers(labels, areas=areas, element=kind) == (result > 0)).all()
    assert (labels == before).all()


def test_markers_of_touching_nuclei_do_not_touch():
    labels = np.zeros((60, 60), int)
    labels[10:50, 5:30], labels[10:50, 30:55] = 3, 9
    markers = instances.shape_markers(labels)
    assert (markers.dtype, label(markers, connectivity=2).max()) == (np.uint8, 2)


def test_the_table_of_radii_is_a_parameter():
    labels = np.pad(np.ones((9, 9), int), 1)
    assert instances.shape_markers(labels, radii=[(float("inf"), 2)]).sum() == 25
    for wrong in ([], [(70, 1)], [(70, 1), (60, 2), (float("inf"), 3)]):
        with pytest.raises(ValueError, match="ascending numbers that end with infinity"):
            instances.shape_markers(labels, radii=wrong)


@relaxed
@given(touching(), st.integers(0, 4))
def test_centre_markers_are_disks_on_the_centroid(labels, radius):
    wanted = np.zeros(labels.shape, bool)
    rows, columns = np.mgrid[: labels.shape[0], : labels.shape[1]]
    for number in np.unique(labels[labels > 0]).tolist():
        y, x = (np.floor(np.mean(place) + 0.5) for place in np.nonzero(labels == number))
        if labels[int(y), int(x)] != number:
            return
        wanted |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    assert (instances.centre_markers(labels, radius) == wanted).all()


def test_a_crescent_is_marked_inside():
    rows, columns = np.mgrid[:41, :41]
    crescent = (np.hypot(rows - 20, columns - 20) < 18) & (np.hypot(rows - 20, columns - 14) > 16)
    assert not crescent[tuple(np.argwhere(crescent).mean(axis=0).round().astype(int))]
    labels = crescent.astype(np.int32) * 6
    ((y, x),) = instances.centres(labels)
    depth = ndimage.distance_transform_edt(crescent)
    assert depth[y, x] == depth.max()
    ring = (np.hypot(rows - 20, columns - 20) < 18) & (np.hypot(rows - 20, columns - 20) > 9)
    y, x = instances.centres(ring.astype(int))[0]
    assert ring[y, x]


def test_centre_markers_outlive_the_removal_of_small_ones_and_are_not_cut_off():
    labels = np.zeros((20, 20), int)
    labels[10, 10] = 1
    assert instances.centre_markers(labels).sum() == 29
    assert not instances.centre_markers(np.zeros((4, 4), int)).any()


@pytest.mark.parametrize(
    "function", [instances.shape_markers, instances.centre_markers, instances.erode_by_area]
)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((3, 3)), "float64 of shape .3, 3., expected integers"),
        (np.zeros((1, 3, 3), int), "expected integers .H, W."),
        (np.zeros((0, 3), int), "expected integers .H, W."),
        (np.full((2, 2), -1), "labels -1 to -1, expected 0 to 2147483647"),
        (np.full((2, 2), 2**40), "expected 0 to 2147483647"),
    ],
)
def test_what_is_no_label_map(function, labels, message):
    with pytest.raises(ValueError, match=message):
        function(labels)


def test_faults_of_markers():
    labels = np.ones((3, 3), int)
    with pytest.raises(ValueError, match="found no area of the objects 1"):
        instances.shape_markers(labels, areas={2: 5.0})
    with pytest.raises(ValueError, match="element='square'"):
        instances.shape_markers(labels, element="square")
    with pytest.raises(ValueError, match="radius=-1"):
        instances.centre_markers(labels, -1)


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="MICROTOME_DATA has no monuseg2018")
def test_monuseg_labels():
    path = DATA / "train/labels/TCGA-NH-A8F7-01A-01-TS1.png"
    labels = load_instances(path, (1000, 1000)).labels
    numbers = np.unique(labels[labels > 0])
    window = labels[300:600, 300:600]
    assert numbers.size == labels.max() > 300
    eroded = eroded_one_by_one(window, None, ELEMENTS["octagon"])
    assert (instances.erode_by_area(window) == eroded).all()
    markers = label(instances.shape_markers(labels), connectivity=2)
    assert numbers.size * 0.8 < markers.max() < numbers.size * 1.3
    centres = instances.centres(labels)
    assert labels[tuple(centres.T)].tolist() == numbers.tolist()
