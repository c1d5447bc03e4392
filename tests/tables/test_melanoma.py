# SPDX-License-Identifier: MIT
"""Tables of the study of cubes: pooling over magnifications, relative changes, published values."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome import tables
from microtome.provenance.runs import RunRecord
from microtome.tables.inputs import Inputs
from microtome.tables.parts.latex import to_latex
from microtome.tables.parts.rates import image_values, pooled_equally
from microtome.tables.parts.render import to_markdown
from tests.synthetic_study import card

PUBLISHED = yaml.safe_load((Path(__file__).parents[2] / "config/published.yaml").read_text())
PAPER = "p0_hypernet"
GROUPS = {"a": "10x", "b": "10x", "c": "20x", "d": "20x", "e": "20x"}
PRINTED = PUBLISHED["papers"][PAPER]["tables"]


def record(run, values, *, groups=GROUPS, seed=0, label="", **more):
    """A run with {(class, metric): {sample: value}}."""
    rows = [
        ("melanoma", "published", run, seed, "test", sample, c, metric, value, groups.get(sample, ""))
        for (c, metric), scores in values.items()
        for sample, value in scores.items()
    ]
    names = ["study", "split", "run", "seed", "part", "sample", "class", "metric", "value", "group"]
    frame = pd.DataFrame(rows, columns=names)
    own = card(run, seed=seed, study="melanoma", loss="cross_entropy", **more)
    return RunRecord(run, label or run, seed, "published", own, None, frame, Path("nowhere"))


def accuracies(run, *values, **more):
    return record(run, {("all", "accuracy"): dict(zip("abcde", values, strict=False))}, **more)


def inputs(*records, data_kind="phantom", **more):
    return Inputs(runs=records, published=PUBLISHED, paper=PAPER, data_kind=data_kind, **more)


def magnification(*records, **options):
    extra = {key: options.pop(key) for key in ("frame", "data_kind") if key in options}
    return tables.tabulate("magnification", inputs(*records, **extra), **options)


# --- magnification


def test_magnifications_are_averaged_apart_and_pooled_in_both_ways():
    row = magnification(accuracies("x", 0.8, 0.9, 0.6, 0.7, 0.8)).frame.iloc[0]
    assert row["accuracy_10x"] == pytest.approx(85)
    assert row["accuracy_10x_sd"] == pytest.approx(5)  # of the population
    assert row["accuracy_20x"] == pytest.approx(70)
    assert row["accuracy_pooled"] == pytest.approx(76)
    assert row["accuracy_equal"] == pytest.approx(77.5)
    variance = (5**2 + 200 / 3) / 2 + 7.5**2
    assert row["accuracy_equal_sd"] == pytest.approx(np.sqrt(variance))
    assert row["n"] == 5


@pytest.mark.parametrize("run", sorted(PRINTED["table_I"]["rows"]))
def test_published_overall_values_are_those_of_equal_shares(run):
    """SPEC E.1: all six rows of table I, mean and sd, follow from the two magnifications in equal shares."""
    printed = PRINTED["table_I"]["rows"][run]
    parts = [printed[f"mag_{group}"] for group in ("10X", "20X")]
    values = [part["mean"] + sign * part["sd"] for part in parts for sign in (1, -1)]
    frame = pd.DataFrame({"split": "s", "sample": list("abcd"), "group": ["10x"] * 2 + ["20x"] * 2})
    found = pooled_equally(frame.assign(value=values), ["10x", "20x"])
    assert found.mean == pytest.approx(printed["overall"]["mean"], abs=0.011)
    assert found.sd == pytest.approx(printed["overall"]["sd"], abs=0.011)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.integers(1, 4))
def test_equal_shares_are_plain_statistics_of_equally_many_images(values, times):
    """Groups of the same size, repeated: pooled equally is the mean and population sd over everything."""
    half = len(values) // 2
    groups = ["10x"] * half + ["20x"] * half
    frame = pd.DataFrame(
        {"split": "s", "sample": range(2 * half), "group": groups, "value": values[: 2 * half]}
    )
    more = pd.concat([frame.assign(sample=frame["sample"] + k * 100) for k in range(times)])
    found = pooled_equally(more, ["10x", "20x"])
    assert found.mean == pytest.approx(np.mean(values[: 2 * half]), abs=1e-9)
    assert found.sd == pytest.approx(np.std(values[: 2 * half]), abs=1e-9)


def test_pixels_weigh_images_by_their_labelled_pixels():
    pixels = pd.DataFrame(
        {
            "sample": ["a", "a", "a", "b", "c", "d", "e"],
            "part": "test",
            "class": ["normal", "melanoma", "unlabelled", *["normal"] * 4],
            "pixels": [10, 20, 1000, 30, 0, 0, 60],
        }
    )
    table = magnification(accuracies("x", 1.0, 0.5, 0.1, 0.1, 0.25), frame=pixels)
    assert table.frame["accuracy_pixels"].item() == pytest.approx(100 * (30 + 15 + 15) / 120)
    assert "labelled pixels" in table.note
    assert "pixels" not in magnification(accuracies("x", *[0.5] * 5)).note
    with pytest.raises(ValueError, match=r"pixels of the samples .'e'. were not counted"):
        magnification(accuracies("x", *[0.5] * 5), frame=pixels[pixels["sample"] != "e"])


def test_one_magnification_has_no_value_in_equal_shares():
    table = magnification(accuracies("x", 0.8, 0.9, groups={"a": "20x", "b": "20x"}))
    assert np.isnan(table.frame["accuracy_equal"].item())
    assert "one magnification" in table.note
    assert "–" in to_markdown(table)


def test_published_values_stand_beside_the_same_magnification_and_equal_shares():
    run = accuracies("hypernet_ce", *[0.9] * 5)
    public = run.card | {"data_source": "public", "scale": "paper"}
    run = RunRecord(**{name: getattr(run, name) for name in run.__dataclass_fields__} | {"card": public})
    table = magnification(run, published="table_I", data_kind="public")
    row = table.frame.iloc[0]
    assert row["published_accuracy_10x"] == pytest.approx(90.71)
    assert row["published_accuracy_20x_sd"] == pytest.approx(2.08)
    assert row["published_accuracy_equal"] == pytest.approx(91.73)
    assert "published_accuracy_pooled" not in row
    groups = {column.key: column.group for column in table.columns}
    assert groups["accuracy_equal"] == "Accuracy"
    assert groups["published_accuracy_equal"].startswith("published (")
    assert "2 10x, 3 20x" in table.note
    assert "90.00 ± 0.00" in to_latex(table).replace(r"$\pm$", "±")


def test_phantoms_are_not_compared_with_published_values():
    table = magnification(accuracies("hypernet_ce", *[0.9] * 5), published="table_I")
    assert any("not comparable" in column.group for column in table.columns)
    assert "(phantom data)" in table.caption


def test_seeds_are_averaged_per_image():
    seeds = [accuracies("x", 0.8, 0.8, 0.8, 0.8, 0.8), accuracies("x", 1.0, 1.0, 1.0, 1.0, 1.0, seed=1)]
    row = magnification(*seeds).frame.iloc[0]
    assert (row["n"], row["accuracy_10x_n"]) == (5, 2)
    assert row["accuracy_pooled"] == pytest.approx(90)
    assert row["accuracy_pooled_sd"] == pytest.approx(0)


def test_groups_can_be_chosen_and_unknown_ones_are_refused():
    frame = magnification(accuracies("x", *[0.5] * 5), groups=["20x"]).frame
    assert "accuracy_10x" not in frame
    assert frame["n"].item() == 3
    with pytest.raises(ValueError, match=r"of the groups .'40x'.; the groups at hand: .'10x', '20x'"):
        magnification(accuracies("x", *[0.5] * 5), groups=["40x"])


# --- relative changes


def rates(run, tpr, fpr, **more):
    values = {("melanoma", "sensitivity"): tpr, ("melanoma", "specificity"): 1 - fpr}
    return record(run, {key: {"a": value, "b": value} for key, value in values.items()}, **more)


CHANGES = (
    {
        "rate": "fnr",
        "direction": "drop",
        "published": "tpr",
        "claims": {
            "hypernet_lovasz": "fnr_drop_compound_vs_lovasz",
            "hypernet_ce": "fnr_drop_compound_vs_ce",
        },
    },
    {
        "rate": "fpr",
        "direction": "rise",
        "published": "fpr",
        "claims": {
            "hypernet_lovasz": "fpr_rise_compound_vs_lovasz",
            "hypernet_ce": "fpr_rise_compound_vs_ce",
        },
    },
)


def changes(**options):
    runs = [
        rates("hypernet_compound", 0.9, 0.2),
        rates("hypernet_lovasz", 0.8, 0.1),
        rates("hypernet_ce", 0.85, 0.1),
    ]
    return tables.tabulate("relative_changes", inputs(*runs), **options)


def test_changes_are_relative_to_the_other_run():
    frame = changes().frame
    assert frame["quantity"].tolist()[0] == "FNR, drop against hypernet_lovasz"
    assert frame["change"].tolist() == pytest.approx([50, 100 / 3, 100, 100])
    assert frame["value"].tolist() == pytest.approx([0.1, 0.1, 0.2, 0.2])


def test_published_changes_are_recomputed_and_stand_beside_the_claims():
    """SPEC F0.6: FNR drop 66 and 54 % in the text, 64 and 47 % by table II; FPR rise 43 and 58, 50 and 88."""
    table = changes(changes=CHANGES, published="table_II")
    assert table.frame["from_table"].round().tolist() == [64, 47, 50, 88]
    assert table.frame["claimed"].tolist() == pytest.approx([66, 54, 43, 58])
    derived = PUBLISHED["papers"][PAPER]["derived"]
    expected = [*derived["fnr_drop_from_table_II"].values(), *derived["fpr_rise_from_table_II"].values()]
    assert table.frame["from_table"].tolist() == pytest.approx(np.multiply(100, expected), abs=0.1)
    assert any(c.label == "in the text" and c.group.startswith("published") for c in table.columns)
    assert "must not be compared" in table.note


def test_changes_from_nothing_are_not_defined():
    runs = rates("x", 1.0, 0.1), rates("y", 1.0, 0.0)
    frame = tables.tabulate("relative_changes", inputs(*runs)).frame
    assert frame["change"].isna().all()


def test_faults_of_changes_are_named():
    with pytest.raises(ValueError, match=r"compares a run with others, found .'x'. only"):
        tables.tabulate("relative_changes", inputs(rates("x", 0.5, 0.5)))
    with pytest.raises(ValueError, match="rate one of"):
        changes(changes=[{"rate": "dice"}])
    with pytest.raises(ValueError, match="direction is 'fall'"):
        changes(changes=[{"rate": "fnr", "direction": "fall"}])
    with pytest.raises(ValueError, match="no text claim 'fnr_fall'"):
        changes(changes=[{"rate": "fnr", "claims": {"hypernet_ce": "fnr_fall"}}])
    with pytest.raises(ValueError, match="does not follow from the published column 'fpr'"):
        changes(changes=[{"rate": "fnr", "published": "fpr"}], published="table_II")
    both = record("x", {(c, "sensitivity"): {"a": 1.0} for c in ("normal", "melanoma")})
    with pytest.raises(ValueError, match="name it with `of`"):
        tables.tabulate("relative_changes", inputs(both, both), rows=["x", "x"])


# --- rates


def test_rates_are_what_is_missing_to_one():
    run = rates("x", 0.8, 0.3)
    found = {
        name: image_values([run], name, class_name="melanoma")["value"].tolist()
        for name in ("fnr", "fpr", "tpr")
    }
    assert found == {"fnr": pytest.approx([0.2, 0.2]), "fpr": pytest.approx([0.3, 0.3]), "tpr": [0.8, 0.8]}


# --- tables II and III are of the kind `metrics`


@pytest.mark.parametrize("table", ["table_II", "table_III"])
def test_published_rates_can_be_looked_up(table):
    names = {"fpr": "false_positive_rate", "tpr": "sensitivity", "dice": "dice"}
    runs = [
        record(run, {("melanoma", metric): {"a": 0.5, "b": 0.7} for metric in names.values()})
        for run in PRINTED[table]["rows"]
    ]
    columns = [
        {"metric": metric, "class": "melanoma", "label": key.upper(), "published": key}
        for key, metric in names.items()
    ]
    frame = tables.tabulate("metrics", inputs(*runs), columns=columns, published=table, ddof=0).frame
    assert frame["dice_melanoma_sd"].tolist() == pytest.approx([0.1] * len(frame))
    assert not frame.filter(like="published").isna().any().any()


def test_intervals_of_magnifications_draw_patients():
    """Each patient has an image of both; one of them is drawn with the other."""
    rng = np.random.default_rng(0)
    low, high = rng.uniform(0.5, 0.9, 8), rng.uniform(0.3, 0.7, 8)
    rows = [
        {"split": "s", "sample": f"{group}-{n}", "part": "test", "class": "all", "metric": "accuracy"}
        | {"value": of[n], "group": group, "seed": 0, "study": "m", "run": "x"}
        for group, of in (("10x", low), ("20x", high))
        for n in range(8)
    ]
    record = RunRecord("x", "x", 0, "s", card("x"), None, pd.DataFrame(rows), Path("nowhere"))
    units = {row["sample"]: f"p{row['sample'][-1]}" for row in rows}
    given = Inputs(runs=[record], published=PUBLISHED, paper=PAPER, units=units)
    table = tables.tabulate("magnification", given, interval=True)
    picked = rng.integers(0, 8, (20_000, 8))
    means = {"10x": low[picked].mean(axis=1), "20x": high[picked].mean(axis=1)}
    means["equal"] = means["pooled"] = (means["10x"] + means["20x"]) / 2
    for name, draws in means.items():
        ends = table.frame[[f"accuracy_{name}_ci_low", f"accuracy_{name}_ci_high"]].iloc[0].tolist()
        assert ends == pytest.approx(100 * np.quantile(draws, (0.025, 0.975)), abs=0.6)
    assert "resampling patients, each with all of its images" in table.note
    assert table.frame["units"].item() == 8
