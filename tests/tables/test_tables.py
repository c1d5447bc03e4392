# SPDX-License-Identifier: MIT
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import wilcoxon

from microtome import tables
from microtome.config import kinds
from microtome.config.workflow import WHOLE
from microtome.provenance.runs import RunRecord
from microtome.tables.frame import Column, Table, best_rows
from microtome.tables.inputs import Inputs
from microtome.tables.parts.latex import to_latex
from microtome.tables.parts.latex_text import escape_latex
from microtome.tables.parts.numbers import summarize
from microtome.tables.parts.published import UNREDUCED
from microtome.tables.parts.render import parse_tsv, to_markdown, to_tsv
from microtome.tables.parts.save import save_table
from tests.synthetic_study import card, metrics

PUBLISHED = yaml.safe_load((Path(__file__).parents[2] / "config/published.yaml").read_text())
PAPER = "p4_unet_isbi"


def record(run, values, *, seed=0, split="published", **more):
    frame = metrics(run, values, seed=seed, split=split)
    own = {**card(run, seed=seed, **more), "split": split}
    return RunRecord(run, run, seed, split, own, None, frame, Path("nowhere"))


def inputs(*records, paper=PAPER, **more):
    return Inputs(runs=records, published=PUBLISHED, paper=paper, **more)


def scores(metric, *values, class_name="all"):
    return {(f"{k}", class_name, metric): value for k, value in enumerate(values)}


# --- numbers


def test_mean_and_sd_over_images_after_averaging_seeds():
    runs = [record("a", scores("dice", 0.6, 0.8), seed=0), record("a", scores("dice", 0.8, 1.0), seed=1)]
    table = tables.tabulate("metrics", inputs(*runs), columns=["dice"])
    row = table.frame.iloc[0]
    assert row["dice"] == pytest.approx(0.8)
    assert row["dice_sd"] == pytest.approx(math.sqrt(0.02))
    assert row["n"] == 2


def test_population_sd_and_spread_over_seeds():
    runs = [record("a", scores("dice", 0.6, 0.8), seed=0), record("a", scores("dice", 0.8, 1.0), seed=1)]
    table = tables.tabulate("metrics", inputs(*runs), columns=["dice"], over="seed", ddof=0)
    assert table.frame["dice_sd"].iloc[0] == pytest.approx(0.1)
    assert "over seeds, population sd" in table.note


def test_undefined_values_do_not_count():
    table = tables.tabulate(
        "metrics", inputs(record("a", scores("dice", 0.5, float("nan"), 0.7))), columns=["dice"]
    )
    assert table.frame[["dice", "n"]].iloc[0].tolist() == pytest.approx([0.6, 2])


def test_one_image_has_no_sd():
    table = tables.tabulate(
        "metrics", inputs(record("a", scores("dice", 0.5))), columns=["dice"], interval=True
    )
    assert np.isnan(table.frame["dice_sd"].iloc[0])
    assert "0.500 |" in to_markdown(table)


def test_interval_lies_within_the_values_and_is_repeatable():
    values = pd.DataFrame({"sample": list("abcd"), "split": "s", "seed": 0, "value": [0.1, 0.2, 0.3, 0.6]})
    first, again = summarize(values, interval=True), summarize(values, interval=True)
    assert first == again
    assert 0.1 <= first.low < first.mean < first.high <= 0.6


def test_scale_class_and_label_of_a_column():
    column = {"metric": "dice", "class": "cell", "scale": 100, "format": ".1f", "label": "Cells", "unit": "%"}
    run = record("a", scores("dice", 0.5, 0.7, class_name="cell"))
    table = tables.tabulate("metrics", inputs(run), columns=[column])
    assert table.frame["dice_cell"].iloc[0] == pytest.approx(60)
    assert "| Cells (%) |" in to_markdown(table)
    assert "60.0 ± 14.1" in to_markdown(table)


# --- best values and rendering


