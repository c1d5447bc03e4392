# SPDX-License-Identifier: MIT
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from microtome.metrics import overlap

CLASSES = ("a", "b", "c")
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))


@st.composite
def class_maps(draw):
    shape = draw(SHAPES)
    truth = draw(
        arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 255])).filter(lambda a: (a < 255).any())
    )
    return truth, draw(arrays(np.uint8, shape, elements=st.integers(0, 2)))


def sets(truth, prediction, index):
    labelled = [
        (t, p) for t, p in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True) if t != 255
    ]
    true = {k for k, (t, _) in enumerate(labelled) if t == index}
    predicted = {k for k, (_, p) in enumerate(labelled) if p == index}
    return true, predicted, set(range(len(labelled)))


def ratio(numerator, denominator):
    return numerator / denominator if denominator else float("nan")


@settings(deadline=None, max_examples=60)
@given(class_maps())
def test_every_metric_equals_its_definition_on_sets(case):
    truth, prediction = case
    counts = overlap.confusion_counts(truth, prediction, classes=CLASSES)
    for index, name in enumerate(CLASSES):
        true, predicted, every = sets(truth, prediction, index)
        both, outside = true & predicted, every - true
        expected = {
            "dice": ratio(2 * len(both), len(true) + len(predicted)),
            "iou": ratio(len(both), len(true | predicted)),
            "sensitivity": ratio(len(both), len(true)),
            "specificity": ratio(len(outside - predicted), len(outside)),
            "false_positive_rate": ratio(len(outside & predicted), len(outside)),
            "precision": ratio(len(both), len(predicted)),
        }
        found = {metric: getattr(overlap, metric)(counts)[name] for metric in expected}
        assert found == pytest.approx(expected, nan_ok=True)
    wrong = ((truth != prediction) & (truth != 255)).sum() / (truth != 255).sum()
    assert overlap.pixel_error(counts) == pytest.approx(wrong)


@settings(deadline=None, max_examples=60)
@given(class_maps(), class_maps())
def test_counts_of_images_add_up(first, second):
    both = [np.concatenate([a.ravel(), b.ravel()]) for a, b in zip(first, second, strict=True)]
    summed = overlap.confusion_counts(*first, classes=CLASSES) + overlap.confusion_counts(
        *second, classes=CLASSES
    )
    pd.testing.assert_frame_equal(summed, overlap.confusion_counts(*both, classes=CLASSES))


def test_absent_classes():
    counts = overlap.confusion_counts(np.array([0, 0, 1]), np.array([0, 2, 1]), classes=("a", "b", "c", "d"))
    assert overlap.dice(counts)["c"] == 0
    assert overlap.dice(counts).isna().tolist() == [False, False, False, True]
    assert overlap.sensitivity(counts).isna().tolist() == [False, False, True, True]
    assert overlap.specificity(counts)["d"] == 1
    assert overlap.dice(counts).mean() == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_macro_mean_is_over_the_classes_that_have_a_value():
    counts = overlap.confusion_counts(np.array([0, 0, 1]), np.array([0, 2, 1]), classes=("a", "b", "c", "d"))
    assert overlap.score(counts, "mean_dice") == pytest.approx((2 / 3 + 1 + 0) / 3), "c is found falsely"
    assert overlap.score(counts, "mean_dice", mean_classes=["b", "d"]) == 1
    assert np.isnan(overlap.score(counts, "mean_dice", mean_classes=["d"]))
    assert overlap.score(counts, "f1", "a") == pytest.approx(overlap.dice(counts)["a"])


@pytest.mark.parametrize(
    ("metric", "of", "message"),
    [
        ("v_rand", "a", "does not follow from counts"),
        ("fx", "a", "does not follow from counts"),
        ("dice", "all", "others are of a class"),
        ("mean_dice", "a", "is of 'all'"),
    ],
)
def test_a_metric_by_a_wrong_name(metric, of, message):
    counts = overlap.confusion_counts(np.array([0, 1]), np.array([0, 1]), classes=("a", "b"))
    with pytest.raises(ValueError, match=message):
        overlap.score(counts, metric, of)


def test_unlabelled_pixels_do_not_count():
    counts = overlap.confusion_counts(np.array([0, 1, 255]), np.array([0, 1, 255]), classes=("a", "b"))
    assert counts["tp"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.array([255]), np.array([0]), "none of 1 pixels is labelled"),
        (np.array([0, 1]), np.array([0]), "one shape"),
        (np.array([0]), np.array([3]), r"prediction has classes \[3\]"),
        (np.array([-1]), np.array([0]), r"truth has classes \[-1\]"),
    ],
)
def test_bad_input_is_named(truth, prediction, message):
    with pytest.raises(ValueError, match=message):
        overlap.confusion_counts(truth, prediction, classes=("a", "b"))
