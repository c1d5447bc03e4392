# SPDX-License-Identifier: MIT
"""Figures of the study of cubes: what is drawn, what stands behind it, what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.text import Text
from sklearn.metrics import roc_auc_score
from torch import nn

from microtome import figures
from microtome.figures.parts import bands, block_diagram, layer_outputs
from microtome.figures.parts.style import PHANTOM_TAG
from microtome.io import images
from microtome.io.envi import open_cube
from microtome.tables.parts.rates import image_values
from tests.synthetic_melanoma import (
    BANDS,
    CLASSES,
    DARK,
    FIRST,
    LAMP,
    RUNS,
    SAMPLES,
    WIDTH,
    write_bands,
)


def texts(result):
    return [item.get_text() for item in result.figure.findobj(Text) if item.get_text()]


def truth_of(melanoma, sample):
    return images.read(melanoma.sources[sample].target)


# --- what is read of cubes


def test_a_cube_is_chosen_among_samples_that_have_what_is_needed(melanoma):
    assert bands.choose_cube(melanoma)[0] == "m0"
    assert bands.choose_cube(melanoma, "m3")[0] == "m3"
    some = replace(melanoma, cubes={name: melanoma.cubes[name] for name in ("m2", "m4")})
    assert bands.choose_cube(some, needs=("target",))[0] == "m2"
    with pytest.raises(ValueError, match=r"no calibrated cube of sample 'm0'; .*'m2', 'm4'"):
        bands.choose_cube(some, "m0")
    with pytest.raises(ValueError, match="at all"):
        bands.choose_cube(replace(melanoma, cubes={}))


def test_class_spectra_are_means_over_the_pixels_of_a_class(melanoma):
    cube = open_cube(melanoma.cubes["m1"])
    target = truth_of(melanoma, "m1").copy()
    target[:5] = 255
    found = bands.class_spectra(cube, target, 3)
    values = cube.read()
    for index in range(2):
        expected = values[:, target == index].mean(axis=1, dtype=np.float64)
        np.testing.assert_allclose(found[index], expected, rtol=1e-6)
    assert np.isnan(found[2]).all()


def test_pictures_are_averaged_in_blocks():
    picture = np.arange(60.0).reshape(5, 12)
    small = bands.shrink(picture, side=4)
    assert small.shape == (1, 4)
    assert small[0, 1] == pytest.approx(picture[:3, 3:6].mean())
    assert bands.shrink(np.zeros((9, 9, 3)), side=3).shape == (3, 3, 3)
    assert np.array_equal(bands.shrink(picture, side=12), picture)
    assert (bands.stretched(np.full((3, 3), 7.0)) == 0).all()


def test_tables_of_bands_are_checked(tmp_path, melanoma):
    none = write_bands(tmp_path / "none.tsv", chosen=())
    with pytest.raises(ValueError, match="marks no band"):
        bands.read_bands(none)
    pd.DataFrame({"band": [0]}).to_csv(tmp_path / "short.tsv", sep="\t")
    with pytest.raises(ValueError, match=r"lacks .'wavelength_nm', 'mutual_information'"):
        bands.read_bands(tmp_path / "short.tsv")
    with pytest.raises(ValueError, match="no table of chosen bands"):
        bands.read_bands(None)
    far = bands.read_bands(write_bands(tmp_path / "far.tsv")).assign(band=lambda frame: frame["band"] + 50)
    with pytest.raises(ValueError, match=r"24 bands, the chosen ones go up to 65"):
        bands.chosen_bands(far, open_cube(melanoma.cubes["m0"]))


# --- spectra


def test_spectra_before_and_after_stand_on_one_scale(melanoma):
    result = figures.draw("spectra", melanoma, sample="m0")
    data = result.data
    assert len(data) == BANDS
    for name in CLASSES:
        np.testing.assert_allclose(data[f"calibrated_{name}"], data[f"transmittance_{name}"] * (LAMP + DARK))
        np.testing.assert_allclose(data[f"raw_{name}"], DARK + LAMP * data[f"transmittance_{name}"], atol=0.6)
    assert data.loc[data["selected"], "band"].tolist() == list(range(FIRST, FIRST + WIDTH))
    assert {"spectrum", "700 nm, raw", "700 nm, calibrated"} - {"spectrum"} <= {
        text.split("   ")[-1] for text in texts(result)
    }
    assert f"{WIDTH} chosen bands (610 nm to 662 nm)" in result.caption
    assert (data["transmittance_melanoma"] < data["transmittance_normal"])[:15].all()


def test_cubes_that_come_calibrated_have_no_before(tmp_path, melanoma):
    alone = replace(melanoma, raw_cubes={}, bands=None)
    result = figures.draw("spectra", alone)
    assert len(result.figure.axes) == 2
    assert not [column for column in result.data if column.startswith("raw")]
    assert "mutual information" not in result.caption
    assert "transmittance" in texts(result)


def test_faults_of_spectra_are_named(melanoma):
    with pytest.raises(ValueError, match=f"bands 0 to {BANDS - 1}, not 60"):
        figures.draw("spectra", melanoma, band=60)
    with pytest.raises(ValueError, match="no calibrated cube at all"):
        figures.draw("spectra", replace(melanoma, cubes={}))


def test_spectra_of_a_field_without_a_label(melanoma):
    """They are those of all pixels; labelled samples come first where there are any."""
    unlabelled = replace(melanoma, sources={"m0": replace(melanoma.sources["m0"], target=None)})
    data = figures.draw("spectra", unlabelled).data
    values = open_cube(melanoma.cubes["m0"]).read()
    np.testing.assert_allclose(data["transmittance_the whole field"], values.mean((1, 2)), rtol=1e-5)
    assert "transmittance_melanoma" not in data
    assert "transmittance_melanoma" in figures.draw("spectra", melanoma).data


def test_other_sizes_are_refused(tmp_path, melanoma):
    images.write(tmp_path / "m0.tif", np.zeros((5, 5), np.uint8))
    other = replace(melanoma, sources={"m0": replace(melanoma.sources["m0"], target=tmp_path / "m0.tif")})
    with pytest.raises(ValueError, match="sizes differ"):
        figures.draw("spectra", other)


# --- bands


def test_bands_are_shown_in_two_sets(melanoma):
    result = figures.draw("band_images", melanoma, others=5)
    data = result.data
    assert data["selected"].sum() == WIDTH
    assert data.loc[~data["selected"], "band"].tolist() == [0, 4, 16, 19, 23]
    assert sum(len(axes.images) for axes in result.figure.axes) == WIDTH + 5
    assert "610 nm" in {text.strip() for text in texts(result)}
    assert data["sd"].idxmax() in data.index[~data["selected"]]  # the noisy ends


def test_one_set_of_bands_or_all_others(melanoma):
    assert figures.draw("band_images", melanoma, which="chosen").data["selected"].all()
    rest = figures.draw("band_images", melanoma, which="others", others=0).data
    assert len(rest) == BANDS - WIDTH
    with pytest.raises(ValueError, match="which='all'"):
        figures.draw("band_images", melanoma, which="all")


def test_all_bands_chosen_leave_no_others(tmp_path, melanoma):
    every = replace(melanoma, bands=write_bands(tmp_path / "all.tsv", chosen=range(BANDS)))
    assert len(figures.draw("band_images", every).data) == BANDS
    with pytest.raises(ValueError, match="every band"):
        figures.draw("band_images", every, which="others")


# --- feature maps


def test_the_first_layer_is_found_behind_its_activation(melanoma):
    model = layer_outputs.load_network(melanoma.record("hypernet_ce"))
    assert isinstance(model.get_submodule(layer_outputs.first_layer(model)), nn.ReLU)
    plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.ReLU())
    assert layer_outputs.first_layer(plain) == "0"
    with pytest.raises(ValueError, match="no convolution"):
        layer_outputs.first_layer(nn.Sequential(nn.ReLU()))


def test_first_layer_maps_are_those_of_the_network(melanoma):
    record = melanoma.record("hypernet_ce")
    data = figures.draw("feature_maps", melanoma, run="hypernet_ce", sample="m1", crop=32).data
    model = layer_outputs.load_network(record)
    window = slice(8, 40)
    pixels = open_cube(melanoma.cubes["m1"]).read_bands(FIRST, FIRST + WIDTH)[:, window, window]
    with torch.inference_mode():
        stem = model.entry[0].body(torch.from_numpy(pixels.copy())[None, None])[0].numpy()
    assert data[["channels", "bands", "height", "width"]].iloc[0].tolist() == [4, WIDTH, 32, 32]
    np.testing.assert_allclose(data["mean"], stem.mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(data["sd"], stem.mean(axis=1).std(axis=(1, 2)), rtol=1e-3)
    one = figures.draw("feature_maps", melanoma, run="hypernet_ce", sample="m1", crop=32, band=2).data
    np.testing.assert_allclose(one["max"], stem[:, 2].max(axis=(1, 2)), rtol=1e-4)


def test_a_network_for_pictures_sees_the_picture(melanoma):
    result = figures.draw("feature_maps", melanoma, run="cnn2d_rgb", maps=3)
    assert len(result.data) == 3
    assert (result.data["bands"] == 1).all()
    assert "mean over the bands" not in result.caption
    record = melanoma.record("cnn2d_rgb")
    model = layer_outputs.load_network(record)
    seen = layer_outputs.read_input(melanoma, record, model, "m0", crop=0)
    np.testing.assert_allclose(
        seen, np.moveaxis(images.read(melanoma.sources["m0"].image), -1, 0) / 255, rtol=1e-6
    )


def test_raw_views_are_divided_by_the_full_scale(melanoma):
    record = melanoma.record("hypernet_ce")
    raw = replace(record, card={**record.card, "view": "raw"})
    model = layer_outputs.load_network(record)
    seen = layer_outputs.read_input(melanoma, raw, model, "m0", crop=0)
    counts = open_cube(melanoma.raw_cubes["m0"]).read_bands(FIRST, FIRST + WIDTH)
    np.testing.assert_allclose(seen, counts / 4095, rtol=1e-6)


def test_blocks_are_laid_out_as_the_network(melanoma):
    data = figures.draw("feature_maps", melanoma, run="hypernet_compound", layers="blocks", crop=32).data
    labels = data["label"].tolist()
    assert labels == [
        *(f"encoder {k}" for k in range(1, 6)),
        "fusion",
        *(f"decoder {k}" for k in (4, 3, 2, 1)),
    ]
    assert data["height"].tolist() == [32, 16, 8, 4, 4, 32, 4, 8, 16, 32]
    assert data["bands"].tolist()[:4] == [8, 4, 2, 1]
    plain = figures.draw("feature_maps", melanoma, run="cnn2d_rgb", layers="blocks", crop=32).data
    assert plain["height"].tolist() == [32, 16, 8, 4, 2, 4, 8, 16, 32]


def test_layers_can_be_named(melanoma):
    named = {"run": "hypernet_ce", "crop": 16}
    data = figures.draw("feature_maps", melanoma, layers=["decoder.0", "head.out"], **named).data
    assert data["layer"].tolist() == ["decoder.0", "head.out"]
    with pytest.raises(ValueError, match=r"has no layers .'nope'."):
        figures.draw("feature_maps", melanoma, layers=["nope"], **named)
    with pytest.raises(ValueError, match="not 99"):
        figures.draw("feature_maps", melanoma, band=99, **named)


def test_runs_without_weights_are_named(melanoma):
    with pytest.raises(ValueError, match="run 'hypernet_raw' has no weights of its own"):
        figures.draw("feature_maps", melanoma, run="hypernet_raw")
    record = melanoma.record("hypernet_ce")
    other = {**record.card, "network": {"name": "hypernet", "options": {"width": 2, "bands": WIDTH}}}
    with pytest.raises(ValueError, match="weights of another network"):
        layer_outputs.load_network(replace(record, card=other))
    with pytest.raises(ValueError, match="no lists of encoder and decoder"):
        layer_outputs.blocks(nn.Sequential(nn.Conv2d(1, 1, 1)))


def test_blocks_of_another_level_come_closer():
    places = block_diagram.places_of([0, 0, 1, 2, 2, 1, 0])
    steps = np.diff(places)
    assert steps[0] == steps[3] > steps[1] == steps[2]


# --- the way of a cube


def test_the_way_of_a_cube_has_a_picture_of_each_step(melanoma):
    data = figures.draw("cube_pipeline", melanoma, run="hypernet_ce").data
    assert data["step"].tolist() == [
        "raw cube", "transmittance", "8 bands", "Hyper-net", "probability", "melanoma",
    ]  # fmt: skip
    assert data["pictures"].tolist() == [1, 1, 3, 0, 1, 1]
    assert data.loc[2, "detail"] == "mutual information, 610 nm to 662 nm"
    assert "predict" not in texts(figures.draw("cube_pipeline", melanoma, run="hypernet_ce"))
    rgb = figures.draw("cube_pipeline", melanoma, run="cnn2d_rgb").data
    assert rgb["step"].tolist() == ["RGB image", "2D CNN", "probability", "melanoma"]


def test_the_way_of_a_calibrated_cube_without_maps(melanoma):
    sources = {name: replace(files, predictions={}) for name, files in melanoma.sources.items()}
    alone = replace(melanoma, raw_cubes={}, sources=sources)
    data = figures.draw("cube_pipeline", alone, run="hypernet_ce").data
    assert data["step"].tolist()[0] == "transmittance"
    assert data["pictures"].tolist() == [1, 3, 0, 0, 1]
    with pytest.raises(ValueError, match="not 99"):
        figures.draw("cube_pipeline", alone, band=99)


# --- bars


def test_bars_are_the_rates_of_the_runs(melanoma):
    runs = [run for run in RUNS if run != "hypernet_raw"]
    subset = runs[1:]
    data = figures.draw("rate_bars", melanoma, runs=runs, grouped_runs=subset).data
    assert {panel: set(rows["run"]) for panel, rows in data.groupby("panel")} == {
        **{key: set(runs) for key in "ae"},
        **{key: set(subset) for key in "bcd"},
    }
    values = image_values([melanoma.record("hypernet_ce")], "fpr", class_name="melanoma")
    found = data[(data["run"] == "hypernet_ce") & (data["quantity"] == "fpr")].set_index("group")
    assert found.loc["all", "mean"].item() == pytest.approx(values["value"].mean())
    for group in ("10x", "20x"):
        in_group = values.loc[values["group"] == group, "value"]
        assert found.loc[group, "mean"] == pytest.approx(in_group.mean())
        assert found.loc[group, "sd"] == pytest.approx(in_group.std(ddof=0))
    accuracy = image_values([melanoma.record("hypernet_ce")], "accuracy").groupby("group")["value"].mean()
    overall = data[(data["run"] == "hypernet_ce") & (data["panel"] == "a")]["mean"].item()
    assert overall == pytest.approx(accuracy.mean())


def test_bars_name_what_is_missing(melanoma):
    with pytest.raises(ValueError, match=r"grouped_runs names .'unet'."):
        figures.draw("rate_bars", melanoma, grouped_runs=["unet"])
    with pytest.raises(ValueError, match="unknown class 'nevus'"):
        figures.draw("rate_bars", melanoma, of="nevus")


def test_one_magnification_is_enough_for_bars(melanoma):
    runs = [
        replace(record, metrics=record.metrics[record.metrics["group"] == "20x"]) for record in melanoma.runs
    ]
    data = figures.draw("rate_bars", replace(melanoma, runs=runs)).data
    assert set(data["group"]) == {"all", "20x"}
    assert data["mean"].notna().all()


# --- ROC


def test_curves_pool_the_pixels_of_all_images(melanoma):
    result = figures.draw("roc", melanoma, runs=["hypernet_ce", "hypernet_raw"])
    truth = np.concatenate([truth_of(melanoma, name).ravel() for name in SAMPLES])
    for run in ("hypernet_ce", "hypernet_raw"):
        maps = [images.read(melanoma.sources[name].predictions[run])[..., 1] for name in SAMPLES]
        curve = result.data[result.data["run"] == run]
        expected = roc_auc_score(truth, np.concatenate([one.ravel() for one in maps]))
        assert curve["auc"].iloc[0] == pytest.approx(expected)
        assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(expected, abs=2e-3)
        assert curve[["fpr", "tpr"]].iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]
        assert len(curve) <= 514
    assert result.data["pixels"].iloc[0] == truth.size
    assert any(text.startswith("Hyper-net (cross entropy), AUC 0.") for text in texts(result))


def test_a_part_of_the_pixels_is_the_same_each_time(melanoma):
    first, second = (figures.draw("roc", melanoma, pixels=2000).data for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert first["pixels"].iloc[0] == pytest.approx(2000, abs=len(SAMPLES))
    whole = figures.draw("roc", melanoma).data
    areas = [frame.groupby("run")["auc"].first() for frame in (first, whole)]
    assert np.abs(areas[0] - areas[1]).max() < 0.03
    assert not first.equals(figures.draw("roc", melanoma, pixels=2000, seed=1).data)


def test_curves_need_both_classes_and_maps(tmp_path, melanoma):
    images.write(tmp_path / "m0.tif", np.zeros((48, 48), np.uint8))
    healthy = {"m0": replace(melanoma.sources["m0"], target=tmp_path / "m0.tif")}
    with pytest.raises(ValueError, match="have no pixels of 'melanoma'"):
        figures.draw("roc", replace(melanoma, sources=healthy))
    bare = {name: replace(files, predictions={}) for name, files in melanoma.sources.items()}
    with pytest.raises(ValueError, match="no image has a target and a map by each"):
        figures.draw("roc", replace(melanoma, sources=bare))


# --- panels


def test_panels_show_every_run_twice(melanoma):
    result = figures.draw("melanoma_panels", melanoma, group="20x")
    assert result.data["run"].tolist() == list(RUNS)
    assert set(result.data["sample"]) == {"m1"}
    assert sum(bool(axes.images) for axes in result.figure.axes) == 2 * (len(RUNS) + 1)
    assert "(20x)" in result.caption
    row = result.data.set_index("run").loc["hypernet_ce"]
    metrics = melanoma.record("hypernet_ce").metrics.query("sample == 'm1'")
    for key, metric in (("dice", "dice"), ("tpr", "sensitivity"), ("fpr", "false_positive_rate")):
        chosen = (metrics["metric"] == metric) & (metrics["class"] == "melanoma")
        found = metrics.loc[chosen, "value"].item()
        assert row[key] == pytest.approx(found)
    accuracy = metrics.query("metric == 'accuracy'")["value"].item()
    assert row["accuracy"] == pytest.approx(accuracy)
    assert f"accuracy {accuracy:.3f}, Dice {row['dice']:.3f}" in " ".join(texts(result))
    assert any(text.endswith("µm") for text in texts(result))


def test_panels_of_a_group_that_is_not_there(melanoma):
    with pytest.raises(ValueError, match=r"no sample of group '40x'.*'10x', '20x'"):
        figures.draw("melanoma_panels", melanoma, group="40x")
    sources = {name: replace(files, segmentations={}) for name, files in melanoma.sources.items()}
    with pytest.raises(ValueError, match="no segmentation of sample 'm0' by run 'cnn2d_rgb'"):
        figures.draw("melanoma_panels", replace(melanoma, sources=sources))


def test_phantoms_are_tagged_in_every_figure(melanoma):
    for kind in ("spectra", "band_images", "rate_bars", "roc", "melanoma_panels"):
        assert PHANTOM_TAG in texts(figures.draw(kind, melanoma))
        assert PHANTOM_TAG not in texts(figures.draw(kind, replace(melanoma, data_kind="own")))
