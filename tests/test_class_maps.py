# SPDX-License-Identifier: MIT
"""Targets from label images."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pytest import mark, raises

from microtome import class_maps
from microtome.class_maps import IGNORE, class_fractions, semantic_target

relaxed = settings(deadline=None, max_examples=60)
CLASSES = {"membrane": 0, "cell": 255, "rest": 7}


@relaxed
@given(
    arrays(
        np.int32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.sampled_from([0, 255, 7, 9])
    ),
    st.sampled_from([np.uint8, np.uint16, np.int32]),
)
def test_each_pixel_becomes_its_class(label, dtype):
    target = semantic_target(label.astype(dtype), CLASSES, ignore=[9])
    index = {0: 0, 255: 1, 7: 2, 9: IGNORE}
    assert target.dtype == np.uint8
    assert target.tolist() == [[index[value] for value in row] for row in label.tolist()]


def test_the_label_is_left_alone():
    label = np.array([[0, 255]], np.uint8)
    semantic_target(label, CLASSES)
    assert label.tolist() == [[0, 255]]


@relaxed
@given(
    arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.sampled_from([0, 7, 255]))
)
def test_whole_numbers_may_be_stored_as_floats(label):
    assert np.array_equal(semantic_target(label, CLASSES), semantic_target(label.astype(np.uint8), CLASSES))


@mark.parametrize(
    ("label", "message"),
    [
        (np.zeros((2, 2, 3), np.uint8), r"shape \(2, 2, 3\); expected one channel"),
        (
            np.array([[0, 3, 3]], np.uint8),
            r"label x holds the value 3 \(2 pixels\); data.classes knows 0 = m.*; data.ignore holds 9, 11\.",
        ),
        (np.array([[1, 2]], np.uint8), r"holds the values 1 \(1 pixel\), 2 \(1 pixel\);"),
        (np.array([[0, 7.4, 7]], np.float32), r"holds the value 7\.400000095 \(1 pixel\)"),
        (np.array([[0, np.nan]]), r"holds the value nan \(1 pixel\)"),
        (np.array([[-1, 65535]], np.int32), r"holds the values -1 \(1 pixel\), 65535 \(1 pixel\)"),
        (np.arange(20, 40)[None], r"27 \(1 pixel\) and 12 more; "),
    ],
)
def test_what_no_class_has_is_refused(label, message):
    with raises(ValueError, match=message):
        semantic_target(label, CLASSES, ignore=[9, 11], name="label x")


@relaxed
@given(arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 1, 2, IGNORE])))
def test_fractions_are_of_all_pixels(target):
    fractions = class_fractions(target, 3)
    assert fractions.tolist() == [float((target == k).mean()) for k in range(3)]


@mark.parametrize("dtype", ["uint8", "int16", "int64", "float64"])
def test_values_are_counted_part_by_part(dtype, monkeypatch):
    monkeypatch.setattr(class_maps, "PART", 50)
    label = np.random.default_rng(0).integers(0, 5, (40, 30)).astype(dtype)
    for found, expected in zip(
        class_maps.value_counts(label), np.unique(label, return_counts=True), strict=True
    ):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    target = class_maps.semantic_target(label, {"a": 3, "b": 0, "c": 4}, ignore=(1, 2))
    np.testing.assert_array_equal(target, np.select([label == 3, label == 0, label == 4], [0, 1, 2], 255))


def test_values_that_are_no_numbers_are_counted_once(monkeypatch):
    monkeypatch.setattr(class_maps, "PART", 2)
    values, counts = class_maps.value_counts(np.array([[0, np.nan], [np.nan, np.nan], [0, 0]]))
    assert (len(values), counts.tolist()) == (2, [3, 3])
