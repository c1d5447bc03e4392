# SPDX-License-Identifier: MIT
"""Published values of called sections: totals are sums, rates follow from the numbers of wrong sections."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from microtome.metrics.sections import pooled

P1 = yaml.safe_load((Path(__file__).parents[2] / "config/published.yaml").read_text())["papers"]["p1_bcc"]
TABLES, DERIVED = P1["tables"], P1["derived"]
PARTS = TABLES["table_1"]["rows"]
PRINTED = {"accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity"}
PRINTED |= {"f1.5": "f_beta_1.5"}
ROUNDED, CUT_OFF = 0.00051, 1e-4
WRONG = P1["figures_with_numbers"]["fig_5_wrong_sections"]["derived"]


def check(row, *, fp, fn, tumor, normal, accuracy=ROUNDED):
    counts = pd.DataFrame({"tp": [tumor - fn], "fp": [fp], "fn": [fn], "tn": [normal - fp]})
    for metric, column in PRINTED.items():
        tolerance = accuracy if metric == "accuracy" else ROUNDED
        assert pooled(counts, metric) == pytest.approx(row[column], abs=tolerance), metric


def test_totals_are_the_sums_of_the_parts():
    totals = DERIVED["totals"]
    for name in ("slides", "tumor_sections", "normal_sections"):
        assert totals[name] == sum(part[name] for part in PARTS.values())
    assert totals["sections"] == sum(DERIVED["sections"].values())
    for name, part in PARTS.items():
        assert DERIVED["sections"][name] == part["tumor_sections"] + part["normal_sections"]
    both = [PARTS["validation_I"], PARTS["validation_II"]]
    for name, count in DERIVED["validation_sections"].items():
        assert count == sum(part[f"{name}_sections"] for part in both)
    assert P1["text_claims"]["test_sections"] == DERIVED["sections"]["test"]


def test_the_printed_total_of_patches_counts_repeats():
    rows = {name: row for name, row in TABLES["table_2"]["rows"].items() if name[1] == "_"}
    assert sum(row["before"] for row in rows.values()) == TABLES["table_2"]["rows"]["total"]["before"]
    assert sum(row["after"] for row in rows.values()) == DERIVED["totals"]["drawn"]
    different = rows["T_lt_0.05pct"]["before"] + rows["T_ge_0.05pct"]["before"]
    assert DERIVED["totals"]["patches"] == different


@pytest.mark.parametrize("run", sorted(TABLES["table_3"]["rows"]))
def test_table_3_follows_from_its_errors(run):
    of = DERIVED["validation_sections"]
    check(TABLES["table_3"]["rows"][run], **DERIVED["table_3_errors"][run], **of)
    tp = of["tumor"] - DERIVED["table_3_errors"][run]["fn"]
    wrong = DERIVED["table_3_errors"][run]
    value = 3.25 * tp / (3.25 * tp + 2.25 * wrong["fn"] + wrong["fp"])
    assert value == pytest.approx(DERIVED["f_beta_from_table_3_errors"][run], abs=6e-6)


@pytest.mark.parametrize("run", sorted(TABLES["table_4"]["rows"]))
def test_table_4_follows_from_the_errors_of_figure_5(run):
    test = PARTS["test"]
    missed = WRONG[run]["fn"]
    for fn in missed if isinstance(missed, list) else [missed]:
        of = {"tumor": test["tumor_sections"], "normal": test["normal_sections"]}
        check(TABLES["table_4"]["rows"][run], fp=WRONG[run]["fp"], fn=fn, **of)


@pytest.mark.parametrize("block", sorted(DERIVED["table_5_errors"]))
def test_table_5_follows_from_its_errors_within_a_cut_off_digit(block):
    test, row = PARTS["test"], TABLES["table_5"]["rows"][block]
    of = {"tumor": test["tumor_sections"], "normal": test["normal_sections"]}
    check(row, **DERIVED["table_5_errors"][block], **of, accuracy=CUT_OFF)
    wrong = sum(DERIVED["table_5_errors"][block].values())
    total = DERIVED["sections"]["test"]
    assert int((total - wrong) / total * 1e4) == round(row["accuracy"] * 1e4)  # cut off, not rounded


def test_the_order_by_f_beta_is_as_the_note_says():
    values = DERIVED["f_beta_from_table_3_errors"]
    assert sorted(values, key=values.get, reverse=True).index("r34_unet_ds") == 2
    printed = {run: row["accuracy"] for run, row in TABLES["table_3"]["rows"].items()}
    assert sorted(printed, key=printed.get, reverse=True).index("r34_unet_ds") == 1


def test_the_merge_weights_of_the_remark_are_the_printed_ones():
    weights = ", ".join(f"{w:.4f}" for w in P1["text_claims"]["linear_merge_weights"])
    assert f"[{weights}]" in P1["remarks"][0]
