# SPDX-License-Identifier: MIT
"""Intervals, bold and claims of tables: patients and seeds are drawn; what cannot be told is not claimed."""

import numpy as np
import pandas as pd
import pytest

from microtome import tables
from microtome.metrics.overlap import confusion_matrix
from microtome.tables.parts.claims import claim_sentence, told_apart
from microtome.tables.parts.render import parse_tsv, printed, to_markdown, to_tsv
from tests.tables.test_tables import inputs, record, scores

DICE = [{"metric": "dice", "better": "high"}]


def runs_of(levels, images=12, seeds=1, spread=0.02, of_seed=0.0):
    """Runs with a mean each: images are alike for all, seeds shift a whole training."""
    rng = np.random.default_rng(0)
    of_image = rng.normal(0, 0.1, images)
    found = []
    for run, level in levels.items():
        for seed in range(seeds):
            shift = rng.normal(0, of_seed) if of_seed else 0.0
            values = level + of_image + shift + rng.normal(0, spread, images)
            found.append(record(run, scores("dice", *values), seed=seed))
    return found


def cell(table, run):
    row = table.frame["run"].tolist().index(run)
    return printed(table.frame, table.columns)[row][1]


def test_the_best_is_bold_only_where_it_is_told_apart_from_every_other():
    far = tables.tabulate("metrics", inputs(*runs_of({"a": 0.9, "b": 0.8, "c": 0.7})), columns=DICE)
    assert cell(far, "a")[1]
    assert "Bold: the best, where the interval of its paired difference" in far.note
    assert "No claim" not in far.note
    near = tables.tabulate("metrics", inputs(*runs_of({"a": 0.801, "b": 0.8, "c": 0.7})), columns=DICE)
    assert not any(cell(near, run)[1] for run in "abc")
    assert near.note.count("No claim: Dice.") == 1
    again = parse_tsv(to_tsv(far))
    assert printed(again, far.columns) == printed(far.frame, far.columns)


@pytest.mark.parametrize(("patients", "is_bold"), [(5, False), (6, True)])
def test_patients_make_a_claim_not_their_images(patients, is_bold):
    units = {str(n): f"p{n % patients}" for n in range(24)}
    given = inputs(*runs_of({"a": 0.9, "b": 0.7}, images=24), units=units, unit="patient")
    table = tables.tabulate("metrics", given, columns=DICE, interval=True)
    assert cell(table, "a")[1] == is_bold
    told = "No claim: 5 patients cannot tell 2 runs apart, whatever their values."
    assert (told in table.note) != is_bold
    assert "resampling patients, each with all of its images" in table.note
    assert table.frame["units"].tolist() == [patients, patients]
    assert "Patients" in [column.label for column in table.columns]


def test_the_interval_of_patients_is_that_of_drawing_them():
    rng = np.random.default_rng(2)
    values = np.repeat(rng.uniform(0.5, 0.9, 6), 4) + rng.normal(0, 0.01, 24)
    units = {str(n): f"p{n // 4}" for n in range(24)}
    table = tables.tabulate(
        "metrics", inputs(record("a", scores("dice", *values)), units=units), columns=DICE, interval=True
    )
    means = values.reshape(6, 4).mean(axis=1)[rng.integers(0, 6, (20_000, 6))].mean(axis=1)
    row = table.frame.iloc[0]
    expected = np.quantile(means, (0.025, 0.975))
    assert [row["dice_ci_low"], row["dice_ci_high"]] == pytest.approx(expected, abs=0.004)
    assert row["dice_sd"] == pytest.approx(values.std(ddof=1))


def test_seeds_widen_the_interval_and_take_the_claim_away():
    """A difference that one seed of each shows may be that of two seeds."""
    levels = {"a": 0.83, "b": 0.8}
    one = tables.tabulate("metrics", inputs(*runs_of(levels, spread=0.002)), columns=DICE, interval=True)
    several = inputs(*runs_of(levels, seeds=3, spread=0.002, of_seed=0.05))
    three = tables.tabulate("metrics", several, columns=DICE, interval=True)
    assert cell(one, "a")[1]
    assert not any(cell(three, run)[1] for run in levels)
    assert "nothing is said of other trainings" in one.note
    assert "and, independently, seeds" in three.note
    assert three.frame["seeds"].tolist() == [3, 3]
    tests = tables.tabulate("paired_tests", several, metric="dice").frame.set_index("run")
    exact = tables.tabulate("paired_tests", inputs(*runs_of(levels, spread=0.002)), metric="dice")
    assert exact.frame.set_index("run").loc["a", "p_value_b"] == 2 / 2**12
    assert tests.loc["a", "p_value_b"] > 0.05


def test_patients_without_a_value_make_no_claim():
    """Of slides only a few may be annotated: those count, not all that were called."""
    units = {str(n): f"p{n}" for n in range(12)}
    found = []
    for run, level in {"a": 0.9, "b": 0.7}.items():
        values = level + np.random.default_rng(6).normal(0, 0.02, 12)
        dice = scores("dice", *values[:5], *[np.nan] * 7)
        found.append(record(run, dice | scores("aji", *values)))
    given = inputs(*found, units=units)
    table = tables.tabulate("metrics", given, columns=DICE, interval=True)
    assert table.frame["units"].tolist() == [5, 5]
    assert not cell(table, "a")[1]
    assert "No claim: 5 patients cannot tell 2 runs apart, whatever their values." in table.note
    both = tables.tabulate("metrics", given, columns=[{"metric": "aji", "better": "high"}, *DICE])
    assert both.frame["units"].tolist() == [12, 12]
    assert (both.frame["aji_told_apart"].tolist(), both.frame["dice_told_apart"].tolist()) == ([1, 0], [0, 0])
    assert "No claim: Dice." in both.note
    tests = tables.tabulate("paired_tests", given, metric="dice")
    assert "No test can succeed with 5 patients" in tests.note


