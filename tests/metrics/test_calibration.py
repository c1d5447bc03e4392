# SPDX-License-Identifier: MIT
"""Calibration of probabilities against sums over pixels written out, and against scikit-learn."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from microtome.metrics import calibration
from microtome.metrics.families import calibration as family
from microtome.metrics.families._context import Context
from microtome.metrics.undefined import UndefinedMetricError

BINS = 15
IGNORE = 255


def example(classes=3, shape=(40, 50), seed=0):
    """Probabilities of someone who is too sure, and the truth with some pixels left out."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, shape).astype(np.uint8)
    scores = rng.normal(0, 1.5, (classes, *shape)) + 2 * (truth == np.arange(classes)[:, None, None])
    shares = np.exp(1.6 * scores)
    shares = (shares / shares.sum(0)).astype(np.float32)
    truth[rng.random(shape) < 0.2] = IGNORE
    return shares, truth


def pairs_of(shares, truth):
    """Probability and whether it came true, by class, of the most probable one last: pixel after pixel."""
    found = [[] for _ in range(len(shares) + 1)]
    for place in zip(*np.nonzero(truth != IGNORE), strict=True):
        values, true = shares[(slice(None), *place)].astype(float), int(truth[place])
        for index, value in enumerate(values):
            found[index].append((value, index == true))
        best = max(range(len(values)), key=lambda index: values[index])
        found[-1].append((values[best], best == true))
    return found


def gaps_of(pairs):
    """Pixels of each bin of equal width, and the distance of its frequency and mean probability."""
    for low, high in itertools.pairwise(np.linspace(0, 1, BINS + 1)):
        within = [pair for pair in pairs if low <= pair[0] < high or (high == 1 and pair[0] == 1)]
        if within:
            yield len(within), abs(np.mean([hit for _, hit in within]) - np.mean([p for p, _ in within]))


def context(shares, truth, **more):
    names = [f"c{index}" for index in range(len(shares))]
    told = {"activation": "softmax", **more}
    return Context(truth, shares, shares.argmax(0).astype(np.uint8), names, **told)


def values(measures):
    return {(m.class_name, m.metric): m.value for m in measures}


@pytest.mark.parametrize("classes", [2, 3])
def test_errors_over_bins_of_equal_width_are_those_of_the_pixels(classes):
    shares, truth = example(classes)
    found = values(family.measure(context(shares, truth)))
    names = [*(f"c{index}" for index in range(classes)), "all"]
    errors = {}
    for name, pairs in zip(names, pairs_of(shares, truth), strict=True):
        gaps = list(gaps_of(pairs))
        errors[name] = sum(count * gap for count, gap in gaps) / len(pairs)
        assert found[name, "ece"] == pytest.approx(errors[name], abs=1e-7)
        assert found[name, "mce"] == pytest.approx(max(gap for _, gap in gaps), abs=1e-6)
    of_classes = [errors[name] for name in names[:-1]]
    assert found["all", "mean_ece"] == pytest.approx(np.mean(of_classes), abs=1e-7)


def test_scores_are_those_of_another_library():
    shares, truth = example()
    found, known = values(family.measure(context(shares, truth))), truth != IGNORE
    flat, ids = shares[:, known].T.astype(float), truth[known]
    of_classes = [brier_score_loss(ids == index, flat[:, index]) for index in range(3)]
    for index, score in enumerate(of_classes):
        assert found[f"c{index}", "brier"] == pytest.approx(score, rel=1e-6)
    assert found["all", "brier"] == pytest.approx(sum(of_classes), rel=1e-6)
    assert found["all", "nll"] == pytest.approx(log_loss(ids, flat / flat.sum(1, keepdims=True)), rel=1e-5)


def test_bins_of_equally_many_pixels():
    centres = (calibration.EDGES[:-1] + calibration.EDGES[1:]) / 2
    chosen = centres[-30:]  # two of them for each of fifteen groups
    truth = np.array([[0] * 5, [1, 1, 1, 0, 1], [1] * 5] * 10, np.uint8)
    sure = np.repeat(chosen[:, None], 5, axis=1)
    shares = np.stack([sure, 1 - sure])
    found = values(family.measure(context(shares, truth)))
    pairs = sorted(pairs_of(shares, truth)[0])
    groups = np.array_split(np.array(pairs, float), BINS)
    expected = np.mean([abs(group[:, 1].mean() - group[:, 0].mean()) for group in groups])
    assert found["c0", "ace"] == pytest.approx(expected, abs=1e-9)
    assert found["c0", "ace"] != pytest.approx(found["c0", "ece"], abs=1e-3)


