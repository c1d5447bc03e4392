# SPDX-License-Identifier: MIT
"""Tables of a study of objects."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from microtome import stain, tables
from microtome.objects import measure
from microtome.provenance.runs import RunRecord
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.ablation import MARK, NOT_RUN, settings_of
from microtome.tables.kinds.morphometry import TRUTH
from microtome.tables.kinds.stain_report import flatten
from microtome.tables.parts.latex import to_latex
from microtome.tables.parts.render import to_markdown, to_tsv
from microtome.workflow.states.products import names
from tests.synthetic_nuclei import nuclei, stained
from tests.synthetic_study import card

PUBLISHED = yaml.safe_load((Path(__file__).parents[2] / "config/published.yaml").read_text())
PAPER = "p3_usenet"
ORGANS = {"a": "liver", "b": "liver", "c": "kidney", "d": "brain"}


def record(run, scores, *, label="", metric="aji", groups=ORGANS, seed=0, **more):
    rows = [
        ("nuclei", "published", run, seed, "test", s, "all", metric, v, groups.get(s, ""))
        for s, v in scores.items()
    ]
    columns = ["study", "split", "run", "seed", "part", "sample", "class", "metric", "value", "group"]
    own = card(run, seed=seed, study="nuclei", **more)
    return RunRecord(
        run, label or run, seed, "published", own, None, pd.DataFrame(rows, columns=columns), Path("nowhere")
    )


def usenet(encoder):
    return {"name": "usenet", "options": {"encoder": encoder}, "parameters": 1}


def exp(run, encoder, *, copies, loss="bce", stain_name="spcn", outputs=("mask", "shape_marker"), value=0.5):
    return record(
        run,
        {"a": value, "b": value + 0.1},
        network=usenet(encoder),
        loss=loss,
        stain=stain_name,
        outputs=list(outputs),
        training={"sampler": {"kind": "patches", "copies": copies, "holdout": 0.1}},
        samples={"train": 4, "val": 1, "test": 2},
    )


def inputs(*records, data_kind="phantom", **more):
    more = {"names": names()} | more
    return Inputs(runs=records, published=PUBLISHED, paper=PAPER, data_kind=data_kind, **more)


# --- ablation


def ablation(*records, **options):
    return tables.tabulate("ablation", inputs(*records), **options)


def test_settings_are_read_from_the_card():
    assert settings_of(exp("x", "seresnet50", copies=7, loss="bce_dice")) == {
        "stain": ("spcn",),
        "images": (40,),  # 5 images and 7 copies of each
        "backbone": ("seresnet50",),
        "loss": ("bce", "dice"),
        "output": ("mask", "shape_marker"),
    }
    assert settings_of(exp("x", "resnet18", copies=None, stain_name=None))["images"] == ("1× per epoch",)


def test_published_rows_without_a_run_are_shown_as_not_run():
    runs = (
        exp("exp_9", "seresnet50", copies=7, loss="bce_dice"),
        exp("exp_1", "resnet18", copies=1, stain_name=None),
    )
    table = ablation(*runs, published="table_II")
    frame = table.frame.set_index("run")
    assert frame.index.tolist() == [f"exp_{k}" for k in range(1, 10)]
    assert frame.loc["exp_1", "aji"] == pytest.approx(0.55)
    assert frame.loc["exp_1", "aji_sd"] == pytest.approx(math.sqrt(0.005))
    assert frame.loc["exp_5", "data"] == NOT_RUN
    assert np.isnan(frame.loc["exp_5", "aji"])
    assert frame.loc["exp_5", "published_aji"] == pytest.approx(0.5812)
    assert (
        frame.loc["exp_5", ["backbone_resnet50", "output_shape_marker", "stain_spcn"]].tolist() == [MARK] * 3
    )
    assert frame.loc["exp_3", "output_centre_marker"] == MARK
    assert NOT_RUN in table.note


def test_published_numbers_of_images_take_the_place_of_ours():
    """exp_9 (4500 images) is trained with 40 here, so exp_6, also 4500 and not run, is marked at 40."""
    runs = exp("exp_9", "seresnet50", copies=7), exp("exp_1", "resnet18", copies=1)
    frame = ablation(*runs, published="table_II").frame.set_index("run")
    assert [c for c in frame if c.startswith("images_")] == ["images_10", "images_40"]
    assert frame.loc["exp_6", "images_40"] == MARK
    assert frame.loc["exp_2", "images_10"] == MARK
    alone = ablation(exp("exp_9", "seresnet50", copies=7), published="table_II").frame
    assert [c for c in alone if c.startswith("images_")] == ["images_40", "images_1500"]


def test_images_drawn_several_times_per_epoch_are_told_apart():
    sampler = {"kind": "patches", "copies": None, "repeats": 3}
    often = record("y", {"a": 0.5}, network=usenet("resnet18"), training={"sampler": sampler})
    table = ablation(exp("x", "resnet18", copies=None), often)
    labels = [column.label for column in table.columns]
    assert [label for label in labels if label.startswith("N")] == ["N: 1× per epoch", "N: 3× per epoch"]
    assert table.frame["images_3_per_epoch"].tolist() == ["", MARK]


def test_every_mark_has_a_column_and_prints():
    table = ablation(exp("x", "resnet18", copies=1), exp("y", "resnet50", copies=1, outputs=("mask",)))
    assert [c.label for c in table.columns] == [
        "Run", "SPCN", "N = 10", "ResNet-18", "ResNet-50", "BCE", "mask", "shape marker", "AJI", "n",
        "Seeds", "Data",
    ]  # fmt: skip
    assert f"| x | {MARK} | {MARK} | {MARK} |  | {MARK} | {MARK} | {MARK} |" in to_markdown(table)
    assert r"$\checkmark$" in to_latex(table)
    assert MARK not in table.frame["output_shape_marker"].tolist()[1]


def test_phantom_ablations_do_not_claim_comparability():
    table = ablation(exp("exp_9", "seresnet50", copies=7), published="table_II")
    assert any("not comparable" in column.group for column in table.columns)
    assert "must not be compared" in table.note
    assert "(phantom data)" in table.caption


def test_a_run_can_stand_for_a_published_row_of_another_name():
    rows = [{"run": "best", "label": "Ours", "published": "exp_9"}]
    frame = ablation(exp("best", "seresnet50", copies=7), rows=rows, published="table_II").frame
    assert frame["run"].tolist()[-1] == "best"
    assert frame["published_aji"].iloc[-1] == pytest.approx(0.6587)
    assert len(frame) == 9


# --- external


def test_published_methods_and_runs_stand_in_different_columns():
    run = record("exp_9", {"a": 0.6, "b": 0.7}, label="USE-Net, ours")
    table = tables.tabulate("external", inputs(run), published="table_III")
    frame = table.frame
    assert frame["label"].tolist()[0] == "CUHK&IMSIGHT"
    assert frame["rank"].tolist()[:5] == [1, 2, 3, 4, 5]
    assert (frame["published"].notna() ^ frame["value"].notna()).all()
    assert frame["value"].iloc[-1] == pytest.approx(0.65)
    assert all(column.better is None for column in table.columns)
    assert any("real data; not comparable" in column.group for column in table.columns)
    public = record("exp_9", {"a": 0.6}, data_source="public")
    columns = tables.tabulate("external", inputs(public), published="table_III").columns
    assert ("AJI", "published (MoNuSeg 2018)") in [(column.label, column.group) for column in columns]
    assert r"CUHK\&IMSIGHT" in to_latex(table)
    with pytest.raises(ValueError, match="no column 'pq'"):
        tables.tabulate("external", inputs(run), published="table_III", column="pq")


# --- by group


def test_metrics_by_group_average_images_not_groups():
    runs = (
        record("x", {"a": 0.2, "b": 0.4, "c": 0.9, "d": 0.5}),
        record("y", {"a": 0.1, "b": 0.1, "c": 0.1, "d": 0.1}),
    )
    table = tables.tabulate("by_group", inputs(*runs), columns=["aji"])
    frame = table.frame.set_index(["group", "run"])
    assert frame.index.tolist() == [(g, r) for g in ("brain", "kidney", "liver", "all") for r in "xy"]
    assert frame.loc[("liver", "x"), ["aji", "n"]].tolist() == pytest.approx([0.3, 2])
    assert frame.loc[("liver", "x"), "aji_sd"] == pytest.approx(math.sqrt(0.02))
    assert np.isnan(frame.loc[("brain", "x"), "aji_sd"])
    assert frame.loc[("all", "x"), ["aji", "n"]].tolist() == pytest.approx([0.5, 4])
    assert all(column.better is None for column in table.columns)


def test_seeds_of_a_group_are_averaged_per_image():
    runs = [record("x", {"a": 0.2, "b": 0.4}, seed=0), record("x", {"a": 0.4, "b": 0.6}, seed=1)]
    frame = tables.tabulate("by_group", inputs(*runs), columns=["aji"]).frame
    assert frame.loc[0, ["aji", "n"]].tolist() == pytest.approx([0.4, 2])


def test_groups_that_are_missing_are_said():
    run = record("x", {"a": 0.2})
    with pytest.raises(ValueError, match=r"\['lung'\]; the groups at hand: \['liver'\]"):
        tables.tabulate("by_group", inputs(run), columns=["aji"], groups=["lung"])
    with pytest.raises(ValueError, match=r"groups \[1, None\]; .*; quote names that look like numbers"):
        tables.tabulate("by_group", inputs(run), columns=["aji"], groups=[1, None])
    ungrouped = record("x", {"a": 0.2}, groups={})
    assert tables.tabulate("by_group", inputs(ungrouped), columns=["aji"]).frame["group"].tolist() == [
        "none",
        "all",
    ]
    every = {"a": "all", "b": "none", "c": "", "d": "01"}
    odd = tables.tabulate(
        "by_group", inputs(record("x", dict.fromkeys("abcd", 0.5), groups=every)), columns=["aji"]
    )
    assert odd.frame["group"].tolist() == ["01", "all", "no group", "none", "all groups"]
    assert odd.frame["n"].tolist() == [1, 1, 1, 1, 4]
    bare = RunRecord("x", "x", 0, "published", run.card, None, run.metrics.drop(columns="group"), Path())
    with pytest.raises(ValueError, match="lack the column group"):
        tables.tabulate("by_group", inputs(bare), columns=["aji"])


# --- composition


COUNTS = pd.DataFrame(
    {
        "sample": list("abcde"),
        "part": ["train", "train", "val", "test", "test"],
        "group": ["Liver", "liver", "kidney", "brain", "spleen"],
        "objects": [10, 20, 30, 40, 50],
    }
)


def test_composition_counts_images_and_objects():
    table = tables.tabulate("instance_data", inputs(frame=COUNTS, data_kind="phantom"), published="table_I")
    frame = table.frame.set_index("part")
    assert frame.index.tolist() == ["training", "testing", "total"]
    assert frame.loc["training", ["images", "group_liver", "group_kidney", "objects"]].tolist() == [
        3,
        2,
        1,
        60,
    ]
    assert frame.loc["total", ["images", "objects"]].tolist() == [5, 150]
    assert "training: 2 train + 1 val" in table.note
    assert "left out" in table.note


def test_published_composition_stands_below_ours_only_for_the_public_data():
    table = tables.tabulate("instance_data", inputs(frame=COUNTS, data_kind="public"), published="table_I")
    frame = table.frame
    assert frame["part"].tolist() == ["training"] * 2 + ["testing"] * 2 + ["total"] * 2
    assert frame["source"].tolist() == ["this study", "published"] * 3
    assert frame["objects"].tolist() == [60, 21623, 90, 7223, 150, 28846]
    assert frame["group_breast"].tolist() == [0, 6, 0, 2, 0, 8]
    assert [c.label for c in table.columns][3:-2][-1] == "spleen"
    assert "| training | published | 30 |" in to_markdown(table)


def test_the_remark_stands_where_both_compositions_stand():
    for kind, is_there in (("public", True), ("phantom", False)):
        given = inputs(frame=COUNTS, data_kind=kind)
        table = tables.tabulate("instance_data", given, published="table_I", remark="Counts differ.")
        assert table.note.endswith("Counts differ.") == is_there


def test_rows_at_published_settings_say_that_they_are_in_bf16():
    both = [
        record(run, {"a": 0.6}, label=run.upper(), data_source="public", scale="full", precision=precision)
        for run, precision in (("exp_8", "fp32"), ("exp_9", "bf16"))
    ]
    options = {"columns": [{"metric": "aji", "published": "mean_aji"}], "published": "table_II"}
    note = tables.tabulate("ablation", inputs(*both), **options).note
    assert "Trained in bf16, where the paper's are in single precision: EXP_9." in note
    assert "bf16" not in tables.tabulate("ablation", inputs(both[0]), **options).note
    reduced = record("exp_9", {"a": 0.6}, data_source="public", scale="local", precision="bf16")
    assert "bf16" not in tables.tabulate("ablation", inputs(reduced), **options).note


def test_composition_needs_counts():
    with pytest.raises(ValueError, match=r"targets\.kind"):
        tables.tabulate("instance_data", inputs())
    with pytest.raises(ValueError, match=r"lack \['objects'\]"):
        tables.tabulate("instance_data", inputs(frame=COUNTS.drop(columns="objects")))


# --- stain report


def reports():
    pictures = {name: np.moveaxis(stained(nuclei(48, seed=k), seed=k), 0, -1) for k, name in enumerate("ab")}
    target = stain.fit_target(pictures["a"])
    return {name: stain.apply(rgb, target.as_json())[1] for name, rgb in pictures.items()}


def test_stain_reports_become_rows():
    found = reports()
    frame = pd.DataFrame(
        [{"stain": "spcn", "sample": n, "group": ORGANS[n]} | flatten(r) for n, r in found.items()]
    )
    unchanged = {"stain": "spcn", "sample": "c", "group": "kidney"} | flatten(
        {"fallback": "unchanged: no tissue"}
    )
    table = tables.tabulate("stain_report", inputs(frame=pd.concat([frame, pd.DataFrame([unchanged])])))
    rows = table.frame.set_index("sample")
    assert rows.loc["a", ["angle_h", "angle_e"]].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert rows.loc["b", "angle_e"] == pytest.approx(found["b"]["angle_degrees"]["E"])
    assert rows.loc["b", "p99_e_after"] == pytest.approx(found["b"]["concentration_p99"]["after"][1])
    assert rows.loc["b", "gain_h"] == pytest.approx(found["b"]["gain"][0])
    assert rows.loc["b", "h_blue"] == pytest.approx(found["b"]["source"]["stain_matrix"][0][2])
    assert rows["fallback"].tolist() == ["unchanged: no tissue", "no", "no"]
    assert "| c | kidney | none |" in to_markdown(table)
    assert "h_red" in to_tsv(table).splitlines()[0]
    plain = tables.tabulate("stain_report", inputs(frame=frame), vectors=False)
    assert "H" not in [column.label for column in plain.columns]


def test_a_method_without_stain_vectors_prints_dashes():
    report = {
        "method": "reinhard",
        "angle_degrees": None,
        "concentration_p99": None,
        "gain": None,
        "source": {"lab_mean": [1]},
    }
    frame = pd.DataFrame(
        [{"stain": "r", "sample": "a", "group": ""} | flatten({**report, "tissue_fraction": 0.5})]
    )
    table = tables.tabulate("stain_report", inputs(frame=frame))
    assert "H" not in [column.label for column in table.columns]
    assert frame["tissue"].tolist() == [50.0]
    assert "Reinhard" in to_markdown(table)


def test_stain_reports_are_needed():
    with pytest.raises(ValueError, match="`stains`"):
        tables.tabulate("stain_report", inputs())
    frame = pd.DataFrame([{"stain": "spcn", "sample": "a", "group": ""} | flatten({})])
    with pytest.raises(ValueError, match=r"'other'; those at hand: .'spcn'."):
        tables.tabulate("stain_report", inputs(frame=frame), stain="other")


# --- morphometry


def measured(run, sample, group, labels, *, mpp=0.5):
    table = measure.measure(labels, mpp=mpp)
    table = table if len(table) else pd.DataFrame({"id": [float("nan")]})
    return table.assign(run=run, sample=sample, group=group)


def blocks(*sides):
    """Squares of some sides."""
    labels = np.zeros((20, 20 * len(sides)), np.int32)
    for number, side in enumerate(sides):
        labels[1 : 1 + side, 20 * number + 1 : 20 * number + 1 + side] = number + 1
    return labels


def test_morphometry_sets_runs_beside_the_truth():
    frame = pd.concat(
        [
            measured(TRUTH, "a", "liver", blocks(4, 6, 8)),
            measured(TRUTH, "c", "kidney", blocks(10)),
            measured(TRUTH, "d", "brain", blocks(3)),  # no run has measured it
            measured("x", "a", "liver", blocks(4, 6)),
            measured("x", "c", "kidney", np.zeros((9, 9), np.int32)),
        ]
    )
    run = record("x", {"a": 0.5}, label="Run x")
    table = tables.tabulate("morphometry", inputs(run, frame=frame))
    rows = table.frame.set_index(["group", "label"])
    assert rows.index.tolist() == [(g, s) for g in ("kidney", "liver", "all") for s in ("truth", "Run x")]
    assert rows.loc[("liver", "truth"), ["objects", "area"]].tolist() == [3, 36 * 0.25]
    assert rows.loc[("liver", "Run x"), ["objects", "of_true"]].tolist() == pytest.approx([2, 200 / 3])
    assert rows.loc[("kidney", "Run x"), ["images", "objects", "of_true"]].tolist() == [1, 0, 0]
    assert rows.loc[("all", "Run x"), ["images", "objects", "of_true"]].tolist() == [2, 2, 50]
    assert "Median area (µm²)" in to_markdown(table)
    assert "Mean haematoxylin" not in to_markdown(table)


def test_morphometry_without_pixel_size_counts_pixels_and_shows_stain():
    frame = measured("x", "a", "liver", blocks(4, 6), mpp=None).assign(hematoxylin_mean=[1.0, 2.0])
    table = tables.tabulate("morphometry", inputs(frame=frame), rows=[{"run": "x", "label": "X"}])
    assert "Median area (px²)" in to_markdown(table)
    assert table.frame[["label", "area", "haematoxylin"]].iloc[0].tolist() == ["X", 26, 1.5]
    with pytest.raises(ValueError, match=r"no objects of the runs .'y'.; runs with objects: .'x'."):
        tables.tabulate("morphometry", inputs(frame=frame), rows=["y"])
    with pytest.raises(ValueError, match="runs that find objects"):
        tables.tabulate("morphometry", inputs())
