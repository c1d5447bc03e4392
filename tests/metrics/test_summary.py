# SPDX-License-Identifier: MIT
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from microtome.metrics import summary

COLUMNS = ["study", "split", "run", "seed", "part", "sample", "class", "metric", "value"]


def tidy(values, *, split="p", seed=0, part="test", name="all", metric="dice"):
    """Rows from {run: [value of image 0, 1, ...]}."""
    return pd.DataFrame(
        [
            ("membranes", split, run, seed, part, f"{index:02d}", name, metric, value)
            for run, row in values.items()
            for index, value in enumerate(row)
        ],
        columns=COLUMNS,
    )


def compare(frame, metric, *runs, **more):
    """The only pair of two runs."""
    return summary.compare_all(frame, metric, runs=runs, **more).iloc[0]


def test_mean_sd_and_n_by_group():
    frame = pd.concat(
        [tidy({"a": [0.5, 0.7, 0.9]}), tidy({"b": [1.0]}), tidy({"a": [0.1, 0.3]}, metric="iou")]
    )
    found = summary.summarize(frame)
    assert found[["run", "metric", "n"]].values.tolist() == [
        ["a", "dice", 3],
        ["b", "dice", 1],
        ["a", "iou", 2],
    ]
    assert found["mean"].tolist() == pytest.approx([0.7, 1.0, 0.2])
    assert found["sd"].tolist() == pytest.approx([0.2, math.nan, 0.1 * math.sqrt(2)], nan_ok=True)
    assert found.loc[found["n"] == 1, ["low", "high"]].isna().all(axis=None)


def test_seeds_of_one_image_count_once():
    frame = pd.concat([tidy({"a": [0.2, 0.4]}, seed=0), tidy({"a": [0.4, 0.8]}, seed=1)])
    row = summary.summarize(frame).iloc[0]
    assert (row["n"], row["mean"]) == (2, pytest.approx(0.45))
    assert row["sd"] == pytest.approx(np.std([0.3, 0.6], ddof=1))


def test_undefined_values_are_left_out_and_counted():
    row = summary.summarize(tidy({"a": [0.5, math.nan, 0.7]})).iloc[0]
    assert (row["n"], row["undefined"], row["mean"]) == (2, 1, pytest.approx(0.6))
    row = summary.summarize(tidy({"a": [math.nan]})).iloc[0]
    assert row["n"] == 0
    assert math.isnan(row["mean"])


def test_interval_is_reproducible_and_independent_of_other_groups():
    values = np.random.default_rng(1).beta(8, 2, 14)
    both = summary.summarize(tidy({"b": values[::-1] / 2, "a": values}))
    alone = summary.summarize(tidy({"a": values}))
    assert both.iloc[1][["low", "high"]].tolist() == alone.iloc[0][["low", "high"]].tolist()
    other = summary.summarize(tidy({"a": values}), seed=1)
    assert other["low"].item() != alone["low"].item()
    assert alone["low"].item() < values.mean() < alone["high"].item()


def test_interval_covers_every_resample_of_two_images():
    row = summary.summarize(tidy({"a": [0.0, 1.0]})).iloc[0]  # resampled means 0 (25 %), 1/2 (50 %), 1 (25 %)
    assert (row["low"], row["high"]) == (0.0, 1.0)


def test_interval_is_close_to_the_normal_one_for_many_images():
    values = np.random.default_rng(0).normal(0.8, 0.05, 200)
    row = summary.summarize(tidy({"a": values})).iloc[0]
    half = 1.96 * values.std(ddof=1) / math.sqrt(200)
    assert (row["low"], row["high"]) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.1 * half
    )


def test_constant_values_have_a_point_interval():
    row = summary.summarize(tidy({"a": [0.5, 0.5, 0.5]})).iloc[0]
    assert (row["sd"], row["low"], row["high"]) == (0, 0.5, 0.5)


def test_exact_permutation_equals_enumeration():
    rng = np.random.default_rng(2)
    first, second = rng.random(7), rng.random(7)
    result = compare(tidy({"a": first, "b": second}), "dice", "a", "b")
    difference = first - second
    flips = [abs(np.dot(signs, difference)) for signs in itertools.product((1, -1), repeat=7)]
    assert result.p_value == np.mean([flip >= abs(difference.sum()) - 1e-9 for flip in flips])
    assert (result.n, result.test) == (7, summary.SIGN_FLIP)
    assert result.difference == pytest.approx(difference.mean())
    scipy = stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
    )
    assert result.p_value == pytest.approx(scipy.pvalue)


