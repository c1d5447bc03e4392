# SPDX-License-Identifier: MIT
"""Tables of called sections: rates with intervals by patient, chosen thresholds, tests, published values."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import binomtest

from microtome import tables
from microtome.metrics.sections import interval
from microtome.tables.inputs import Inputs
from microtome.tables.parts.render import to_markdown
from tests.synthetic_sections import CALLS, numbered, record, sections

PUBLISHED = yaml.safe_load((Path(__file__).parents[2] / "config/published.yaml").read_text())
P1 = PUBLISHED["papers"]["p1_bcc"]


def inputs(*records, **more):
    calls = {record.run: CALLS for record in records}
    return Inputs(runs=records, published=PUBLISHED, paper="p1_bcc", calls=calls, **more)


@pytest.fixture
def two(tmp_path):
    first = record(tmp_path, "unet", sections(numbered(6, 2, 3, 9)), label="U-Net")
    second = record(tmp_path, "r34", sections(numbered(8, 0, 1, 11)), label="R34")
    return inputs(first, second)


def test_rates_are_of_all_sections_together(two):
    row = tables.tabulate("section_metrics", two, rates=["accuracy", "precision", "f_beta"]).frame.iloc[0]
    assert row["accuracy"] == pytest.approx(15 / 20)
    assert row["precision"] == pytest.approx(6 / 9)
    assert row["f_beta"] == pytest.approx(3.25 * 6 / (3.25 * 6 + 2.25 * 2 + 3))
    assert (row["fp"], row["fn"], row["n"], row["units"]) == (3, 2, 20, 20)


def test_intervals_resample_patients(tmp_path):
    outcomes = numbered(4, 2, 0, 6)
    units = {sample: f"p{number % 3}" for number, (sample, _) in enumerate(outcomes)}
    given = inputs(record(tmp_path, "unet", sections(outcomes, units=units)))
    table = tables.tabulate("section_metrics", given)
    by_patient = np.zeros((3, 4), int)
    for number, name in enumerate(outcomes.values()):
        by_patient[number % 3, ("tp", "fp", "fn", "tn").index(name)] += 1
    counts = pd.DataFrame(by_patient, columns=["tp", "fp", "fn", "tn"])
    row = table.frame.iloc[0]
    assert (row["accuracy_ci_low"], row["accuracy_ci_high"]) == interval(counts, "accuracy")
    assert [column.label for column in table.columns if column.key == "units"] == ["Patients"]
    assert "resampling patients" in table.note
    assert (row["specificity_ci_low"], row["specificity_ci_high"]) == (1, 1)
    assert "An interval without width is of values that are all alike here" in table.note
    assert "Intervals of so few patients (3) are too narrow." in table.note


def test_unlabelled_sections_and_failed_slides_do_not_count_and_are_told(tmp_path):
    more = {("x", 1): "unlabelled", ("x", 2): "unlabelled", ("broken", 0): "failed"}
    table = tables.tabulate(
        "section_metrics", inputs(record(tmp_path, "u", sections(numbered(2, 0, 0, 2) | more)))
    )
    assert table.frame["n"].item() == 4
    assert "Left out: 2 sections without a label." in table.note
    assert "Left out: 1 slide that could not be read (broken)." in table.note


def test_the_note_says_what_the_least_area_does(tmp_path):
    """Of six normal sections two have a region of tumour: one large enough to be called, one not."""
    frame = sections(numbered(3, 1, 1, 5))
    small = frame.index[frame["call"].eq("normal") & frame["label"].eq("normal")][0]
    frame.loc[small, "area"] = 640.0
    table = tables.tabulate("section_metrics", inputs(record(tmp_path, "u", frame)), thresholds=True)
    assert "u 2 → 1 false positive, 0 → 1 missed." in table.note
    assert (table.frame["threshold"].item(), table.frame["least_area"].item()) == (0.5, 1280.0)


def test_thresholds_of_several_seeds_stand_side_by_side(tmp_path):
    records = [
        record(tmp_path, "u", sections(numbered(2, 1, 0, 3), threshold=t), seed=seed)
        for seed, t in enumerate((0.5, 0.75))
    ]
    table = tables.tabulate("section_metrics", inputs(*records), thresholds=True)
    assert table.frame["threshold"].item() == "0.50 / 0.75"
    assert table.frame["n"].item() == 6
    assert table.frame["fn"].item() == 1


def test_published_values_stand_beside_ours(two):
    options = {"published": "table_3", "published_rows": ["unet", "r34_unet"], "thresholds": True}
    table = tables.tabulate("section_metrics", two, **options)
    assert table.frame["published_f_beta"].tolist() == [0.989, 0.994]
    assert table.frame["published_least_area"].tolist() == [8960, 3840]
    assert "not comparable" in to_markdown(table)
    with pytest.raises(ValueError, match="one published row for each run"):
        tables.tabulate("section_metrics", two, published="table_3", published_rows=["unet"])


def test_rows_may_be_called_otherwise_than_the_runs(two):
    table = tables.tabulate("section_metrics", two, labels=["ψ0", "ψ1"])
    assert table.frame["label"].tolist() == ["ψ0", "ψ1"]
    with pytest.raises(ValueError, match=r"labels names \['ψ0'\].* expected one label for each run"):
        tables.tabulate("section_metrics", two, labels=["ψ0"])


def test_an_unknown_rate_or_a_part_without_labels_is_refused(two):
    with pytest.raises(ValueError, match="'dice' is no rate of sections, expected some of accuracy"):
        tables.tabulate("section_metrics", two, rates=["dice"])
    with pytest.raises(ValueError, match="run 'unet' called no labelled section of part 'val'"):
        tables.tabulate("section_metrics", two, part="val")


def test_runs_are_tested_on_the_sections_that_one_of_them_calls_right(two):
    table = tables.tabulate("section_tests", two)
    row = table.frame.iloc[0]
    other = table.frame["run"].iloc[1]
    assert (row[f"n_{other}"], row[f"only_a_{other}"], row[f"only_b_{other}"]) == (20, 0, 4)
    assert row[f"p_value_{other}"] == row[f"p_holm_{other}"] == pytest.approx(binomtest(0, 4).pvalue)
    assert table.frame[["vs_1", "vs_2"]].to_numpy().tolist() == [["–", "0 : 4"], ["4 : 0", "–"]]
    assert "No test can succeed with 4 sections on which two runs differ at most" in table.note


def test_a_slide_that_failed_in_one_run_leaves_the_pair(tmp_path):
    first = record(tmp_path, "a", sections({("x", 1): "tp", ("y", 1): "fp"}))
    second = record(tmp_path, "b", sections({("x", 1): "fn", ("y", 0): "failed"}))
    table = tables.tabulate("section_tests", inputs(first, second))
    assert table.frame[["n_b", "only_a_b", "only_b_b"]].iloc[0].tolist() == [1, 1, 0]
    with pytest.raises(ValueError, match="a test needs two runs"):
        tables.tabulate("section_tests", inputs(first))


@pytest.mark.parametrize("kind", ["metrics", "by_group", "paired_tests", "section_tests"])
def test_every_table_of_runs_counts_the_slides_that_could_not_be_read(tmp_path, kind):
    frame = sections(numbered(2, 0, 0, 2) | {("broken", 0): "failed"})
    records = [record(tmp_path, name, frame) for name in ("a", "b")]
    records = [replace(one, metrics=one.metrics.assign(group="")) for one in records]
    options = {"metrics": {"columns": ["section_accuracy"]}, "by_group": {"columns": ["section_accuracy"]}}
    options |= {"paired_tests": {"metric": "section_accuracy"}, "section_tests": {}}
    table = tables.tabulate(kind, inputs(*records), **options[kind])
    assert "Left out: 1 slide that could not be read (broken)." in table.note


def test_a_patient_is_exchanged_with_all_of_its_sections(tmp_path):
    """Eight sections of two patients are two that differ, not eight; McNemar's test would give p = 0.008."""
    outcomes = numbered(8, 0, 0, 0)
    units = {sample: f"p{number % 2}" for number, (sample, _) in enumerate(outcomes)}
    right = record(tmp_path, "a", sections(outcomes, units=units))
    wrong = record(tmp_path, "b", sections(dict.fromkeys(outcomes, "fn"), units=units))
    table = tables.tabulate("section_tests", inputs(right, wrong))
    row = table.frame.iloc[0]
    assert (row["only_a_b"], row["only_b_b"], row["p_value_b"], row["units"]) == (8, 0, 0.5, 2)
    assert "patients with all of their sections" in table.note
    assert "No test can succeed with 2 patients on which two runs differ at most" in table.note
    best = tables.tabulate("section_metrics", inputs(right, wrong))
    assert "No claim: 2 patients cannot tell 2 runs apart" in best.note
    assert "**" not in to_markdown(best).removeprefix("**").partition("**")[2]


