# SPDX-License-Identifier: MIT
"""Five classes from maps to tables and figures, against scikit-learn on all pixels."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Patch
from sklearn import metrics as oracle

from microtome.figures.inputs import FigureInputs, find_sources
from microtome.figures.kinds import confusion_matrix, difference_map, sample_panel, uncertainty, worst_cases
from microtome.io import images
from microtome.provenance.runs import load_runs
from microtome.tables.inputs import Inputs
from microtome.tables.kinds import metrics
from tests import synthetic_classes as five

NAMES = five.CLASSES
ALL_RUNS = (*five.RUNS, five.ENSEMBLE)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return five.write(tmp_path_factory.mktemp("five"))


def pixels(root, run, samples=tuple(five.SIZES)):
    """True and predicted class of all labelled pixels of some images."""
    pairs = []
    for sample in samples:
        truth = images.read(root / f"targets/0/{sample}.tif")
        found = images.read(five.folder(root, run) / f"segmentations/0/{sample}.tif")
        pairs.append((truth[truth != 255], found[truth != 255]))
    return tuple(np.concatenate(part) for part in zip(*pairs, strict=True))


def values(root, run, sample):
    frame = pd.read_csv(five.folder(root, run) / "metrics.tsv", sep="\t")
    return frame[frame["sample"] == sample].set_index(["class", "metric"])["value"]


@pytest.mark.parametrize("run", ALL_RUNS)
@pytest.mark.parametrize("sample", list(five.SIZES))
def test_metrics_of_an_image_are_those_of_scikit_learn(root, run, sample):
    truth, found = pixels(root, run, [sample])
    value, has = values(root, run, sample), sorted({*truth.tolist(), *found.tolist()})
    kind = {"labels": has, "average": None}
    precision, recall, f15, _ = oracle.precision_recall_fscore_support(truth, found, beta=1.5, **kind)
    f1, iou = oracle.f1_score(truth, found, **kind), oracle.jaccard_score(truth, found, **kind)
    expected = {"precision": precision, "sensitivity": recall, "f1.5": f15, "f1": f1, "dice": f1, "iou": iou}
    for metric, series in expected.items():
        assert [value[NAMES[index], metric] for index in has] == pytest.approx(series.tolist()), metric
        absent = [value[name, metric] for index, name in enumerate(NAMES) if index not in has]
        assert np.isnan(absent).all(), "a class that neither has is not defined"
    macro = {"labels": has, "average": "macro"}
    assert value["all", "mean_dice"] == pytest.approx(oracle.f1_score(truth, found, **macro))
    assert value["all", "mean_iou"] == pytest.approx(oracle.jaccard_score(truth, found, **macro))
    assert value["all", "mean_f1.5"] == pytest.approx(oracle.fbeta_score(truth, found, beta=1.5, **macro))
    assert value["all", "mean_sensitivity"] == pytest.approx(oracle.balanced_accuracy_score(truth, found))
    assert value["all", "accuracy"] == pytest.approx(oracle.accuracy_score(truth, found))


def test_one_image_lacks_a_class(root):
    assert not (images.read(root / "targets/0/t1.tif") == NAMES.index("vessel")).any()
    assert np.isnan(values(root, "first", "t1")["vessel", "dice"])


@pytest.mark.parametrize("run", ALL_RUNS)
def test_the_matrix_in_the_table_is_the_sum_over_images_exactly(root, run, tmp_path):
    stem = five.product(root, "tables", "confusion_matrix", tmp_path / "cm", runs=[run])
    frame = pd.read_csv(f"{stem}.tsv", sep="\t")
    expected = oracle.confusion_matrix(*pixels(root, run), labels=range(5))
    assert frame["truth"].tolist() == NAMES
    assert frame[[f"pixels_{name}" for name in NAMES]].to_numpy().tolist() == expected.tolist()
    rows = oracle.confusion_matrix(*pixels(root, run), labels=range(5), normalize="true")
    assert frame[[f"share_{name}" for name in NAMES]].to_numpy() == pytest.approx(rows)
    assert frame["pixels"].tolist() == expected.sum(axis=1).tolist()


def test_normalized_by_the_prediction_the_diagonal_is_the_precision(root, tmp_path):
    chosen = {"options": {"normalize": "prediction"}, "runs": ["first"]}
    stem = five.product(root, "tables", "confusion_matrix", tmp_path / "cm", **chosen)
    shares = pd.read_csv(f"{stem}.tsv", sep="\t")[[f"share_{name}" for name in NAMES]].to_numpy()
    expected = oracle.precision_score(*pixels(root, "first"), average=None)
    assert np.diag(shares) == pytest.approx(expected)


def test_columns_by_default_are_the_classes_and_their_mean(root, tmp_path):
    stem = five.product(root, "tables", "metrics", tmp_path / "t")
    frame, head = pd.read_csv(f"{stem}.tsv", sep="\t").set_index("run"), stem.with_suffix(".md").read_text()
    assert "Dice of background | Dice of epidermis" in head
    assert "| Dice of vessel | mean Dice |\n" in head
    assert "Alike in all rows: n 3, seeds 1, data own." in head
    of_images = [oracle.f1_score(*pixels(root, "first", [s]), average="macro") for s in five.SIZES]
    assert frame.loc["first", "mean_dice"] == pytest.approx(np.mean(of_images))
    of_vessel = [values(root, "both", sample)["vessel", "dice"] for sample in ("t0", "t2")]
    assert frame.loc["both", "dice_vessel"] == pytest.approx(np.mean(of_vessel))
    assert frame.loc["both", ["dice_vessel_n", "dice_fat_n", "n"]].tolist() == [2, 3, 3]


def test_pooled_values_are_of_all_pixels_together(root, tmp_path):
    columns = [{"metric": name, "pooled": True} for name in ("iou", "f1.5", "mean_dice", "accuracy")]
    stem = five.product(root, "tables", "metrics", tmp_path / "t", options={"columns": columns})
    row = pd.read_csv(f"{stem}.tsv", sep="\t").set_index("run").loc["both"]
    truth, found = pixels(root, "both")
    iou = oracle.jaccard_score(truth, found, average=None)
    assert [row[f"iou_{name}_pooled"] for name in NAMES] == pytest.approx(iou.tolist())
    f15 = oracle.fbeta_score(truth, found, beta=1.5, average="macro")
    assert row["mean_f1.5_pooled"] == pytest.approx(f15)
    assert row["mean_dice_pooled"] == pytest.approx(oracle.f1_score(truth, found, average="macro"))
    assert row["accuracy_pooled"] == pytest.approx(oracle.accuracy_score(truth, found))
    told = stem.with_suffix(".md").read_text()
    assert row["n"] == 3
    assert "Pooled: from the pixels" in told
    assert "±" not in told, "no spread is told where none is shown"


def test_pooled_values_of_several_seeds_have_a_spread_over_seeds_alone(root):
    first, second = load_runs([five.folder(root, run) for run in five.RUNS])
    inputs = Inputs(runs=[first, replace(second, run="first", seed=1)], classes=tuple(NAMES), data_kind="own")
    expected = [oracle.f1_score(*pixels(root, run), average="macro") for run in five.RUNS]
    columns = [{"metric": "mean_dice", "pooled": True}]
    for over, sd in (("seed", np.std(expected, ddof=1)), ("image", np.nan)):
        row = metrics.tabulate(inputs, columns=columns, over=over).frame.iloc[0]
        assert row["mean_dice_pooled"] == pytest.approx(np.mean(expected))
        assert row["mean_dice_pooled_sd"] == pytest.approx(sd, nan_ok=True)
        assert row["n"] == 3


def test_a_mean_that_is_named_as_well_stands_where_it_is_named(root, tmp_path):
    columns = [{"metric": "mean_dice", "label": "Mean"}, "dice", {"metric": "iou", "class": "fat"}, "iou"]
    stem = five.product(root, "tables", "metrics", tmp_path / "t", options={"columns": columns})
    (head,) = (line for line in stem.with_suffix(".md").read_text().splitlines() if "| Run |" in line)
    others = [f"IoU of {name}" for name in NAMES if name != "fat"]
    dice = [f"Dice of {name}" for name in NAMES]
    assert head.removesuffix(" |").split(" | ")[1:] == ["Mean", *dice, "IoU of fat", *others, "mIoU"]


def test_macro_means_may_leave_the_background_out(root, tmp_path):
    without = NAMES[1:]
    frame = five.evaluate(root, "first", tmp_path / "metrics.tsv", mean_classes=without)
    frame = frame.set_index(["sample", "metric"])["value"]
    truth, found = pixels(root, "first", ["t0"])
    mean = oracle.f1_score(truth, found, labels=[1, 2, 3, 4], average="macro")
    assert frame["t0", "mean_dice"] == pytest.approx(mean)
    more = {"mean_classes": without, "options": {"columns": [{"metric": "mean_dice", "pooled": True}]}}
    stem = five.product(root, "tables", "metrics", tmp_path / "t", runs=["first"], **more)
    pooled = oracle.f1_score(*pixels(root, "first"), labels=[1, 2, 3, 4], average="macro")
    assert pd.read_csv(f"{stem}.tsv", sep="\t")["mean_dice_pooled"].item() == pytest.approx(pooled)
    assert "over the classes epidermis, dermis, fat, vessel that" in stem.with_suffix(".md").read_text()


def test_counts_are_missed_where_overlap_was_not_measured(root, tmp_path):
    path = five.folder(root, "first") / "metrics.tsv"
    kept = path.read_text()
    frame = pd.read_csv(path, sep="\t")
    frame[~frame["metric"].str.startswith("pixels@")].to_csv(path, sep="\t", index=False)
    with pytest.raises(ValueError, match=r"no counts of pixels .* add `overlap` to evaluate.metrics"):
        five.product(root, "tables", "confusion_matrix", tmp_path / "cm", runs=["first"])
    path.write_text(kept)


# --- figures


@pytest.fixture
def inputs(root):
    """What figures are drawn from, and the colours of a study that gives its own."""

    def of(**colors):
        records = load_runs([five.folder(root, run) for run in ALL_RUNS])
        sources = find_sources(
            records, *(sorted((root / f"{k}/0").glob("*.tif")) for k in ("images", "targets"))
        )
        return FigureInputs(
            runs=records, sources=sources, data_kind="own", classes=tuple(NAMES), colors=colors
        )

    return of


DRAWN = {
    difference_map: {"run": "first"},
    worst_cases: {"run": "first", "metric": "mean_dice"},
    sample_panel: {"run": "first"},
    uncertainty: {},
}


def legend(figure):
    """Colour of each entry of the figure's legend."""
    (found,) = figure.legends
    return {
        text.get_text(): handle.get_facecolor()
        for text, handle in zip(found.get_texts(), found.legend_handles, strict=True)
        if isinstance(handle, Patch)
    }


