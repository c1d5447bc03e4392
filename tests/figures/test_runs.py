# SPDX-License-Identifier: MIT
"""Figures of runs: what lies behind them against values worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from microtome import figures
from microtome.io import images
from microtome.io.views import read_map
from microtome.registry import entry_names
from microtome.workflow.states.products import names

LABEL = [[0, 0, 1, 1], [0, 1, 1, 255]]
PROBABILITY = [[0.1, 0.9, 0.8, 0.2], [0.4, 0.6, 0.7, 0.9]]


def test_loss_curves_mark_the_best_epoch(study):
    data = figures.draw("loss_curves", study, runs=["dice", "bce"]).data
    assert data["run"].unique().tolist() == ["dice", "bce"]
    assert data.loc[data["is_best"], "epoch"].tolist() == [9, 9]
    curve = data[data["run"] == "bce"]
    assert curve["train_loss"].iloc[0] == pytest.approx(0.1 + np.exp(-1 / 3))


def test_loss_curves_say_where_the_epoch_was_not_chosen_by_the_loss(study):
    first = study.select(["dice"])[0]
    lowest = int(first.history.set_index("epoch")["val_loss"].idxmin())
    captions = []
    for epoch in (lowest, lowest - 1):
        chosen = replace(first, card=dict(first.card) | {"best_epoch": epoch})
        captions.append(figures.draw("loss_curves", replace(study, runs=(chosen,))).caption)
    assert "Best validation loss: " in captions[0]
    assert "Validation loss of the epoch that was chosen (not by this loss): " in captions[1]


def test_loss_curves_of_folds_are_lines_of_their_own(study):
    first = study.select(["dice"])[0]
    folds = [replace(first, split=split) for split in ("fold-0", "fold-1")]
    result = figures.draw("loss_curves", replace(study, runs=folds))
    lines = [line for line in result.figure.axes[0].lines if len(line.get_xdata()) == len(first.history)]
    assert len(lines) == 2 * len(folds)
    assert all((np.diff(line.get_xdata()) == 1).all() for line in lines)
    assert result.data["split"].unique().tolist() == ["fold-0", "fold-1"]
    assert "(fold-1): " in result.caption


def test_loss_curves_leave_ensembles_out(study):
    assert "mcdnn" not in set(figures.draw("loss_curves", study).data["run"])


def test_uncertainty_beside_errors(study):
    result = figures.draw("uncertainty", study)
    assert result.data["run"].unique().tolist() == ["mcdnn"]
    assert result.data["error_auc"].between(0.5, 1).all()  # entropy was made high where maps are unsure
    assert (result.data["entropy_wrong"] > result.data["entropy_right"]).all()
    mean = result.data["error_auc"].mean()
    assert f"the ROC curve of {mean:.3f}" in result.caption
    with pytest.raises(ValueError, match=r"no uncertainty of sample .* by run .bce"):
        figures.draw("uncertainty", study, run="bce", samples=result.data["sample"].tolist())


def test_a_study_without_doubt(tiny):
    with pytest.raises(ValueError, match="give an ensemble the option `uncertainty: true`"):
        figures.draw("uncertainty", tiny(label=LABEL, probability=PROBABILITY))


def test_sample_panel_counts(tiny):
    result = figures.draw("sample_panel", tiny(label=LABEL, probability=PROBABILITY))
    data = result.data.set_index("class")
    assert data.loc["membrane", ["label_pixels", "output_pixels", "both_pixels"]].tolist() == [3, 3, 2]
    assert data.loc["cell", ["label_pixels", "output_pixels", "both_pixels"]].tolist() == [4, 4, 3]
    assert data.loc["cell", "mean_probability"] == pytest.approx((0.8 + 0.2 + 0.6 + 0.7) / 4)
    assert "71.4 % of the labelled pixels agree" in result.caption


def test_sample_panel_threshold_is_strict(tiny):
    data = figures.draw("sample_panel", tiny(label=[[0, 1]], probability=[[0.5, 0.75]]), threshold=0.5).data
    assert data.set_index("class")["output_pixels"].to_dict() == {"membrane": 1, "cell": 1}


def test_difference_map_counts_each_outcome(tiny):
    result = figures.draw("difference_map", tiny(label=LABEL, probability=PROBABILITY))
    counts = result.data.set_index("outcome")["pixels"].to_dict()
    expected = {
        "true negative": 3,
        "true positive": 2,
        "false positive": 1,
        "false negative": 1,
        "unlabelled": 1,
    }
    assert counts == expected
    assert "membrane Dice 0.667" in result.caption
    assert result.caption.endswith("In maps of classes membrane is black, cell white.")
    assert result.data["share"].sum() == pytest.approx(1)


def test_difference_map_of_the_other_class_swaps_the_outcomes(tiny):
    data = figures.draw("difference_map", tiny(label=LABEL, probability=PROBABILITY), of="cell").data
    counts = data.set_index("outcome")["pixels"]
    assert counts[["true negative", "true positive"]].tolist() == [2, 3]


def test_sizes_must_agree(tiny):
    with pytest.raises(ValueError, match="sizes differ"):
        figures.draw("sample_panel", tiny(label=LABEL, probability=np.zeros((3, 3))))


def test_ciresan_output_compares_before_and_after(tiny):
    inputs = tiny(label=[[0, 1]], probability=[[0.0, 1.0]], raw=[[0.42, 0.52]])
    result = figures.draw("ciresan_output", inputs)
    assert "Mean absolute error 0.450 before, 0.000 after" in result.caption
    raw = result.data[result.data["stage"] == "raw"]
    filled = raw[raw["pixels"] > 0]
    assert filled["low"].tolist() == pytest.approx([0.4, 0.5])
    assert filled["share_of_class"].tolist() == [0.0, 1.0]


def test_calibration_curve_bins(tiny):
    label, raw = [[0, 1, 1, 1, 255]], [[0.1, 0.3, 0.6, 0.8, 0.9]]
    inputs = tiny(label=label, probability=raw, raw=raw)
    path = inputs.runs[0].folder / "calibration.json"
    path.write_text('{"coefficients": [0.0, 0.5, 0.0, 0.0], "pixels": 4, "residual": 0.0}')
    data = figures.draw("calibration_curve", inputs, bins=2).data
    assert data["pixels"].tolist() == [2, 2]
    assert data["predicted"].tolist() == pytest.approx([0.2, 0.7])
    assert data["observed"].tolist() == [0.5, 1.0]
    assert data["calibrated"].tolist() == pytest.approx([0.1, 0.35])


def test_v_rand_curves_average_the_images_and_mark_the_best(study):
    data = figures.draw("v_rand_curves", study, runs=["bce"]).data
    rand = data[data["score"] == "v_rand"].set_index("threshold")
    assert rand.loc[0.5, "value"] == pytest.approx(0.95 - 0.02)
    assert rand.loc[0.5, "n"] == 3
    assert rand.index[rand["is_best"]].tolist() == [0.5]
    assert data["score"].unique().tolist() == ["v_info", "v_rand"]


def test_v_rand_curves_need_the_sweep(study):
    record = study.record("bce")
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
    poor = type(record)(**{**fields, "metrics": record.metrics[record.metrics["metric"] == "v_rand"]})
    with pytest.raises(ValueError, match="boundaries"):
        figures.draw("v_rand_curves", type(study)(runs=[poor]))


def test_worst_cases_rank_all_and_draw_some(study):
    result = figures.draw("worst_cases", study, run="bce", metric="pixel_error", lowest_first=False, count=2)
    assert result.data["sample"].tolist() == ["02", "01", "00"]
    assert result.data["value"].tolist() == pytest.approx([0.08, 0.07, 0.06])
    assert "2 of 3" in result.caption
    assert figures.draw("worst_cases", study, run="bce", metric="pixel_error").data["sample"].iloc[0] == "00"


def test_columns_of_an_ensemble_and_their_distance_from_it(study):
    runs = ["mcdnn", "n4", "bce"]
    result = figures.draw("ensemble_columns", study, runs=runs)
    assert result.data["run"].tolist() == runs
    maps = [
        read_map(study.sources[result.data["sample"][0]].predictions[run])[0].astype(float) for run in runs
    ]
    expected = [np.abs(one - maps[0]).mean() for one in maps]
    np.testing.assert_allclose(result.data["distance_from_mean"], expected, atol=1e-6)
    with pytest.raises(ValueError, match=r"found the runs .'n4'. alone"):
        figures.draw("ensemble_columns", study, runs=["n4"])


def test_columns_of_runs_with_a_marker_show_the_mask(study, tmp_path):
    runs = ["mcdnn", "n4"]
    alone = figures.draw("ensemble_columns", study, runs=runs).data
    name, predictions = alone["sample"][0], {}
    for run in runs:
        predictions[run] = tmp_path / f"{run}.tif"
        mask = read_map(study.sources[name].predictions[run])
        images.write(predictions[run], np.concatenate([mask, np.full_like(mask, 0.1)]))
    sources = {name: replace(study.sources[name], predictions=predictions)}
    cards = {"outputs": ["mask", "shape_marker"]}
    records = [replace(study.record(run), card=study.record(run).card | cards) for run in runs]
    both = figures.draw("ensemble_columns", replace(study, runs=records, sources=sources), runs=runs).data
    assert both.to_dict() == alone.to_dict()


def test_windows_of_training_are_balanced_and_centred_on_their_class(study):
    data = figures.draw("sliding_window", study, window=17).data
    label = images.read(study.sources[data["sample"][0]].target)
    assert data["class"].tolist() == ["membrane"] * 2 + ["cell"] * 2
    assert [label[row, column] for row, column in data[["row", "column"]].to_numpy()] == [0, 0, 1, 1]


def test_a_sliding_window_sees_a_pixel_as_often_as_windows_reach_it(study):
    data = figures.draw("sliding_window", study, shows="prediction", window=5).data.iloc[0]
    side = 48
    per_row = [min(i, 2) + min(side - 1 - i, 2) + 1 for i in range(side)]
    assert data["mean"] == pytest.approx(np.mean(per_row) ** 2)
    assert (data["largest"], data["windows"]) == (25, side * side)
    with pytest.raises(ValueError, match="expected 'training' or 'prediction'"):
        figures.draw("sliding_window", study, shows="both")


def test_losses_stand_in_their_families_and_those_of_runs_stand_out(study):
    data = figures.draw("loss_taxonomy", replace(study, names=names()), runs=["dice", "n4"]).data
    data = data.set_index("loss")
    assert data.loc["dice", "runs"] == "dice"
    assert data.loc["cross_entropy", "runs"] == "n4"
    assert data.loc["tversky", ["family", "runs"]].tolist() == ["regions", ""]
    assert set(data.index) >= set(entry_names("microtome.config.losses")), "no loss is forgotten"
    assert "further" not in set(data["family"]), "a loss of the package has a family"
