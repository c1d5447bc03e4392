# SPDX-License-Identifier: MIT
"""Draws of patients and seeds: against draws in plain loops, and by how often intervals hold the truth."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from microtome.metrics import resampling
from microtome.metrics.resampling import (
    drawn,
    drawn_apart,
    ends,
    groups_of,
    mean_of,
    p_of,
    score_of,
    trainings_of,
)

PATIENTS = dict(zip("abcdefghijklmn", "pppqrrstuvwwxy", strict=True))


def frame_of(values, split="x"):
    """Rows from {(sample, seed): value}."""
    rows = [(split, sample, seed, value) for (sample, seed), value in values.items()]
    return pd.DataFrame(rows, columns=["split", "sample", "seed", "value"])


def random_frame(samples, seeds, split="x", seed=0):
    rng = np.random.default_rng(seed)
    of_sample, of_seed = rng.normal(0.7, 0.1, len(samples)), rng.normal(0, 0.05, seeds)
    return frame_of(
        {
            (s, k): of_sample[n] + of_seed[k] + rng.normal(0, 0.01)
            for n, s in enumerate(samples)
            for k in range(seeds)
        },
        split,
    )


def by_loops(frame, patients, draws, rng):
    """Means of draws: patients with replacement, and seeds of each split with replacement, in plain loops."""
    names, found = sorted({patients[sample] for sample in frame["sample"]}), []
    values = {(row.split, row.sample, row.seed): row.value for row in frame.itertuples()}
    samples = {
        name: sorted({(r.split, r.sample) for r in frame.itertuples() if patients[r.sample] == name})
        for name in names
    }
    seeds = {split: sorted(set(of["seed"])) for split, of in frame.groupby("split")}
    for _ in range(draws):
        chosen = {split: rng.choice(some, max(len(some) - 1, 1)) for split, some in seeds.items()}
        picked = [values_of for name in rng.choice(names, len(names)) for values_of in samples[name]]
        found.append(np.mean([np.mean([values[split, s, k] for k in chosen[split]]) for split, s in picked]))
    return np.array(found)


@pytest.mark.parametrize("seeds", [1, 3])
def test_patients_are_drawn_with_all_of_their_images_and_seeds_beside(seeds):
    frame = random_frame(list(PATIENTS), seeds)
    trainings = trainings_of(frame, PATIENTS)
    found = drawn(trainings, mean_of)
    expected = by_loops(frame, PATIENTS, 4000, np.random.default_rng(1))
    assert score_of(trainings, mean_of) == pytest.approx(frame.groupby("sample")["value"].mean().mean())
    assert ends(found) == pytest.approx(ends(expected), abs=0.006)
    assert found.std() == pytest.approx(expected.std(), rel=0.06)


def test_seeds_of_each_fold_are_drawn_by_themselves_and_folds_put_together():
    first = random_frame(["a", "b", "c"], 3, "fold-0", seed=3)
    second = random_frame(["d", "e", "f"], 2, "fold-1", seed=4)
    frame, alone = pd.concat([first, second]), {name: name for name in PATIENTS}
    found = drawn(trainings_of(frame, alone), mean_of)
    expected = by_loops(frame, alone, 4000, np.random.default_rng(2))
    assert ends(found) == pytest.approx(ends(expected), abs=0.006)
    assert found.std() == pytest.approx(expected.std(), rel=0.06)


def test_of_two_runs_the_same_patients_are_drawn_and_seeds_apart():
    frame = random_frame([f"s{n}" for n in range(20)], 1)
    alone = {name: name for name in frame["sample"]}
    one, two = trainings_of(frame, alone), trainings_of(frame.assign(value=frame["value"] - 0.1), alone)
    assert drawn(one, mean_of, of="a") - drawn(two, mean_of, of="b") == pytest.approx(0.1)
    several = trainings_of(random_frame(list(alone), 3), alone)
    apart = drawn(several, mean_of, of="a") - drawn(several, mean_of, of="b")
    assert apart.std() > 0.02
    assert (drawn(several, mean_of, of="a") == drawn(several, mean_of, of="a")).all()


def test_each_training_may_be_scored_by_itself():
    """Dice of all pixels is no mean: scores of the seeds are averaged, not their counts."""
    totals = np.random.default_rng(0).integers(1, 50, (2, 5, 2)).astype(float)
    share = lambda counts: counts[..., 0] / counts.sum(axis=-1)  # noqa: E731
    found = drawn_apart([totals], share)
    rng, expected = np.random.default_rng(7), []
    for _ in range(4000):
        groups, seeds = rng.integers(0, 5, 5), rng.integers(0, 2, 1)
        expected.append(np.mean([share(totals[k][groups].sum(axis=0)) for k in seeds]))
    assert ends(found) == pytest.approx(ends(np.array(expected)), abs=0.02)
    assert np.isnan(drawn_apart([totals[:, :1]], share)).all()


def test_an_image_without_a_value_under_one_seed_has_that_of_the_others():
    values = {
        ("a", 0): 0.5,
        ("a", 1): math.nan,
        ("b", 0): 0.2,
        ("b", 1): 0.4,
        ("c", 0): math.nan,
        ("c", 1): math.nan,
    }
    (totals,) = trainings_of(frame_of(values), {"a": "p", "b": "p", "c": "q"})
    assert totals.tolist() == [[[0.7, 2.0], [0.0, 0.0]], [[0.9, 2.0], [0.0, 0.0]]]


def test_one_patient_alone_is_no_group():
    assert groups_of(["a", "b"], {"a": "p", "b": "p"}) == {"a": "a", "b": "b"}
    assert groups_of(["a", "b"], {"a": "p"}) == {"a": "p", "b": "b"}
    assert np.isnan(drawn([np.ones((2, 1, 2))], mean_of)).all()


def test_p_is_the_level_at_which_the_interval_holds_nothing():
    draws = np.random.default_rng(0).normal(0.02, 0.01, 9999)
    p_value = p_of(draws)
    edge = np.quantile(draws, p_value / 2)
    assert edge == pytest.approx(0, abs=5e-4)
    assert p_of(-draws) == p_value
    assert p_of(np.ones(999)) == 2 / 1000


def test_seeds_spread_as_their_variance_over_their_number():
    values = np.array([0.2, 0.5, 0.9])
    totals = np.stack([np.tile([value, 1.0], (9, 1)) for value in values])
    assert drawn([totals], mean_of).std() == pytest.approx(values.std(ddof=1) / math.sqrt(3), rel=0.02)


def test_intervals_hold_the_truth_about_as_often_as_they_say(monkeypatch):
    """Twenty patients of three images, four seeds; drawing images of one seed as if alone, they do not."""
    monkeypatch.setattr(resampling, "RESAMPLES", 499)
    rng, rounds, hits, naive = np.random.default_rng(5), 200, 0, 0
    for _ in range(rounds):
        of_patient, of_seed = rng.normal(0, 0.1, (20, 1)), rng.normal(0, 0.04, (4, 1, 1))
        values = of_patient + of_seed + rng.normal(0, 0.03, (4, 20, 3))  # of which the mean is 0
        totals = np.stack([values.sum(axis=2), np.full((4, 20), 3.0)], axis=-1)
        images = np.stack([values[0].ravel(), np.ones(60)], axis=-1)
        for trainings, name in (([totals], "crossed"), ([images[None]], "alone")):
            low, high = ends(drawn(trainings, mean_of))
            hits += name == "crossed" and low <= 0 <= high
            naive += name == "alone" and low <= 0 <= high
    assert 0.88 <= hits / rounds <= 0.99
    assert naive / rounds < 0.7


@pytest.mark.parametrize("units", [6, 12, 40])
def test_a_p_value_of_few_units_is_that_of_an_interval_expanded_by_students_t(units):
    """At the level of the expanded p the ends of a t interval are where the percentile interval ends at p."""
    expected = norm.isf(0.02 / 2) * np.sqrt((units - 1) / units)
    assert t.isf(resampling.expanded(0.02, units) / 2, units - 1) == pytest.approx(expected)
    assert resampling.expanded(1.0, units) == pytest.approx(1.0)
    assert resampling.expanded(0.0002, 1) == 1.0


def test_of_six_units_without_a_difference_one_of_twenty_is_told_apart():
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        values = np.stack([rng.normal(0, 1, 6), np.ones(6)], axis=-1)
        found.append(resampling.p_of(resampling.drawn([values[None]], resampling.mean_of)))
    expanded = [resampling.expanded(p_value, 6) for p_value in found]
    assert np.mean(np.array(found) < 0.05) > 0.1
    assert np.mean(np.array(expanded) < 0.05) < 0.08