def test_best_rows_share_what_prints_alike():
    assert best_rows([0.9104, 0.91, 0.5, float("nan")], "high", ".2f") == [True, True, False, False]
    assert best_rows([3.0, 1.0, 2.0], "low", ".0f") == [False, True, False]
    assert best_rows([1.0], "high", ".0f") == [False]
    assert best_rows([1.0, 2.0], None, ".0f") == [False, False]
    with pytest.raises(ValueError, match="'up'"):
        best_rows([1.0, 2.0], "up", ".0f")


def test_best_is_bold_in_markdown_and_latex_only():
    runs = [record("a", scores("dice", *[0.5, 0.7] * 4)), record("b", scores("dice", *[0.8, 0.9] * 4))]
    table = tables.tabulate("metrics", inputs(*runs), columns=[{"metric": "dice", "better": "high"}])
    assert "**0.850 ± 0.053**" in to_markdown(table)
    assert r"\textbf{0.850 $\pm$ 0.053}" in to_latex(table)
    assert "*" not in to_tsv(table)
    assert parse_tsv(to_tsv(table))["dice"].tolist() == pytest.approx([0.6, 0.85])


def small_table(**more):
    frame = pd.DataFrame({"name": ["a_b & 50 % $x$"], "value": [1.23456789012]})
    columns = (Column("name", "Name|x", kind="text"), Column("value", "Value", unit="s"))
    return Table(frame, columns, "A #1 title", "A note_", **more)


def test_latex_is_escaped_and_booktabs():
    text = to_latex(small_table(), label="tab:x")
    assert r"a\_b \& 50 \% \$x\$" in text
    assert r"\caption{A \#1 title}" in text
    assert r"\label{tab:x}" in text
    assert [rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [True] * 3
    assert text.count("{") == text.count("}")
    assert escape_latex("\\~^{}") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}\{\}"


def test_markdown_is_escaped():
    text = to_markdown(small_table())
    assert r"| Name\|x | Value (s) |" in text
    assert r"A note\_" in text


def test_tsv_keeps_precision_and_may_carry_comments():
    text = to_tsv(small_table())
    assert parse_tsv(text)["value"].iloc[0] == pytest.approx(1.23456789, abs=1e-9)
    pd.testing.assert_frame_equal(parse_tsv("# A #1 title\n# A note_\n" + text), parse_tsv(text))


def test_save_table_writes_all_formats_and_the_sidecar(tmp_path):
    paths = save_table(small_table(data_kinds=("phantom",)), tmp_path / "deep/table")
    assert sorted(paths) == ["json", "md", "tex", "tsv"]
    sidecar = json.loads(paths["json"].read_text())
    assert sidecar["caption"] == "A #1 title (phantom data)"
    assert (sidecar["units"], sidecar["note"]) == ({"value": "s"}, "A note_")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == sorted(
        p.name for p in paths.values()
    )


def test_a_table_must_have_rows_and_its_columns():
    with pytest.raises(ValueError, match=r"lacks .'b'."):
        Table(pd.DataFrame({"a": [1]}), (Column("b", "B"),), "t")
    with pytest.raises(ValueError, match="no rows"):
        Table(pd.DataFrame({"a": []}), (Column("a", "A"),), "t")


# --- published values


def own_loss(run, loss, data_source="phantom"):
    return record(run, scores(f"loss_{loss}", 0.2, 0.4), loss=loss, data_source=data_source)


def test_phantoms_are_never_set_against_published_values():
    table = tables.tabulate("loss", inputs(own_loss("bce", "bce")), published="table_3_loss")
    assert "published (ISBI 2012, real data; not comparable)" in to_markdown(table)
    assert [line for line in ("published", "(not", "comparable)") if line not in to_latex(table)] == []
    assert "must not be compared" in table.note
    assert table.caption.endswith("(phantom data)")
    assert table.frame["data"].tolist() == ["phantom"]


def test_one_phantom_among_public_runs_is_enough():
    runs = [own_loss("bce", "bce", "public"), own_loss("dice", "dice", "phantom")]
    assert "not comparable" in to_markdown(tables.tabulate("loss", inputs(*runs), published="table_3_loss"))


