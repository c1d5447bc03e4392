# SPDX-License-Identifier: MIT
"""Runs on the same samples, which belong together in groups: intervals and paired tests of a score of totals.

Samples of one patient are alike, so patients are drawn anew, or exchanged between two runs, each with all of
its samples. A score is anything that follows from totals over samples: a mean (of sums and counts), Dice of
all pixels together (of counts of pixels).
"""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import numpy.typing as npt

from microtome.metrics.summary import CONFIDENCE, EXACT_MAX, RESAMPLES, TIE

Values = npt.NDArray[np.float64]
Score = Callable[[Values], Values]
"""From totals (..., K) to the score of each (...), NaN where it is not defined."""
BATCH = 1000
"""Draws that are scored at once."""


def mean_of(totals: Values) -> Values:
    """The score that is a mean: of sums and counts (..., 2).

    Example:
        >>> mean_of(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [0.75, nan]
    """
    sums, counts = totals[..., 0], totals[..., 1]
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


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
    number = len(totals)
    if number < 2:
        return float("nan"), float("nan")
    rng, share = np.random.default_rng(seed), np.full(number, 1 / number)
    times = rng.multinomial(number, share, size=RESAMPLES).astype(float)
    drawn = np.concatenate([score(part @ totals) for part in _parts(times)])
    if np.isnan(drawn).all():
        return float("nan"), float("nan")
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(drawn, (tail, 1 - tail))
    return float(low), float(high)


def exchange_test(first: Values, second: Values, score: Score, *, seed: int = 0) -> float:
    """The p-value of the paired, two-sided permutation test of the difference of two runs' scores.

    If the runs were alike, the results of a group might as well be exchanged between them. Up to 12 groups:
    exact, over all 2^n ways to exchange. More: 9,999 ways at random (Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585).

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
    found = abs(_difference(np.zeros((1, len(first))), first, second, score)[0])
    enough = found - TIE * max(found, 1.0)
    ways = _ways(len(first), seed)
    differences = np.concatenate([_difference(part, first, second, score) for part in _parts(ways)])
    hits = int((np.abs(differences) >= enough).sum())
    return hits / len(ways) if len(first) <= EXACT_MAX else (1 + hits) / (1 + len(ways))


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