def test_swapping_runs_changes_the_sign_only():
    frame = tidy({"a": [0.9, 0.8, 0.7, 0.9], "b": [0.7, 0.7, 0.75, 0.5]})
    first, second = compare(frame, "dice", "a", "b"), compare(frame, "dice", "b", "a")
    assert first.difference == -second.difference
    assert first.p_value == second.p_value


def test_many_images_use_wilcoxon():
    rng = np.random.default_rng(3)
    first = rng.random(30)
    second = first + rng.normal(0.02, 0.05, 30)
    result = compare(tidy({"a": first, "b": second}), "dice", "a", "b")
    assert result.test == summary.WILCOXON
    assert result.p_value == pytest.approx(stats.wilcoxon(first, second).pvalue)


@pytest.mark.parametrize("images", [3, 20])
def test_equal_runs_have_p_one(images):
    values = np.linspace(0, 1, images)
    assert compare(tidy({"a": values, "b": values}), "dice", "a", "b").p_value == 1


def test_ties_and_zeros_do_not_warn():
    first = np.array([0.1, 0.2] * 8)
    result = compare(tidy({"a": first, "b": np.where(np.arange(16) < 4, first, 0.1)}), "dice", "a", "b")
    assert 0 < result.p_value <= 1


def test_undefined_pairs_are_left_out():
    frame = tidy({"a": [0.5, math.nan, 0.7, 0.9], "b": [0.4, 0.5, math.nan, 0.8]})
    result = compare(frame, "dice", "a", "b")
    assert (result.n, result.undefined, result.mean_a) == (2, 2, pytest.approx(0.7))
    with pytest.raises(ValueError, match="undefined"):
        compare(tidy({"a": [math.nan], "b": [0.5]}), "dice", "a", "b")


def test_unpaired_images_are_refused():
    frame = tidy({"a": [0.1, 0.2, 0.3], "b": [0.1, 0.2]})
    with pytest.raises(ValueError, match=r"not paired.*'b'.*1 missing.*02.*same images"):
        compare(frame, "dice", "a", "b")
    with pytest.raises(ValueError, match="not paired"):
        compare(frame, "dice", "a", "typo")
    other = pd.concat([tidy({"a": [0.1]}, split="x"), tidy({"b": [0.1]}, split="y")])
    with pytest.raises(ValueError, match="not paired"):
        compare(other, "dice", "a", "b")


def test_part_class_and_metric_must_be_clear():
    frame = pd.concat([tidy({"a": [0.1], "b": [0.2]}), tidy({"a": [0.1], "b": [0.2]}, part="val")])
    with pytest.raises(ValueError, match=r"parts \['test', 'val'\]"):
        compare(frame, "dice", "a", "b")
    assert compare(frame, "dice", "a", "b", part="val").n == 1
    with pytest.raises(ValueError, match="no rows with metric 'aji'"):
        compare(frame, "aji", "a", "b")
    with pytest.raises(ValueError, match="class 'cell'"):
        compare(frame, "dice", "a", "b", class_name="cell")


def test_compare_all_corrects_over_pairs():
    rng = np.random.default_rng(5)
    base = rng.random(10)
    frame = tidy({"a": base, "b": base + 0.1, "c": base + rng.normal(0, 0.1, 10)})
    found = summary.compare_all(frame, "dice")
    assert found[["run_a", "run_b"]].values.tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert found["p_value"].iloc[0] == 2 / 2**10
    assert found["p_holm"].iloc[0] == pytest.approx(min(1, 3 * 2 / 2**10))
    assert (found["p_holm"] >= found["p_value"]).all()
    assert len(summary.compare_all(frame, "dice", runs=["a", "c"])) == 1
    with pytest.raises(ValueError, match="two or more"):
        summary.compare_all(frame, "dice", runs=["a"])


def test_holm_by_hand():
    assert summary.holm([0.005, 0.011, 0.02, 0.04, 0.13]).tolist() == pytest.approx(
        [0.025, 0.044, 0.06, 0.08, 0.13]
    )
    assert summary.holm([0.9, 0.8]).tolist() == [1, 1]


def test_bad_frames_and_settings_are_named():
    frame = tidy({"a": [0.1, math.inf]})
    with pytest.raises(ValueError, match="infinite"):
        summary.summarize(frame)
    with pytest.raises(ValueError, match="'metric'"):
        summary.summarize(frame.drop(columns="metric"))
    with pytest.raises(ValueError, match="0 rows"):
        summary.summarize(frame.iloc[:0])