@pytest.mark.parametrize(
    ("source", "text"), [("public", "| published (ISBI 2012): Mean |"), ("own", "other data; not comparable")]
)
def test_other_sources(source, text):
    table = tables.tabulate("loss", inputs(own_loss("bce", "bce", source)), published="table_3_loss")
    assert text in to_markdown(table)
    assert ("must not be compared" in table.note) == (source == "own")


def test_a_study_without_a_paper_hears_of_none():
    runs = [own_loss("bce", "bce", "own")]
    assert "reduced from the published ones" in tables.tabulate("loss", inputs(*runs)).note
    table = tables.tabulate("loss", replace(inputs(*runs), paper=""))
    assert "at demo scale, with settings reduced from the study's full ones." in table.note
    assert "publish" not in to_markdown(table)
    assert set(WHOLE) == UNREDUCED
    for scale in WHOLE:
        runs[0].card["scale"] = scale
        assert "reduced" not in tables.tabulate("loss", inputs(*runs)).note


def test_published_rows_are_found_by_key_run_or_loss():
    runs = [own_loss("unet_iou", "iou"), own_loss("dice", "bce"), own_loss("x", "tversky")]
    rows = ["unet_iou", "dice", {"run": "x", "published": "focal", "label": "renamed"}]
    frame = tables.tabulate("loss", inputs(*runs), rows=rows, published="table_3_loss").frame
    assert frame["published"].tolist() == [0.1007, 0.0539, 0.0045]
    assert frame["label"].tolist() == ["unet_iou", "dice", "renamed"]


def test_published_sd_is_shown():
    printed = Inputs(
        runs=[record("vnet_hyper", scores("dice", 0.5, 0.7))], published=PUBLISHED, paper="p0_hypernet"
    )
    table = tables.tabulate(
        "metrics", printed, columns=[{"metric": "dice", "format": ".2f"}], published="table_II"
    )
    assert "0.88 ± 0.12" in to_markdown(table)


def test_unknown_published_things_are_named():
    run = own_loss("bce", "bce")
    with pytest.raises(ValueError, match="no published table 'nope'"):
        tables.tabulate("loss", inputs(run), published="nope")
    with pytest.raises(ValueError, match="no published values of paper 'p9'"):
        tables.tabulate("loss", Inputs(runs=[run], published=PUBLISHED, paper="p9"), published="table_3_loss")
    with pytest.raises(ValueError, match="published row 'zzz'"):
        rows = [{"run": "bce", "published": "zzz"}]
        tables.tabulate("loss", inputs(run), rows=rows, published="table_3_loss")


def test_every_published_table_of_the_membrane_paper_can_be_looked_up():
    runs = [
        record(loss, scores(f"loss_{loss}", 0.2), loss=loss)
        for loss in PUBLISHED["papers"][PAPER]["tables"]["table_3_loss"]["rows"]
    ]
    loss = tables.tabulate("loss", inputs(*runs), published="table_3_loss").frame
    time = tables.tabulate("time", inputs(*runs), published="table_2_time").frame
    assert not loss["published"].isna().any()
    assert time["published"].max() / 60 == pytest.approx(16.07, abs=0.01)


# --- kinds


def test_loss_takes_each_runs_own_loss_per_sample():
    values = scores("loss_dice", 0.1, 0.3) | scores("loss_bce", 9.0, 9.0)
    frame = tables.tabulate("loss", inputs(record("d", values, loss="dice"))).frame
    assert frame[["sample_0", "sample_1", "mean"]].iloc[0].tolist() == pytest.approx([0.1, 0.3, 0.2])


def test_loss_cross_takes_the_losses_all_runs_have():
    a = record(
        "a", scores("loss_dice", *[0.1] * 8) | scores("loss_bce", *[0.2] * 8) | scores("loss_iou", 0.2)
    )
    b = record("b", scores("loss_dice", *[0.3] * 8) | scores("loss_bce", *[0.1] * 8))
    table = tables.tabulate("loss_cross", inputs(a, b))
    assert [column.label for column in table.columns[1:3]] == ["dice", "bce"]
    text = to_markdown(table)
    assert "**0.1000 ± 0.0000** | 0.2000" in text
    assert "0.3000 ± 0.0000 | **0.1000 ± 0.0000**" in text