def test_adaptive_error_of_many_pixels_is_near_that_of_sorted_ones():
    shares, truth = example(shape=(150, 200))
    found = values(family.measure(context(shares, truth)))
    pairs = np.array(sorted(pairs_of(shares, truth)[-1]), float)
    expected = np.mean([abs(g[:, 1].mean() - g[:, 0].mean()) for g in np.array_split(pairs, BINS)])
    assert found["all", "ace"] == pytest.approx(expected, abs=0.01)


def test_area_under_risk_and_coverage_is_the_mean_risk_of_the_surest_pixels():
    shares, truth = example(shape=(150, 200))
    found = values(family.measure(context(shares, truth)))
    hits = np.array([hit for _, hit in sorted(pairs_of(shares, truth)[-1], reverse=True)])
    risks = np.cumsum(~hits) / np.arange(1, hits.size + 1)
    assert found["all", "aurc"] == pytest.approx(risks.mean(), abs=1e-3)
    coverage, risk = calibration.risk_by_coverage(calibration.count(shares, truth).bins[-1])
    assert (np.diff(coverage) > 0).all()
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx((~hits).mean())
    for share, wrong in zip(coverage, risk, strict=True):
        assert wrong == pytest.approx(risks[round(share * hits.size) - 1], abs=1e-9)


def test_sums_of_parts_are_those_of_the_whole(monkeypatch):
    shares, truth = example()
    whole = calibration.count(shares, truth)
    halves = calibration.count(shares[:, :17], truth[:17]) + calibration.count(shares[:, 17:], truth[17:])
    monkeypatch.setattr(calibration, "STEP", 101)
    steps = calibration.count(shares, truth)
    for other in (halves, steps):
        np.testing.assert_allclose(other.bins, whole.bins, rtol=1e-12)
        np.testing.assert_allclose(other.squares, whole.squares, rtol=1e-12)
        assert other.surprise == pytest.approx(whole.surprise)
    assert whole.pixels == (truth != IGNORE).sum()


def test_sums_stand_among_the_measures():
    shares, truth = example()
    found, sums = values(family.measure(context(shares, truth))), calibration.count(shares, truth)
    for row, name in enumerate(("c0", "c1", "c2", "all")):
        for column, prefix in enumerate(family.BINNED):
            told = [found[name, f"{prefix}{at}"] for at in range(len(calibration.EDGES) - 1)]
            assert told == sums.bins[row, :, column].tolist()


def test_one_map_is_of_the_second_class_and_markers_are_of_none():
    shares, truth = example(2)
    pair = values(family.measure(context(shares, truth)))
    names = ["c0", "c1"]
    maps = np.stack([1 - shares[0], np.zeros_like(shares[0])])
    alone = Context(truth, maps, truth, names, activation="sigmoid")
    assert values(family.measure(alone)) == pytest.approx(pair, abs=1e-5)
    with pytest.raises(
        UndefinedMetricError, match=r"2 maps .sigmoid. say no probability of each of 3 classes"
    ):
        family.measure(Context(truth, maps, truth, ["a", "b", "c"], activation="sigmoid"))


def test_what_is_kept_in_steps_is_never_ruled_out():
    truth = np.zeros((1, 2), np.uint8)
    shares = np.array([[[1.0, 0.0]], [[0.0, 1.0]]], np.float32)
    kept = values(family.measure(context(shares, truth, step=1 / 255)))["all", "nll"]
    assert kept == pytest.approx(-np.log(1 / 510) / 2)
    assert values(family.measure(context(shares, truth)))["all", "nll"] == pytest.approx(-np.log(1e-7) / 2)


def test_what_is_wrong_is_said():
    shares, truth = example()
    with pytest.raises(ValueError, match="apply the softmax or sigmoid first"):
        calibration.count(shares * 3, truth)
    with pytest.raises(ValueError, match="the truth has classes 0 to 2, the probabilities are of 2 classes"):
        calibration.count(shares[:2], truth)
    with pytest.raises(ValueError, match=r"expected \(K, H, W\) and \(H, W\)"):
        calibration.count(shares[0], truth)


def test_without_a_pixel_nothing_is_defined():
    measures = family.of_sums(calibration.nothing(2), ["a", "b"])
    assert all(np.isnan(m.value) for m in measures if "@" not in m.metric)