@pytest.mark.parametrize("kind", list(DRAWN), ids=lambda kind: kind.__name__.rpartition(".")[-1])
def test_every_figure_has_the_same_colours_and_a_legend(kind, inputs):
    found = legend(kind.draw(inputs(), **DRAWN[kind]).figure)
    assert list(found)[:5] == NAMES
    shown = [tuple(round(value * 255) for value in found[name][:3]) for name in NAMES]
    assert shown == [(0, 0, 0), (86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167)]
    own = legend(kind.draw(inputs(**dict.fromkeys(NAMES, "#123456")), **DRAWN[kind]).figure)
    assert [own[name] for name in NAMES] == [(0x12 / 255, 0x34 / 255, 0x56 / 255, 1)] * 5


def test_errors_have_the_colour_of_the_class_that_was_given(root, inputs):
    result = difference_map.draw(inputs(), run="second", sample="t2")
    painted = result.figure.axes[2].images[0].get_array()
    truth, found = (
        images.read(root / "targets/0/t2.tif"),
        images.read(five.folder(root, "second") / "segmentations/0/t2.tif"),
    )
    wrong = (truth != 255) & (truth != found)
    assert (painted[wrong & (found == 2)] == (230, 159, 0)).all()
    assert (painted[(truth != 255) & (truth == found)] == (242, 242, 242)).all()
    matrix = oracle.confusion_matrix(truth[truth != 255], found[truth != 255])
    table = result.data.pivot_table(index="truth", columns="prediction", values="pixels", sort=False)
    assert table.loc[NAMES, NAMES].to_numpy().tolist() == matrix.tolist()
    assert f"{wrong.sum():,} of {(truth != 255).sum():,} labelled pixels" in result.caption