def test_time_is_averaged_over_seeds():
    a = record("a", scores("x", 1.0), seed=0, seconds={"train": 100.0, "validate": 20.0})
    b = record("a", scores("x", 1.0), seed=1, seconds={"train": 200.0, "validate": 40.0})
    row = tables.tabulate("time", inputs(a, b)).frame.iloc[0]
    assert row[["train", "validate", "seconds"]].tolist() == [150.0, 30.0, 180.0]
    assert row["per_epoch"] == pytest.approx(15.0)


def test_time_stands_beside_the_parameters_it_was_for():
    network = {"name": "unet", "parameters": 5944014}
    text = to_markdown(tables.tabulate("time", inputs(record("a", scores("x", 1.0), network=network))))
    assert "| Parameters |" in text
    assert "| 5,944,014 |" in text


def test_time_and_loss_leave_ensembles_out():
    ensemble = record("m", scores("loss_bce", 0.1), network={"name": "ensemble", "members": ["a"]})
    frame = tables.tabulate("time", inputs(record("a", scores("loss_bce", 0.1)), ensemble)).frame
    assert frame["run"].tolist() == ["a"]


def test_layers_agree_with_the_published_ones():
    frame = tables.tabulate("layers", inputs(), published="table_2bis_n4").frame
    assert frame["same"].tolist() == ["yes"] * 11
    changed = tables.tabulate(
        "layers", inputs(), network={"name": "ciresan", "maps": 8}, published="table_2bis_n4"
    ).frame
    assert changed["same"].tolist().count("no") == 8


def test_layers_of_a_network_without_them():
    with pytest.raises(ValueError, match="no layer table"):
        tables.tabulate("layers", inputs(), network={"name": "unet"})


def test_activations_at_minus_one_zero_and_one():
    frame = tables.tabulate("activations", inputs()).frame.set_index("name")
    assert frame.loc["Step"].tolist()[2:] == [0, 1, 1]
    assert frame.loc["Sigmoid", "at_1"] == pytest.approx(1 / (1 + math.exp(-1)))
    assert frame.loc["Softmax", "at_1"] == pytest.approx(math.e / (math.e + 1))
    assert frame.loc["Rectified linear unit, ReLU"].tolist()[2:] == [0, 0, 1]
    assert r"$R(u) = \max(u, 0)$" in to_latex(tables.tabulate("activations", inputs()))


def test_comparison_of_a_run_with_an_ensemble():
    values = scores("v_rand", 0.9, 0.8)
    a = record("a", values, network={"name": "unet", "parameters": 1234})
    m = record("m", values, network={"name": "ensemble", "members": ["a", "b"], "parameters": 3000})
    table = tables.tabulate("comparison", inputs(a, m), columns=["v_rand"])
    assert table.frame["parameters"].tolist() == [1234, 3000]
    assert np.isnan(table.frame["seconds"].iloc[1])
    assert "1,234" in to_markdown(table)


def test_paired_tests_of_three_images():
    a, b = record("a", scores("v_rand", 0.9, 0.8, 0.7)), record("b", scores("v_rand", 0.8, 0.7, 0.6))
    table = tables.tabulate("paired_tests", inputs(a, b), metric="v_rand")
    row = table.frame.iloc[0]
    assert row["difference_b"] == pytest.approx(0.1)
    assert row["p_value_b"] == pytest.approx(2 / 2**3)
    assert "No test can succeed with n = 3: the smallest p that there can be is 0.25." in table.note
    assert table.frame[["vs_1", "vs_2"]].to_numpy().tolist() == [["–", "+0.100"], ["-0.100", "–"]]


