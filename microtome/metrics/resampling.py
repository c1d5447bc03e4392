# SPDX-License-Identifier: MIT
"""Bootstrap of a run's score: the groups of samples are drawn anew, and so are its trainings (seeds).

Samples of one patient are alike, so patients are drawn, each with all of its samples. A run is trained with
some seeds, and each training sees every patient of its split: patients and seeds are crossed. Both are drawn
with replacement, independently of each other (the pigeonhole bootstrap: Owen 2007, doi:10.1214/07-AOAS122).
Seeds are few, and n drawn of n spread too little, by (n - 1) / n, so one less is drawn (Rao and Wu 1988,
doi:10.1080/01621459.1988.10478591). The trainings of two splits (folds) are different ones, so seeds are
drawn for each by itself; what the folds score is put together.

Why not `scipy.stats.bootstrap`: it draws single values of one sample, neither groups nor crossed factors.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri, stdtr

CONFIDENCE = 0.95
RESAMPLES = 9999
ROUNDING = 1e-12
"""Up to which sums of values that are all alike differ."""
BATCH = 1000
"""Draws that are scored at once."""

Values = npt.NDArray[np.float64]
Score = Callable[[Values], Values]
"""From totals (..., K) to the score of each (...), NaN where it is not defined."""
Trainings = Sequence[Values]
"""What each group adds to the totals under each training: of each split (seeds, groups, K).

