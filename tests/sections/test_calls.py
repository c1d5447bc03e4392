# SPDX-License-Identifier: MIT
"""Calls of sections, and the choice among epochs and thresholds, by brute force."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import mark, raises
from sklearn.metrics import fbeta_score, recall_score

from microtome.slides.calls import Candidate, best, candidates, is_positive

THRESHOLDS = (0.25, 0.5, 0.75)
AREAS = (0.0, 10.0, 20.0)


@st.composite
def grids(draw):
    """Areas (S, T) of two epochs, falling with the threshold, and labels of both classes."""
    sections = draw(st.integers(2, 6))
    values = st.lists(st.integers(0, 3), min_size=3, max_size=3).map(lambda row: sorted(row, reverse=True))
    table = st.lists(values, min_size=sections, max_size=sections)
    areas = {epoch: 10.0 * np.array(draw(table), float) for epoch in (2, 7)}
    truth = draw(
        st.lists(st.booleans(), min_size=sections, max_size=sections).filter(
            lambda one: 0 < sum(one) < len(one)
        )
    )
    return areas, np.array(truth)


@settings(deadline=None, max_examples=20)
@given(grid=grids(), beta=st.sampled_from((0.5, 1, 1.5, 2)))
def test_the_choice_is_that_of_brute_force(grid, beta):
    areas, truth = grid
    scored = []
    for epoch, (number, threshold), least in product(areas, enumerate(THRESHOLDS), AREAS):
        called = [area >= least and area > 0 for area in areas[epoch][:, number]]
        f_beta = fbeta_score(truth, called, beta=beta, zero_division=0)
        recall = recall_score(truth, called, zero_division=0)
        scored.append((round(f_beta, 12), round(recall, 12), -least, -epoch, threshold))
    highest = max(one[:4] for one in scored)
    tied = sorted(one[4] for one in scored if one[:4] == highest)
    found = best(candidates(areas, truth, thresholds=THRESHOLDS, least_areas=AREAS), beta=beta)
    assert (found.epoch, found.least_area) == (-highest[3], -highest[2])
    assert found.threshold == tied[(len(tied) - 1) // 2]
    assert (
        float(found.f_beta(beta)) == np.float64(highest[0]).round(12)
        or abs(found.f_beta(beta) - highest[0]) < 1e-9
    )


def one(**more):
    return Candidate(
        **{"epoch": 1, "threshold": 0.5, "least_area": 0.0, "tp": 3, "fp": 0, "fn": 0, "tn": 3, **more}
    )


@mark.parametrize(
    ("better", "worse", "beta"),
    [
        (one(tp=3, fn=0, fp=1), one(tp=2, fn=1, fp=0), 1.5),
        (one(tp=2, fn=2, fp=0), one(tp=4, fn=0, fp=8), 0.5),
        (one(tp=4, fn=0, fp=4, tn=0), one(tp=2, fn=2, fp=0), 1),  # F1 is 2/3 twice: the more sensitive
        (one(least_area=10.0), one(least_area=20.0), 1.5),
        (one(least_area=10.0, epoch=9), one(least_area=20.0, epoch=1), 1.5),
        (one(epoch=3), one(epoch=4), 1.5),
        (one(epoch=3, threshold=0.9), one(epoch=4, threshold=0.5), 1.5),
    ],
)
def test_of_two_the_better_is_chosen(better, worse, beta):
    assert best([better, worse], beta=beta) == best([worse, better], beta=beta) == better


def test_of_thresholds_that_are_equal_the_middle_one_is_chosen():
    tried = [one(threshold=threshold) for threshold in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert best(tried, beta=1.5).threshold == 0.3
    assert best(tried[:4], beta=1.5).threshold == 0.2


def test_equal_is_equal():
    """Multiples of the same counts have one F_1.1, of which floating point makes several."""
    tried = [one(tp=3 * times, fp=2 * times, fn=times) for times in range(1, 30)]
    assert len({2.21 * c.tp / (2.21 * c.tp + 1.21 * c.fn + c.fp) for c in tried}) > 1
    assert len({candidate.f_beta(1.1) for candidate in tried}) == 1


@mark.parametrize("least", [0.0, 1.0, 10.0])
def test_a_section_without_any_region_is_never_positive(least):
    assert not is_positive(np.array([0.0]), least).any()


def test_a_region_of_just_the_area_is_enough():
    assert is_positive(np.array([9.9, 10.0]), 10.0).tolist() == [False, True]


@mark.parametrize("truth", [[True, True], [False, False], []])
def test_sections_of_one_class_are_no_ground_to_choose_on(truth):
    areas = {1: np.zeros((len(truth), 1))}
    with raises(ValueError, match=r"expected positive and negative ones; .* of the part `val`"):
        candidates(areas, np.array(truth, bool), thresholds=(0.5,), least_areas=(0,))


def test_areas_of_other_sections_are_refused():
    with raises(ValueError, match=r"shape \(3, 1\) at epoch 4"):
        candidates({4: np.zeros((3, 1))}, np.array([True, False]), thresholds=(0.5,), least_areas=(0,))


def test_nothing_to_choose_from_is_said():
    with raises(ValueError, match="no candidate"):
        best([], beta=1.5)