def test_seeds_of_sections_are_averaged_and_drawn(tmp_path):
    records = [
        record(tmp_path, run, sections(numbered(*outcomes)), seed=seed)
        for run, of_seeds in {
            "a": [(9, 1, 0, 10), (5, 5, 0, 10)],
            "b": [(7, 3, 0, 10), (7, 3, 0, 10)],
        }.items()
        for seed, outcomes in enumerate(of_seeds)
    ]
    table = tables.tabulate("section_metrics", inputs(*records), rates=["sensitivity"])
    first, second = table.frame.iloc[0], table.frame.iloc[1]
    assert first["sensitivity"] == second["sensitivity"] == pytest.approx(0.7)
    widths = [row["sensitivity_ci_high"] - row["sensitivity_ci_low"] for row in (first, second)]
    assert widths[0] > 1.15 * widths[1]
    assert (first["seeds"], "Seeds are resampled, too." in table.note) == (2, True)
    row = tables.tabulate("section_tests", inputs(*records)).frame.iloc[0]
    assert (row["only_a_b"], row["only_b_b"]) == (1, 1)


def test_the_smallest_p_of_many_sections_is_that_of_the_permutations_that_are_drawn(tmp_path):
    outcomes = numbered(20, 0, 0, 0)
    right = record(tmp_path, "a", sections(outcomes))
    wrong = record(tmp_path, "b", sections(dict.fromkeys(outcomes, "fn")))
    table = tables.tabulate("section_tests", inputs(right, wrong))
    assert "The smallest p that there can be is 0.0001." in table.note
    assert table.frame["p_value_b"].iloc[0] >= 0.0001
