# SPDX-License-Identifier: MIT
"""Runs on the same samples, which belong together in groups: intervals and paired tests of a score of totals.

Samples of one patient are alike, so patients are drawn anew (`metrics.resampling`), or exchanged between two
runs, each with all of its samples. A score is anything that follows from totals over samples: a mean (of sums
and counts), Dice of all pixels together (of counts of pixels).
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from microtome.metrics.resampling import (
    BATCH,
    RESAMPLES,
    Score,
    Trainings,
    Values,
    drawn,
    ends,
    mean_of,
    p_of,
)

EXACT_MAX = 12
"""Groups up to which all ways to exchange are tried."""
TIE = 1e-12

__all__ = ["Score", "exchange_test", "interval", "least_p", "mean_of", "seeded_p"]


def interval(totals: Values, score: Score, *, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a score, by drawing groups with replacement.

    Args:
        totals: What each group adds to the totals, (groups, K).
        score: What follows from totals.
        seed: Seed of the draws; with equal seeds and numbers of groups the same groups are drawn.

    Returns:
        Its ends; NaN of fewer than two groups. Draws without a score are left out.

    Example:
        >>> values = np.array([[0.8, 1.0], [0.8, 1.0], [0.8, 1.0]])
        >>> [round(end, 3) for end in interval(values, mean_of)]
        [0.8, 0.8]
    """
    return ends(drawn([totals[None]], score, seed=seed))


def exchange_test(first: Values, second: Values, score: Score, *, seed: int = 0) -> float:
    """The p-value of the paired, two-sided permutation test of the difference of two runs' scores.

    If the runs were alike, the results of a group might as well be exchanged between them. Up to 12 groups on
    which the runs differ: exact, over all 2^n ways to exchange. More: 9,999 ways at random (Phipson and Smyth
    2010, doi:10.2202/1544-6115.1585).

    Args:
        first: What each group adds to the totals of the first run, (groups, K).
        second: The same of the second run, groups in the same order.
        score: What follows from totals.
        seed: Seed of the random ways.

    Raises:
        ValueError: The runs do not have the same groups.

    Example:
        >>> better = np.array([[0.9, 1.0], [0.8, 1.0], [0.7, 1.0]])
        >>> worse = np.array([[0.8, 1.0], [0.7, 1.0], [0.5, 1.0]])
        >>> exchange_test(better, worse, mean_of)
        0.25
    """
    if first.shape != second.shape:
        msg = f"totals of shapes {first.shape} and {second.shape}; expected the same groups of both runs"
        raise ValueError(msg)
    differs = (first != second).any(axis=1)
    chosen = _ways(int(differs.sum()), seed)
    ways = np.zeros((len(chosen), len(first)))
    ways[:, differs] = chosen
    found = abs(_difference(np.zeros((1, len(first))), first, second, score)[0])
    enough = found - TIE * max(found, 1.0)
    differences = np.concatenate([_difference(part, first, second, score) for part in _parts(ways)])
    hits = int((np.abs(differences) >= enough).sum())
    return hits / len(ways) if differs.sum() <= EXACT_MAX else (1 + hits) / (1 + len(ways))


def seeded_p(p_value: float, first: Trainings, second: Trainings, score: Score, *, seed: int = 0) -> float:
    """The p-value of two runs where some have several seeds: that of groups, or of draws of both if larger.

    A permutation test of seed means says of the trainings at hand, not of the runs that they stand for. So
    the bootstrap that draws groups and seeds has to tell the runs apart as well (a test that is passed where
    both are is no larger than each: Berger 1982, doi:10.1080/00401706.1982.10487790).

    Args:
        p_value: Of `exchange_test`, of the means over seeds.
        first: The trainings of the first run.
        second: Of the second run, groups in the same order.
        score: What follows from totals.
        seed: Seed of the draws.

    Returns:
        The p-value; as given where each run has one seed.

    Example:
        >>> alone = [np.array([[[0.9, 1.0], [0.8, 1.0]]])]
        >>> seeded_p(0.5, alone, alone, mean_of)
        0.5
    """
    if max(len(of_split) for of_split in (*first, *second)) == 1:
        return p_value
    ours, theirs = (drawn(one, score, seed=seed, of=of) for one, of in ((first, "first"), (second, "second")))
    return max(p_value, p_of(ours - theirs))


def least_p(groups: int) -> float:
    """The least p-value that `exchange_test` can give with so many groups.

    Example:
        >>> [round(least_p(groups), 4) for groups in (1, 5, 6, 13)]
        [1.0, 0.0625, 0.0312, 0.0001]
    """
    return 2.0 ** (1 - groups) if groups <= EXACT_MAX else 1 / (1 + RESAMPLES)


def _ways(groups: int, seed: int) -> Values:
    """Ways to exchange, (ways, groups): 1 where a group is exchanged."""
    if groups <= EXACT_MAX:
        return np.array(list(product((0.0, 1.0), repeat=groups)))
    return np.random.default_rng(seed).integers(0, 2, (RESAMPLES, groups)).astype(float)


def _difference(ways: Values, first: Values, second: Values, score: Score) -> Values:
    kept = 1 - ways
    return score(kept @ first + ways @ second) - score(ways @ first + kept @ second)


def _parts(rows: Values) -> Iterator[Values]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
