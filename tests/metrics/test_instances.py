# SPDX-License-Identifier: MIT
import math
import tracemalloc

import numpy as np
import pytest

from microtome.metrics import contingency, instances
from tests.reference import instances as reference


def label_pair(seed, size=36, objects=14):
    """Discs, and a prediction with shifts, merges, splits, misses and extras; identifiers with gaps."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    truth, prediction = np.zeros((size, size), np.int64), np.zeros((size, size), np.int64)
    numbers = rng.permutation(np.arange(1, 200))
    for index in range(objects):
        cy, cx, radius = *rng.uniform(0, size, 2), rng.uniform(2, 6)
        truth[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = numbers[index]
        dy, dx, scale = *rng.normal(0, 1.5, 2), rng.uniform(0.6, 1.4)
        disc = (y - cy - dy) ** 2 + (x - cx - dx) ** 2 <= (radius * scale) ** 2
        if rng.random() < 0.85:
            prediction[disc] = (
                numbers[rng.integers(0, index + 1)] if rng.random() < 0.2 else numbers[-1 - index]
            )
        if rng.random() < 0.2:
            prediction[disc & (x > cx)] = numbers[-100 - index]
    return truth, prediction


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_equals_definition_on_200_random_pairs(start):
    for seed in range(start, start + 20):
        truth, prediction = label_pair(seed)
        assert instances.aji(truth, prediction) == pytest.approx(reference.aji(truth, prediction), abs=1e-9)
        assert instances.score(truth, prediction).aji_plus == pytest.approx(
            reference.aji_plus(truth, prediction), abs=1e-9
        )
        found = instances.score(truth, prediction).panoptic
        expected = reference.panoptic_quality(truth, prediction)
        assert (found.pq, found.sq, found.dq) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.int64])
def test_labels_of_any_integer_type_and_with_gaps(dtype):
    truth, prediction = label_pair(7)
    names = np.zeros(200, np.int64)
    names[np.unique(truth)[1:]] = np.random.default_rng(0).permutation(np.arange(1, np.unique(truth).size))
    assert instances.score(names[truth].astype(dtype), prediction.astype(dtype)).panoptic == (
        instances.score(truth, prediction).panoptic
    )
    huge = truth * 10_000_000
    assert instances.aji(huge, prediction) == instances.aji(truth, prediction)


def test_perfect():
    truth, _ = label_pair(3)
    assert instances.aji(truth, truth) == instances.score(truth, truth).aji_plus == 1
    quality = instances.score(truth, truth).panoptic
    assert (quality.pq, quality.sq, quality.dq) == (1, 1, 1)
    assert quality.false_positives == quality.false_negatives == 0


def test_merge_by_hand_shows_the_difference_between_aji_and_aji_plus():
    truth = np.array([[1] * 6 + [2] * 4])
    merged = np.ones((1, 10), int)
    assert instances.aji(truth, merged) == pytest.approx((6 + 4) / (10 + 10))
    assert instances.score(truth, merged).aji_plus == pytest.approx(6 / (10 + 4))


def test_equal_iou_takes_the_first_prediction():
    truth = np.array([[0, 5, 5, 0, 0, 0]])
    prediction = np.array([[0, 9, 3, 0, 0, 0]])  # both IoU 1/2: identifier 3 is first
    assert instances.aji(truth, prediction) == pytest.approx(1 / 3)


def test_iou_of_one_half_is_no_match():
    truth = np.array([[1, 1, 1, 0]])
    assert instances.score(truth, np.array([[1, 1, 0, 1]])).panoptic.true_positives == 0
    assert instances.score(truth, np.array([[1, 1, 0, 0]])).panoptic.true_positives == 1


def test_empty_images():
    empty, some = np.zeros((3, 3), int), np.eye(3, dtype=int)
    for score in (
        instances.aji,
        lambda *maps: instances.score(*maps).aji_plus,
        lambda *maps: instances.score(*maps).panoptic.dq,
    ):
        assert math.isnan(score(empty, empty))
        assert score(some, empty) == score(empty, some) == 0
    quality = instances.score(some, empty).panoptic
    assert (quality.pq, quality.false_negatives) == (0, 1)
    assert math.isnan(quality.sq)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        (np.zeros((2, 2), bool), "label a mask"),
        (np.zeros((2, 2)), "float64"),
        (np.full((2, 2), -1), "-1"),
        (np.full((2, 2), 2**40), "renumber"),
        (np.zeros((2, 3), int), "one shape"),
    ],
)
def test_bad_maps_are_named(truth, message):
    with pytest.raises(ValueError, match=message):
        instances.aji(truth, np.zeros((2, 2), int))


def test_contingency_in_blocks_equals_one_pass(monkeypatch):
    truth, prediction = label_pair(11)
    whole = contingency.overlap_table(truth, prediction)
    monkeypatch.setattr(contingency, "BLOCK_PIXELS", 7)
    for first, second in zip(whole, contingency.overlap_table(truth, prediction), strict=True):
        assert np.array_equal(first, second)
    expected = {}
    for pair in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        expected[pair] = expected.get(pair, 0) + 1
    assert {(int(a), int(b)): int(n) for a, b, n in zip(*whole, strict=True)} == expected


def test_one_pass_gives_every_score():
    for seed in range(20):
        truth, prediction = label_pair(seed)
        found = instances.score(truth, prediction)
        assert found.aji == instances.aji(truth, prediction)
        assert found.precision == found.panoptic.true_positives / found.predicted_objects
        assert found.recall == found.panoptic.true_positives / found.truth_objects


def test_15000_nuclei_in_5000_squared_take_less_than_2_gb():
    truth = np.zeros((5000, 5000), np.int32)
    plates = np.arange(1, 125 * 120 + 1, dtype=np.int32).reshape(125, 120).repeat(40, 0).repeat(40, 1)
    truth[:, : plates.shape[1]] = np.where(np.arange(5000)[:, None] % 40 < 33, plates, 0)
    prediction = np.roll(truth, 2, axis=0)
    tracemalloc.start()
    found = instances.score(truth, prediction)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.truth_objects == 15000
    assert found.panoptic.true_positives == 15000
    assert found.aji == pytest.approx(31 / 35)
    assert peak < 0.1e9  # far below 2 GB


def test_caller_keeps_its_arrays():
    truth, prediction = label_pair(1)
    copies = truth.copy(), prediction.copy()
    instances.score(truth, prediction)
    assert np.array_equal(truth, copies[0])
    assert np.array_equal(prediction, copies[1])
