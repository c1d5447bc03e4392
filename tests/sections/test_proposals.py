# SPDX-License-Identifier: MIT
"""Sections that tissue proposes, and those that a sheet gives."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import mark, raises
from scipy import ndimage
from scipy.spatial.distance import cdist

from microtome.config.sections import Proposed, Whole
from microtome.io.errors import AnnotationError, ImageError
from microtome.io.section_boxes import Box
from microtome.slides.sections import given as given_sections
from microtome.slides.sections import propose

MPP = 8.0
EVERY_NEIGHBOUR = np.ones((3, 3))


def proposed(mask, scale=16.0, **options):
    wanted = Proposed(**{"gap": 100, "margin": 0, "least_area": 0, **options})
    size = tuple(int(side * scale) for side in mask.shape)
    return propose(mask, wanted, spacing=(MPP, MPP), scale=(scale, scale), size=size)


def edges(box, scale=16.0):
    return tuple(int(edge / scale) for edge in (box.y, box.x, box.bottom, box.right))


def drawn(rectangles, shape=(60, 80)):
    mask = np.zeros(shape, bool)
    for top, left, height, width in rectangles:
        mask[top : top + height, left : left + width] = True
    return mask


rectangles = st.lists(
    st.tuples(st.integers(0, 55), st.integers(0, 75), st.integers(1, 14), st.integers(1, 14)),
    min_size=1,
    max_size=9,
)


@settings(deadline=None, max_examples=80)
@given(found=rectangles, gap=st.integers(0, 160), margin=st.integers(0, 40))
def test_a_pixel_of_tissue_is_in_one_box(found, gap, margin):
    mask = drawn(found)
    count = np.zeros(mask.shape, int)
    for box in proposed(mask, gap=gap, margin=margin):
        top, left, bottom, right = edges(box)
        count[top:bottom, left:right] += 1
    assert (count[mask] == 1).all()


@settings(deadline=None, max_examples=80)
@given(found=rectangles, gap=st.integers(1, 20))
def test_pieces_that_are_near_are_one_section(found, gap):
    """By the distances of all pixels of two pieces; which the picture shows to a pixel."""
    mask = drawn(found)
    labels, count = ndimage.label(mask, EVERY_NEIGHBOUR)
    pixels = [np.argwhere(labels == number) for number in range(1, count + 1)]
    boxes = [edges(box) for box in proposed(mask, gap=MPP * gap)]
    homes = [_home(boxes, one[0]) for one in pixels]
    for number, one in enumerate(pixels):
        for other in range(number):
            if cdist(one, pixels[other]).min() <= gap - 1.5:
                assert homes[number] == homes[other]


def _home(boxes, place):
    return next(
        n
        for n, (top, left, bottom, right) in enumerate(boxes)
        if top <= place[0] < bottom and left <= place[1] < right
    )


@mark.parametrize(("gap", "count"), [(70, 2), (82, 1)])
def test_the_gap_is_in_micrometres(gap, count):
    mask = drawn([(10, 10, 20, 20), (10, 39, 20, 20)])  # nine pixels of glass: centres lie 80 µm apart
    assert len(proposed(mask, gap=gap)) == count


def test_the_margin_is_in_micrometres_and_ends_with_the_slide():
    (box,) = proposed(drawn([(3, 40, 20, 20)]), margin=40)
    assert edges(box) == (0, 35, 28, 65)


def test_sections_with_little_tissue_are_left_out():
    mask = drawn([(5, 5, 20, 20), (40, 60, 4, 4)])
    assert len(proposed(mask)) == 2
    assert [edges(box) for box in proposed(mask, least_area=17 * MPP**2)] == [(5, 5, 25, 25)]
    with raises(ImageError, match="no section with 1e"):
        proposed(mask, least_area=1e9)


def test_tissue_within_the_box_of_other_tissue_is_of_its_section():
    corner = [(5, 5, 5, 50), (5, 5, 45, 5)]
    assert len(proposed(drawn([*corner, (35, 35, 5, 5)]))) == 1
    assert len(proposed(drawn([*corner, (52, 65, 5, 5)]))) == 2


@mark.parametrize("scale", [8.0, 16.0, 32.0, 34.92])
def test_boxes_are_whole_slide_pixels_and_end_where_the_slide_does(scale):
    mask = drawn([(0, 0, 20, 20), (40, 60, 20, 20)])
    size = (int(60 * scale) + 5, int(80 * scale) + 5)  # a mask leaves out what is not a whole pixel
    wanted = Proposed(gap=100, margin=0)
    first, last = propose(mask, wanted, spacing=(MPP, MPP), scale=(scale, scale), size=size)
    assert (first.y, first.x, first.height, first.width) == (0, 0, round(20 * scale), round(20 * scale))
    assert (last.bottom, last.right) == size
    assert (last.y, last.x) == (round(40 * scale), round(60 * scale))


def test_a_whole_slide_is_one_section():
    found = propose(np.zeros((2, 3), bool), Whole(), spacing=(8, 8), scale=(16, 16), size=(37, 55))
    assert found == [Box(y=0, x=0, height=37, width=55, section=1)]


CLASSES = ("normal", "tumor")


def from_sheet(*boxes, **names):
    options = Proposed(names=names)
    return given_sections(boxes, options, size=(100, 200), classes=CLASSES, path="a.geojson")


def test_labels_become_classes():
    found = from_sheet(
        Box(y=50, x=0, height=9, width=9, label="BCC"),
        Box(y=0, x=50, height=9, width=9, label="tumor"),
        Box(y=0, x=0, height=9, width=9),
        tumor=("BCC", "SCC"),
    )
    assert [(box.section, box.label) for box in found] == [(1, ""), (2, "tumor"), (3, "tumor")]


@mark.parametrize(
    ("boxes", "said"),
    [
        ([], "no box"),
        (
            [Box(y=0, x=0, height=9, width=9), Box(y=95, x=0, height=9, width=9)],
            "box 2: found rows 95 to 104",
        ),
        ([Box(y=-1, x=0, height=9, width=9)], "box 1: found rows -1 to 8"),
        ([Box(y=0, x=195, height=9, width=9)], "inside the slide of 100 rows and 200 columns"),
        ([Box(y=0, x=0, height=9, width=9, label="Tumr")], "the label 'Tumr', expected 'tumor'?"),
    ],
)
def test_boxes_that_cannot_be_are_refused(boxes, said):
    with raises(AnnotationError) as error:
        from_sheet(*boxes)
    assert said in str(error.value)
    assert "a.geojson" in str(error.value)