All splits have the same groups in the same order; one that a split does not hold adds nothing there.
"""


def mean_of(totals: Values) -> Values:
    """The score that is a mean: of sums and counts (..., 2).

    Example:
        >>> mean_of(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [0.75, nan]
    """
    sums, counts = totals[..., 0], totals[..., 1]
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def groups_of(samples: Sequence[str], units: Mapping[str, str]) -> dict[str, str]:
    """The group that each sample is drawn with: its patient; without one, or if all share one, itself.

    Args:
        samples: Names of samples.
        units: Patient (or slide, or block) by sample, as far as they are known.

    Example:
        >>> groups_of(["a", "b", "c"], {"a": "p1", "b": "p1"})
        {'a': 'p1', 'b': 'p1', 'c': 'c'}
        >>> groups_of(["a", "b"], {"a": "p1", "b": "p1"})
        {'a': 'a', 'b': 'b'}
    """
    found = {sample: units.get(sample) or sample for sample in samples}
    return {sample: sample for sample in found} if len(set(found.values())) == 1 else found


def trainings_of(
    values: pd.DataFrame,
    groups: Mapping[str, str],
    order: Sequence[str] | None = None,
    weights: Mapping[str, float] | None = None,
) -> list[Values]:
    """Lay the values of images out as trainings, whose score is `mean_of`: that of each image's seed mean.

    Args:
        values: Columns split, sample, seed, value; NaN where undefined. An image that is so under some of
            the seeds has there the mean of the others, one that is so under all does not count.
        groups: Group by sample (`groups_of`).
        order: The groups, in order; sorted by name by default.
        weights: Weight of each sample that has a value; all alike by default.

    Returns:
        Of each split (seeds, groups, 2): sums and counts.

    Example:
        >>> frame = pd.DataFrame({"split": "x", "sample": ["a", "b"], "seed": 0, "value": [0.2, 0.6]})
        >>> trainings_of(frame, {"a": "p", "b": "p"})[0].tolist()
        [[[0.8, 2.0]]]
    """
    names = sorted({groups[name] for name in values["sample"]}) if order is None else order
    places = {name: place for place, name in enumerate(names)}
    found = []
    for _, of_split in values.groupby("split", sort=True):
        by_seed = of_split.pivot_table(index="sample", columns="seed", values="value", dropna=False)
        defined = by_seed[by_seed.notna().any(axis=1)]
        filled = defined.T.fillna(defined.mean(axis=1)).to_numpy(float)
        totals = np.zeros((len(filled), len(names), 2))
        at = [places[groups[sample]] for sample in defined.index]
        weight = [1.0 if weights is None else weights[sample] for sample in defined.index]
        added = np.stack([filled, np.ones_like(filled)], axis=-1) * np.array(weight)[:, None]
        np.add.at(totals, (slice(None), at), added)
        found.append(totals)
    return found


def drawn(trainings: Trainings, score: Score, *, seed: int = 0, of: str = "") -> Values:
    """Scores of `RESAMPLES` draws of groups and seeds, (draws, ...).

    Args:
        trainings: What each group adds under each training.
        score: What follows from totals.
        seed: Seed of the draws: with equal ones and as many groups the same groups are drawn.
        of: Whose trainings these are: two runs with other names draw their seeds independently.

    Returns:
        The scores; all NaN of fewer than two groups.

    Example:
        >>> values = np.array([[[0.8, 1.0], [0.8, 1.0], [0.8, 1.0]]])
        >>> bool(np.allclose(drawn([values], mean_of), 0.8))
        True
    """
    number = trainings[0].shape[1]
    if number < 2:
        return np.full_like(score(_added(trainings, np.ones((RESAMPLES, number)), [])), np.nan)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(number, np.full(number, 1 / number), size=RESAMPLES).astype(float)
    shares = [seed_shares(len(one), split, seed=seed, of=of) for split, one in enumerate(trainings)]
    parts = (slice(start, start + BATCH) for start in range(0, RESAMPLES, BATCH))
    return np.concatenate([score(_added(trainings, times[p], [one[p] for one in shares])) for p in parts])


def drawn_apart(trainings: Trainings, score: Score, *, seed: int = 0, of: str = "") -> Values:
    """The same where each training is scored by itself: the mean over seeds, then over splits, of scores.

    So are Dice and the like taken of the pixels of all images together. Groups are drawn within each split.

    Args:
        trainings: What each group adds, of each split (seeds, groups of the split, ...).
        score: From totals (draws, ...) to scores (draws, ...), NaN where not defined, which are left out.
        seed: As of `drawn`.
        of: As of `drawn`.

    Returns:
        The scores of `RESAMPLES` draws; a single one, all NaN, if a split has fewer than two groups.
    """
    if min(one.shape[1] for one in trainings) < 2:
        return np.full_like(score(trainings[0].sum(axis=1)[:1]), np.nan)
    rng, found = np.random.default_rng(seed), []
    for split, totals in enumerate(trainings):
        number = totals.shape[1]
        times = rng.multinomial(number, np.full(number, 1 / number), size=RESAMPLES).astype(float)
        scores = np.stack([score(np.tensordot(times, of_seed, 1)) for of_seed in totals])
        shares = seed_shares(len(totals), split, seed=seed, of=of).T
        found.append(_weighted(scores, shares.reshape(*shares.shape, *[1] * (scores.ndim - 2))))
    return _weighted(np.stack(found), np.ones((1,) * (found[0].ndim + 1)))


def seed_shares(seeds: int, split: int, *, seed: int, of: str) -> Values:
    """The share that each seed has in each draw, (draws, seeds), of seeds drawn with replacement, one less.

    Args:
        seeds: How many there are.
        split: Number of the split, whose trainings are drawn by themselves.
        seed: Seed of the draws.
        of: As of `drawn`.

    Example:
        >>> seed_shares(3, 0, seed=0, of="unet").sum(axis=1).round(9).tolist() == [1.0] * RESAMPLES
        True
    """
    rng = np.random.default_rng([seed, split, crc32(of.encode())])
    number = max(seeds - 1, 1)
    return rng.multinomial(number, np.full(seeds, 1 / seeds), size=RESAMPLES) / number


def score_of(trainings: Trainings, score: Score) -> float:
    """The score of a run: of all groups, the mean over the seeds of what they add."""
    return float(score(sum(one.mean(axis=0).sum(axis=0) for one in trainings)))


def ends(draws: Values) -> tuple[float, float]:
    """The ends of the 95 % percentile interval of draws (draws,); those that are not defined are left out.

    Example:
        >>> [round(end, 6) for end in ends(np.arange(41.0))], ends(np.array([np.nan]))
        ([1.0, 39.0], (nan, nan))
    """
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    tail = (1 - CONFIDENCE) / 2
    low, high = map(float, np.nanquantile(draws, (tail, 1 - tail)))
    return (low, high) if high - low > ROUNDING else (low, low)


def p_of(differences: Values) -> float:
    """The two-sided p-value of draws of a difference: the least level at which their interval holds 0.

    Draws that are not defined are left out; the p-value is at least 2 / (1 + draws) (Davison and Hinkley
    1997, section 4.2.3, doi:10.1017/CBO9780511802843).

    Example:
        >>> p_of(np.array([0.1, 0.2, 0.3, -0.1])), p_of(np.array([np.nan]))
        (0.8, 1.0)
    """
    known = differences[~np.isnan(differences)]
    beyond = min((known <= 0).sum(), (known >= 0).sum())
    return min(1.0, 2 * (1 + int(beyond)) / (1 + known.size))


def expanded(p_value: float, units: int) -> float:
    """The p-value of draws of few units, of an interval that is widened as Student's t is against the normal.

    A percentile interval of n units is too narrow: by the square root of (n - 1) / n, and by a quantile of
    the normal distribution in place of Student's (Hesterberg 2015, doi:10.1080/00031305.2015.1089789).

    Args:
        p_value: Of `p_of`.
        units: Groups that are drawn, n.

    Example:
        >>> [round(expanded(0.01, units), 3) for units in (1, 6, 12, 1000)]
        [1.0, 0.065, 0.031, 0.01]
    """
    if units < 2:
        return 1.0
    distance = ndtri(1 - p_value / 2) * np.sqrt((units - 1) / units)
    return float(2 * stdtr(units - 1, -distance))


def _weighted(values: Values, weights: Values) -> Values:
    """The mean over the first axis, by weights, of the values that are defined."""
    defined = ~np.isnan(values)
    total = (np.where(defined, values, 0.0) * weights).sum(axis=0)
    weight = (defined * weights).sum(axis=0)
    return np.divide(total, weight, out=np.full(np.shape(total), np.nan), where=weight > 0)


def _added(trainings: Trainings, times: Values, shares: Sequence[Values]) -> Values:
    """Totals (draws, K) of groups that are drawn some times, by trainings with some shares."""
    return sum(_of_seeds(trainings, times, shares), start=np.zeros(()))


def _of_seeds(trainings: Trainings, times: Values, shares: Sequence[Values]) -> Iterator[Values]:
    for number, totals in enumerate(trainings):
        share = shares[number] if shares else np.full((len(times), len(totals)), 1 / len(totals))
        for seed, of_seed in enumerate(totals):
            yield share[:, seed, None] * (times @ of_seed)