def test_outcomes_of_one_class_are_still_to_be_had(inputs):
    data = difference_map.draw(inputs(), run="first", sample="t0", of="fat").data
    assert set(data["class"]) == {"fat"}


def test_a_panel_shows_the_output_of_the_run_and_how_sure_it_is(root, inputs):
    result = sample_panel.draw(inputs(), run="first", sample="t0")
    probability = result.figure.axes[1].images[0].get_array()
    whole = images.read(five.folder(root, "first") / "predictions/0/t0.tif")
    assert np.array_equal(probability, whole.max(axis=-1))
    _, found = pixels(root, "first", ["t0"])
    rows = result.data.set_index("class")
    assert rows["output_pixels"].tolist() == [int((found == index).sum()) for index in range(5)]
    label = images.read(root / "targets/0/t0.tif")
    assert rows.loc["fat", "mean_probability"] == pytest.approx(whole[..., 3][label == 3].mean(), rel=1e-5)


def test_uncertainty_counts_every_wrong_pixel(root, inputs):
    rows = uncertainty.draw(inputs()).data.set_index("sample")
    truth, found = pixels(root, "both", ["t1"])
    assert rows.loc["t1", "wrong"] == pytest.approx(np.mean(truth != found))


def test_the_matrix_as_a_figure(root, inputs, tmp_path):
    result = confusion_matrix.draw(inputs(), runs=["both"])
    long = result.data.set_index(["truth", "prediction"])
    expected = oracle.confusion_matrix(*pixels(root, "both"))
    assert long["pixels"].tolist() == expected.ravel().tolist()
    texts = [text.get_text().split("\n") for text in result.figure.axes[0].texts]
    assert texts[0][0] == f"{expected[0, 0] / expected[0].sum():.2f}"
    assert f"mIoU {oracle.jaccard_score(*pixels(root, 'both'), average='macro'):.3f}" in result.caption
    stem = five.product(root, "figures", "confusion_matrix", tmp_path / "cm")
    assert (
        "Pooled over these pixels, First: accuracy"
        in json.loads(stem.with_suffix(".json").read_text())["caption"]
    )