def test_paired_tests_that_can_succeed_are_a_matrix_of_effects_and_corrected_p():
    rng = np.random.default_rng(1)
    levels = {"a": 0.9, "b": 0.8, "c": 0.8}
    runs = [
        record(run, scores("dice", *(level + 0.02 * rng.normal(size=14)))) for run, level in levels.items()
    ]
    table = tables.tabulate("paired_tests", inputs(*runs), metric="dice")
    frame = table.frame.set_index("run")
    values = {run.run: run.metrics["value"].to_numpy() for run in runs}
    found = {pair: wilcoxon(values[pair[0]] - values[pair[1]]).pvalue for pair in ("ab", "ac", "bc")}
    expected = dict(zip(found, multipletests_holm(list(found.values())), strict=True))
    for first, second in found:
        assert frame.loc[first, f"p_value_{second}"] == pytest.approx(found[first + second])
        assert frame.loc[second, f"p_holm_{first}"] == pytest.approx(expected[first + second])
        mean = float((values[first] - values[second]).mean())
        assert frame.loc[first, f"difference_{second}"] == pytest.approx(mean)
        assert frame.loc[second, f"difference_{first}"] == pytest.approx(-mean)
    assert frame.loc["a", "vs_2"].endswith("*")
    assert not frame.loc["b", "vs_3"].endswith("*")
    assert frame.loc["b", "vs_1"] == f"{-frame.loc['a', 'difference_b']:+.3f}"
    assert "above: p, corrected" in to_markdown(table)


def multipletests_holm(values):
    """Holm's correction written down from its definition."""
    order, corrected, largest = np.argsort(values), [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = largest
    return corrected


def test_many_pairs_can_make_a_test_of_enough_images_hopeless():
    rng = np.random.default_rng(0)
    runs = [record(f"r{k}", scores("dice", *(0.1 * k + 0.01 * rng.normal(size=8)))) for k in range(6)]
    few = tables.tabulate("paired_tests", inputs(*runs[:2]), metric="dice")
    many = tables.tabulate("paired_tests", inputs(*runs), metric="dice")
    assert "No test can succeed" not in few.note
    assert (
        "No test can succeed with n = 8: the smallest p that there can be (of 15 pairs, corrected)"
        in many.note
    )
    assert "*" not in "".join(many.frame.filter(like="vs_").to_numpy().ravel())


# --- registry and errors


def test_every_kind_has_a_title_option():
    for kind in kinds.names("tables"):
        assert "title" in kinds.find("tables", kind).options
    assert {
        "metrics",
        "time",
        "loss",
        "loss_cross",
        "layers",
        "activations",
        "comparison",
        "paired_tests",
        "confusion_matrix",
        "panoptic_classes",
        "partial",
        "pooled",
        "split_balance",
        "data",
        "ablation",
        "by_group",
        "calibration",
        "class_averages",
        "class_pixels",
        "external",
        "fragmentation",
        "instance_data",
        "magnification",
        "merge_weights",
        "morphometry",
        "near_misses",
        "relative_changes",
        "sampling_lists",
        "section_metrics",
        "section_tests",
        "slide_parts",
        "slide_time",
        "stain_report",
    } == set(kinds.names("tables"))


def test_errors_name_what_is_wrong():
    run = record("a", scores("dice", 0.5))
    with pytest.raises(ValueError, match="metrics"):
        tables.tabulate("metrix", inputs(run))
    with pytest.raises(ValueError, match=r"takes no option .'colums'."):
        tables.tabulate("metrics", inputs(run), colums=["dice"])
    with pytest.raises(ValueError, match=r"no 'iou' of class 'all' in part 'test'; it has .'dice"):
        tables.tabulate("metrics", inputs(run), columns=["iou"])
    with pytest.raises(ValueError, match=r"no record of run 'b'; the runs at hand: .'a'."):
        tables.tabulate("metrics", inputs(run), columns=["dice"], rows=["b"])
    with pytest.raises(ValueError, match="has no runs"):
        tables.tabulate("metrics", inputs(), columns=["dice"])
    with pytest.raises(ValueError, match="not understood"):
        tables.tabulate("metrics", inputs(run), columns=[{"metric": "dice", "colour": 1}])
    with pytest.raises(ValueError, match="only once"):
        tables.tabulate("metrics", inputs(run), columns=["dice", "dice"])
