# SPDX-License-Identifier: MIT
"""Intervals and paired tests of scores of totals, against SciPy's and against the tests of single images."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from microtome.metrics import paired
from microtome.metrics.summary import compare_all


def means(values, sizes=None):
    """Totals of groups, whose samples have these means."""
    counts = np.ones(len(values)) if sizes is None else np.asarray(sizes, float)
    return np.stack([np.asarray(values) * counts, counts], axis=1)


def drawn(groups, shift, seed=0):
    rng = np.random.default_rng(seed)
    first = rng.uniform(0.5, 0.9, groups)
    return first, first - shift + rng.normal(0, 0.05, groups)


@pytest.mark.parametrize("groups", [2, 5, 9])
def test_the_exact_test_is_scipys(groups):
    first, second = drawn(groups, 0.03)
    expected = stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    found = paired.exchange_test(means(first), means(second), paired.mean_of)
    assert found == pytest.approx(expected.pvalue)


def test_of_one_sample_a_group_it_is_the_test_of_the_tables():
    first, second = drawn(7, 0.02)
    rows = [
        {
            "split": "main",
            "part": "test",
            "run": run,
            "sample": f"s{number}",
            "class": "all",
            "metric": "m",
            "value": v,
        }
        for run, values in (("a", first), ("b", second))
        for number, v in enumerate(values)
    ]
    expected = compare_all(pd.DataFrame(rows), "m")["p_value"].iloc[0]
    assert paired.exchange_test(means(first), means(second), paired.mean_of) == pytest.approx(expected)


def test_many_groups_are_exchanged_at_random():
    first, second = drawn(20, 0.0, seed=3)
    expected = stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=200_000,
        vectorized=True,
        rng=np.random.default_rng(1),
    ).pvalue
    found = paired.exchange_test(means(first), means(second), paired.mean_of)
    assert found == pytest.approx(expected, abs=0.02)
    far = paired.exchange_test(means(first), means(first - 0.3), paired.mean_of)
    assert far == paired.least_p(20) == 1 / 10_000


def test_large_groups_weigh_more():
    """Two patients with many images against one with few: the score is that of all images together."""
    first, second = means([0.9, 0.5], [1, 9]), means([0.1, 0.5], [1, 9])
    assert paired.mean_of(first.sum(axis=0)) == pytest.approx(0.54)
    assert paired.exchange_test(first, second, paired.mean_of) == 1.0
    rng = np.random.default_rng(0)
    picked = rng.integers(0, 2, (20_000, 2))
    scores = paired.mean_of(first[picked].sum(axis=1))
    expected = np.quantile(scores, (0.025, 0.975))
    assert paired.interval(first, paired.mean_of) == pytest.approx(tuple(expected), abs=1e-9)


def test_the_interval_is_scipys():
    values, _ = drawn(25, 0.0)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=40_000, rng=np.random.default_rng(2)
    ).confidence_interval
    low, high = paired.interval(means(values), paired.mean_of)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.005)


def test_one_group_has_no_interval_and_other_groups_are_refused():
    assert np.isnan(paired.interval(means([0.5]), paired.mean_of)).all()
    with pytest.raises(ValueError, match="same groups"):
        paired.exchange_test(means([0.5]), means([0.5, 0.6]), paired.mean_of)


@pytest.mark.parametrize("groups", [1, 4, 8])
def test_no_test_gives_less_than_the_least_p(groups):
    first = np.linspace(0.8, 0.9, groups)
    found = paired.exchange_test(means(first), means(first - 0.5), paired.mean_of)
    assert found == pytest.approx(paired.least_p(groups))


@pytest.mark.parametrize(("ahead", "behind"), [(7, 2), (4, 0), (3, 3)])
def test_of_right_and_wrong_it_is_mcnemars_test(ahead, behind):
    """The binomial test of who alone is right; what both call alike changes nothing."""
    first = means([1.0] * ahead + [0.0] * behind + [1.0] * 20)
    second = means([0.0] * ahead + [1.0] * behind + [1.0] * 20)
    expected = stats.binomtest(ahead, ahead + behind).pvalue
    assert paired.exchange_test(first, second, paired.mean_of) == pytest.approx(expected)


def test_seeds_that_contradict_each_other_raise_p():
    better = np.stack([means(np.full(10, level)) for level in (0.9, 0.7, 0.8)])
    worse = np.stack([means(np.full(10, level)) for level in (0.75, 0.85, 0.7)])
    p_value = paired.exchange_test(better.mean(axis=0), worse.mean(axis=0), paired.mean_of)
    assert p_value == 2 / 2**10
    assert paired.seeded_p(p_value, [better], [worse], paired.mean_of) > 0.3
    assert paired.seeded_p(p_value, [better], [worse - [[0.5, 0]]], paired.mean_of) == p_value
    assert paired.seeded_p(p_value, [better[:1]], [worse[:1]], paired.mean_of) == p_value
