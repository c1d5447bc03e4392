# SPDX-License-Identifier: MIT
"""Figures of whole images that are labelled in part: panels, reliability, what a class is taken for."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from microtome import figures
from microtome.figures.parts import panels
from microtome.figures.parts.slide_views import open_view, read_classes
from microtome.io import images
from tests.synthetic_mosaics import CLASSES, FOLDS, IGNORE, RUNS, write_mosaics


@pytest.fixture(scope="module")
def drawn(mosaics):
    return figures.draw("mosaic_panels", mosaics)


def whole(folder, what, name):
    return images.read(folder / f"{what}/0/{name}.tif")


def test_a_row_for_each_image_and_a_column_for_each_run(drawn, mosaics):
    shown = [axes for axes in drawn.figure.axes if axes.images]
    assert len(shown) == 6 * (2 + len(RUNS))
    heads = [axes.get_title(loc="left") for axes in shown[: 2 + len(RUNS)]]
    assert [head.split("$   ")[1] for head in heads] == ["image", "truth", *RUNS.values()]
    clinics = [axes.get_ylabel().split("\n")[0] for axes in shown[:: 2 + len(RUNS)]]
    assert clinics[:3] == ["Modena", "New York", "Rochester"], "images of different groups come first"
    assert sorted(clinics) == sorted(mosaics.groups.values())


def test_a_run_shows_an_image_by_the_fold_that_tests_it(drawn, mosaics):
    by_sample = drawn.data.groupby("sample")["split"].unique()
    assert {name: tuple(splits) for name, splits in by_sample.items()} == {
        f"m{number}": (FOLDS[number % 2],) for number in range(6)
    }
    tested = figures.draw("mosaic_panels", mosaics, runs=["mednet3"], samples=["m1"])
    record = next(one for one in mosaics.runs if (one.run, one.split) == ("mednet3", "fold-1"))
    expected = panels.paint(whole(record.folder, "segmentations", "m1"), tuple(mosaics.palette.values()))
    shown = [axes for axes in tested.figure.axes if axes.images][2]
    np.testing.assert_array_equal(shown.images[0].get_array(), expected)


def test_the_whole_image_is_segmented_and_the_unlabelled_marked(drawn, mosaics):
    row = drawn.data.set_index(["sample", "run"]).loc[("m0", "fcn")]
    truth = images.read(mosaics.sources["m0"].target)
    record = next(one for one in mosaics.runs if (one.run, one.split) == ("fcn", "fold-0"))
    found, labelled = whole(record.folder, "segmentations", "m0"), truth != IGNORE
    assert row["labelled"] == pytest.approx(labelled.mean())
    assert row["accuracy"] == pytest.approx((found == truth)[labelled].mean())
    assert row["unlabelled_ring"] == pytest.approx((found[~labelled] == CLASSES.index("ring")).mean())
    shown = [axes for axes in drawn.figure.axes if axes.images][: 2 + len(RUNS)]
    assert [len(axes.collections) > 0 for axes in shown] == [False, False] + [True] * len(RUNS)
    legend = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert legend == [*CLASSES, "unlabelled", "border of the unlabelled"]
    assert "lines on the segmentations" in drawn.caption


def test_what_is_not_labelled_is_compared_with_complete_labels_where_there_are_some(drawn, mosaics):
    data = drawn.data.set_index(["sample", "run"])["unlabelled_accuracy"]
    assert data["m1"].isna().all(), "an image without them"
    truth, full = (images.read(path) for path in (mosaics.sources["m2"].target, mosaics.sources["m2"].full))
    record = next(one for one in mosaics.runs if (one.run, one.split) == ("segnet", "fold-0"))
    found = whole(record.folder, "segmentations", "m2")
    assert data["m2", "segnet"] == pytest.approx((found == full)[truth == IGNORE].mean())
    assert (
        f"by labels that are complete: MED-Net {data.xs('mednet3', level='run').mean():.2f}" in drawn.caption
    )


def test_classes_are_read_by_bands(mosaics, monkeypatch):
    path, view = mosaics.sources["m1"].target, open_view(mosaics.files["images"], "m1")
    once = read_classes(path, view, 10)
    monkeypatch.setattr("microtome.figures.parts.slide_views.READ", 100)
    np.testing.assert_array_equal(read_classes(path, view, 10).values, once.values)


def test_scores_below_a_segmentation_are_those_evaluated(drawn, mosaics):
    metrics = next(one for one in mosaics.runs if (one.run, one.split) == ("unet", "fold-0")).metrics
    row = metrics[(metrics["sample"] == "m0") & (metrics["metric"] == "mean_dice")]
    value = drawn.data.set_index(["sample", "run"]).loc[("m0", "unet"), "dice"]
    assert value == pytest.approx(row["value"].iloc[0])
    panel = [axes for axes in drawn.figure.axes if axes.images][1 + len(RUNS)]
    assert panel.get_xlabel() == f"Dice {value:.2f}"


def test_maps_of_another_size_and_missing_ones_are_refused(tmp_path):
    inputs = write_mosaics(tmp_path, side=24, count=2)
    path = inputs.runs[0].folder / "segmentations/0/m0.tif"
    images.write(path, np.zeros((5, 5), np.uint8))
    with pytest.raises(ValueError, match=r"sample 'm0': sizes differ, .'image': \(24, 24\)"):
        figures.draw("mosaic_panels", inputs, runs=["mednet3"])
    path.unlink()
    with pytest.raises(
        ValueError, match=r"no segmentation of sample 'm0' by run 'mednet3' \(split 'fold-0'\)"
    ):
        figures.draw("mosaic_panels", inputs, runs=["mednet3"], samples=["m0"])
    with pytest.raises(ValueError, match="no image is in part 'train' of every run"):
        figures.draw("mosaic_panels", inputs, part="train")


@pytest.mark.parametrize("size", [(7, 9), (41, 30), (64, 64)])
def test_reduced_classes_are_those_in_the_middle_of_blocks(tmp_path, size):
    ids = np.random.default_rng(0).integers(0, 6, size).astype(np.uint8)
    images.write(tmp_path / "a.tif", ids)
    layer = read_classes(tmp_path / "a.tif", open_view([tmp_path], "a"), 8)
    factor = round(layer.step[0])
    assert factor == max(1, max(size) // 8)
    middles = [np.minimum(np.arange(0, side, factor) + factor // 2, side - 1) for side in size]
    np.testing.assert_array_equal(layer.values, ids[np.ix_(*middles)])


def counted(inputs, run, bins):
    """Bins of all labelled test pixels of a run, pixel after pixel."""
    rows = []
    for record in (one for one in inputs.runs if one.run == run):
        for name in record.metrics.loc[record.metrics["part"] == "test", "sample"].unique():
            truth = images.read(inputs.sources[name].target).ravel()
            maps = images.read(record.folder / f"predictions/0/{name}.tif").astype(float).reshape(-1, 6)
            maps = maps / 255 if maps.max() > 1 else maps
            rows += [(maps[i], truth[i]) for i in np.flatnonzero(truth != IGNORE)]
    shares, ids = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    top = shares.argmax(1)
    columns = {name: (shares[:, k], ids == k) for k, name in enumerate(CLASSES)}
    columns["all"] = (shares.max(1), top == ids)
    edges = np.linspace(0, 1, bins + 1)
    found = {}
    for name, (values, right) in columns.items():
        for low, high in itertools.pairwise(edges):
            within = (values >= low) & ((values < high) | (high == 1))
            if within.any():
                found[name, round(low, 6)] = within.sum(), right[within].sum(), values[within].mean()
    return found


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_reliability_is_counted_over_labelled_pixels_of_all_folds(tmp_path, dtype):
    inputs = write_mosaics(tmp_path, side=24, count=4, dtype=dtype)
    data = figures.draw("reliability", inputs, runs=["deeplab"]).data
    expected = counted(inputs, "deeplab", 15)
    assert len(data) == len(expected)
    for row in data.to_dict("records"):
        pixels, right, mean = expected[row["class"], round(row["low"], 6)]
        assert (row["pixels"], row["positives"]) == (pixels, right)
        assert row["predicted"] == pytest.approx(mean, abs=1e-6)
    of_best = data[data["class"] == "all"]
    gaps = (of_best["observed"] - of_best["predicted"]).abs() * of_best["pixels"]
    assert of_best["ece"].unique() == pytest.approx(gaps.sum() / of_best["pixels"].sum())


def test_reliability_has_a_panel_for_each_run_and_one_legend(mosaics):
    result = figures.draw("reliability", mosaics)
    heads = [axes.get_title(loc="left") for axes in result.figure.axes]
    errors = result.data[result.data["class"] == "all"].groupby("run", sort=False)["ece"].first()
    right = [axes.get_title(loc="right") for axes in result.figure.axes]
    assert [text for text in right if text] == [f"ECE {error:.3f}" for error in errors]
    assert [head.split("$   ")[1] for head in heads if head] == list(RUNS.values())
    assert [text.get_text() for text in result.figure.legends[0].get_texts()] == [
        *CLASSES,
        "most probable class",
    ]
    assert "15 bins" in result.caption


def test_lines_leave_out_bins_with_hardly_a_pixel(mosaics):
    result = figures.draw("reliability", mosaics, runs=["mednet3"])
    by_class = dict(iter(result.data.groupby("class")))
    enough = {name: one[one["pixels"] > one["pixels"].sum() / 1000] for name, one in by_class.items()}
    assert sum(map(len, enough.values())) < len(result.data)
    lines = [one for one in result.figure.axes[0].lines if one.get_marker() in ("o", ".")]
    for name, line in zip([*CLASSES, "all"], lines, strict=True):
        assert line.get_xdata().tolist() == pytest.approx(enough[name]["predicted"].tolist())


def test_reliability_says_what_is_missing(mosaics):
    for kind in ("reliability", "risk_coverage"):
        with pytest.raises(ValueError, match=r"run 'fcn' .*has no sums of probabilities in part 'train'"):
            figures.draw(kind, mosaics, runs=["fcn"], part="train")
    others = replace(mosaics, classes=(*CLASSES[:5], "nevus"))
    with pytest.raises(ValueError, match="add `calibration` to evaluate"):
        figures.draw("reliability", others, runs=["fcn"])


def test_reliability_of_two_classes(study):
    data = figures.draw("reliability", study, runs=["bce"]).data
    by_class = {name: one.sort_values("low") for name, one in data.groupby("class")}
    assert by_class["cell"]["pixels"].tolist() == by_class["membrane"]["pixels"].tolist()[::-1]
    assert by_class["all"]["low"].min() >= 0.4


def surest_first(inputs, run):
    """Whether the most probable class is right, of all labelled test pixels of a run, the surest first."""
    found = []
    for record in (one for one in inputs.runs if one.run == run):
        for name in record.metrics.loc[record.metrics["part"] == "test", "sample"].unique():
            truth = images.read(inputs.sources[name].target)
            maps = images.read(record.folder / f"predictions/0/{name}.tif").reshape(*truth.shape, 6)
            found += [
                (m.max(), m.argmax() == t)
                for m, t in zip(maps[truth != IGNORE], truth[truth != IGNORE], strict=True)
            ]
    return np.array([hit for _, hit in sorted(found, key=lambda pair: -pair[0])])


def test_risk_by_coverage_is_that_of_the_surest_pixels_of_all_folds(tmp_path):
    inputs = write_mosaics(tmp_path, side=24, count=4)
    result = figures.draw("risk_coverage", inputs, runs=["fcn", "mednet3"])
    wrong = ~surest_first(inputs, "fcn")
    risks = wrong.cumsum() / np.arange(1, wrong.size + 1)
    data = result.data[result.data["run"] == "fcn"]
    expected = [risks[round(share * wrong.size) - 1] for share in data["coverage"]]
    assert data["risk"].tolist() == pytest.approx(expected)
    assert (data["coverage"].iloc[-1], data["pixels"].iloc[0]) == (1, wrong.size)
    assert data["aurc"].iloc[0] == pytest.approx(risks.mean(), abs=0.01)
    best = np.sort(wrong).cumsum() / np.arange(1, wrong.size + 1)
    assert data["excess"].iloc[0] == pytest.approx(data["aurc"].iloc[0] - best.mean(), abs=0.002)
    axes = result.figure.axes[0]
    assert axes.lines[0].get_ydata()[1:].tolist() == data["risk"].tolist()
    assert f"FCN {data['aurc'].iloc[0]:.4f} ({data['excess'].iloc[0]:.4f})" in result.caption


def test_captions_count_pixels_once_however_many_seeds_there_are(tmp_path):
    inputs = write_mosaics(tmp_path, side=24, count=4)
    twice = replace(inputs, runs=[*inputs.runs, *(replace(one, seed=1) for one in inputs.runs)])
    for kind in ("reliability", "risk_coverage"):
        once, again = (figures.draw(kind, of, runs=["fcn"]).caption for of in (inputs, twice))
        assert again.startswith(once.partition(" labelled pixels")[0])
        assert "all trainings of a run (seeds and splits, up to 4) are counted together" in again


def test_what_a_class_is_taken_for(mosaics):
    result = figures.draw("confusion_matrix", mosaics, runs=["mednet3"], of="meshwork")
    shares = result.data[result.data["truth"] == "meshwork"].set_index("prediction")["share"]
    others = shares.drop("meshwork").sort_values(ascending=False)
    assert others.index[0] == "ring"
    listed = ", ".join(f"{name} {share:.2f}" for name, share in others.iloc[:2].items())
    assert result.caption.endswith(f"MED-Net {shares['meshwork']:.2f} ({listed}).")
    with pytest.raises(ValueError, match="unknown class 'mesh'"):
        figures.draw("confusion_matrix", mosaics, of="mesh")


def test_terms_of_each_level_are_those_of_the_history(mosaics):
    result = figures.draw("loss_terms", mosaics, runs=["mednet3", "unet"])
    first = next(one for one in mosaics.runs if one.run == "mednet3")
    data = result.data[(result.data["run"] == "mednet3") & (result.data["split"] == first.split)]
    assert sorted(data["level"].unique()) == [0, 1, 2]
    for (level, term), rows in data.groupby(["level", "term"]):
        assert rows["value"].tolist() == first.history[f"level_{level}_{term}"].tolist()
    assert result.data.loc[result.data["run"] == "unet", "level"].unique().tolist() == [-1]
    assert len(result.figure.axes[0].lines) == 2 * 3 * 2 + 1, "folds, levels, terms; and the chosen epoch"
    chosen = first.history.set_index("epoch").loc[9]
    ratios = ", ".join(f"{chosen[f'level_{k}_tv'] / chosen[f'level_{k}_mdsc']:.2g}" for k in range(3))
    assert (
        f"Total variation in parts of MDSC in the chosen epoch (coarse to fine): MED-Net {ratios};"
        in result.caption
    )
    legend = [text.get_text() for text in result.figure.legends[0].get_texts()]
    assert legend == [
        "MDSC",
        "total variation",
        "finest level",
        "middle level",
        "coarsest level",
        "chosen epoch",
    ]


def test_runs_without_the_terms_are_left_out_or_refused(mosaics, study):
    fcn = mosaics.record("fcn")
    without = replace(fcn, history=fcn.history.drop(columns=["mdsc", "tv"]))
    both = replace(mosaics, runs=[*mosaics.select(["unet"]), without])
    assert figures.draw("loss_terms", both).data["run"].unique().tolist() == ["unet"]
    with pytest.raises(ValueError, match=r"run 'fcn' has none of the terms .'mdsc', 'tv'.; its history has"):
        figures.draw("loss_terms", both, runs=["fcn"])
    with pytest.raises(ValueError, match="no run has one of the terms"):
        figures.draw("loss_terms", study)