def test_images_of_one_block_say_nothing_of_others():
    units = {str(n): "b7" for n in range(3)}
    runs = runs_of({"a": 0.95, "b": 0.5}, images=3)
    table = tables.tabulate("metrics", inputs(*runs, units=units, unit="block"), columns=DICE, interval=True)
    assert "All images are of one block, so they say nothing of others." in table.note
    assert "No claim: 1 block cannot tell 2 runs apart" in table.note
    assert "**" not in to_markdown(table).replace("**Metrics (phantom data)**", "")
    assert "[" in cell(table, "a")[0]
    tests = tables.tabulate("paired_tests", inputs(*runs, units=units, unit="block"), metric="dice")
    assert "No test can succeed with 1 block" in tests.note


def test_pooled_columns_have_intervals_over_patients():
    rng, classes = np.random.default_rng(1), ["x", "y"]
    maps = {str(n): rng.integers(0, 2, (2, 40 + 30 * n)) for n in range(8)}
    matrices = {s: confusion_matrix(*pair, classes=classes) for s, pair in maps.items()}
    values = {
        (s, true, f"pixels@{given}"): float(m.loc[true, given])
        for s, m in matrices.items()
        for true in classes
        for given in classes
    }
    whose = {s: f"p{int(s) // 2}" for s in maps}
    given = inputs(record("a", values), classes=classes, units=whose)
    columns = [{"metric": "accuracy", "pooled": True}, {"metric": "dice", "class": "y", "pooled": True}]
    row = tables.tabulate("metrics", given, columns=columns, interval=True).frame.iloc[0]
    of_patient = np.stack(
        [sum(matrices[s].to_numpy() for s in maps if whose[s] == p) for p in ("p0", "p1", "p2", "p3")]
    )
    totals = of_patient[rng.integers(0, 4, (20_000, 4))].sum(axis=1)
    (tn, fp), (fn, tp) = np.moveaxis(totals, 0, -1)
    draws = np.stack([(tp + tn) / totals.sum(axis=(1, 2)), 2 * tp / (2 * tp + fp + fn)], axis=1)
    low, high = np.quantile(draws, (0.025, 0.975), axis=0)
    keys = ["accuracy_pooled", "dice_y_pooled"]
    assert [row[f"{key}_ci_low"] for key in keys] == pytest.approx(low, abs=0.01)
    assert [row[f"{key}_ci_high"] for key in keys] == pytest.approx(high, abs=0.01)


def test_what_distances_of_boundaries_are_is_said():
    frame = inputs(record("a", scores("hd95", 3.0, 134.4) | scores("dice", 0.9, 0.0)))
    note = tables.tabulate("metrics", frame, columns=["hd95"]).note
    assert "alone has a boundary distances are the diagonal of the image, and F is 0." in note
    assert "diagonal" not in tables.tabulate("metrics", frame, columns=["dice"]).note


@pytest.mark.parametrize(("better", "best"), [("high", 0), ("low", 2)])
def test_holm_over_the_comparisons_with_the_best(better, best):
    rng = np.random.default_rng(3)
    patients = rng.normal(0, 0.1, 9999)
    draws = [level + patients + rng.normal(0, 0.01, 9999) for level in (0.9, 0.8, 0.7)]
    found = told_apart(np.array([0.9, 0.8, 0.7]), draws, better=better, units=20)
    assert found.tolist() == [float(n == best) for n in range(3)]
    missing = told_apart(np.array([0.9, np.nan, np.nan]), draws, better=better, units=20)
    assert missing.tolist() == [0.0, 0.0, 0.0]


def test_a_run_alone_has_no_rival():
    assert claim_sentence(1, 20, "patients") == ""
    table = tables.tabulate("metrics", inputs(*runs_of({"a": 0.9})), columns=DICE, interval=True)
    assert "claim" not in table.note


def test_tests_exchange_patients_with_all_of_their_images():
    rng = np.random.default_rng(4)
    first, second = rng.uniform(0.5, 0.9, 10), rng.uniform(0.5, 0.9, 10)
    whose = {str(n): f"p{n % 4}" for n in range(10)}
    given = inputs(record("a", scores("dice", *first)), record("b", scores("dice", *second)), units=whose)
    row = tables.tabulate("paired_tests", given, metric="dice").frame.iloc[0]
    sums = pd.Series(first - second).groupby([f"p{n % 4}" for n in range(10)]).sum().to_numpy()
    flips = [abs(np.dot([1 - 2 * (way >> n & 1) for n in range(4)], sums)) for way in range(16)]
    assert row["p_value_b"] == np.mean(np.array(flips) >= abs(sums.sum()) - 1e-12)
    assert row["units_b"] == 4
