# SPDX-License-Identifier: MIT
"""From weights to probability maps, calibration, ensembles and label maps."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from microtome import networks
from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.inference import calibration, temperature
from microtome.inference.temperature import Temperature
from microtome.io import images
from microtome.io.views import read_map, read_pixels
from microtome.networks.windows import WindowTransform, extract_windows, input_window, mirror
from microtome.stages.calibrate import calibrate_maps, fit_calibration
from microtome.stages.predict import load_model, predict_batch
from microtome.stages.runs import average_batch, write_card, write_uncertainty
from microtome.stages.segment import segment_batch
from microtome.stages.stored_maps import channel_names
from microtome.training.batches import Batch
from microtome.training.tasks import BinaryTask, WindowTask
from tests.stages import folders
from tests.synthetic_study import fake_probability

SAMPLES = [f"s{number}" for number in range(5)]
BINS = {"kind": "cubic", "bins": 32}


@pytest.mark.parametrize("run", list(folders.RUNS))
def test_there_is_a_map_for_each_image(root, runs, run):
    maps = runs[run] / "predictions"
    assert sorted(path.stem for path in maps.iterdir()) == SAMPLES
    for path in maps.iterdir():
        found = read_map(path)
        assert found.shape == (1, *images.read(root / "images" / path.name).shape)
        assert found.dtype == np.float32
        assert 0 <= found.min() < found.max() <= 1
        assert images.header(path).mpp == pytest.approx(0.5)


def pixels(root, sample):
    return torch.from_numpy(images.read(root / f"images/{sample}.tif").astype(np.float32))[None, None]


def plain_model(runs, run):
    """The network without what prediction does to it."""

    model = networks.build(**folders.RUNS[run]["network"])
    model.load_state_dict(load_file(runs[run] / "model.safetensors"))
    return model.eval()


def scaled(values):
    """As in training."""
    labels = torch.zeros(len(values), 1, *values.shape[2:], dtype=torch.int64)
    task = BinaryTask(Input(**folders.options("unet")["input"]), Augment())
    return task.prepare(Batch(values, labels, ("s",) * len(values)), None).inputs


def test_unet_whole_image_is_the_network_on_the_scaled_image(root, runs, tmp_path):
    chosen = folders.options("unet", predict={"window": None})
    weights = runs["unet"] / "model.safetensors"
    predict_batch(chosen, weights, root / "images", tmp_path / "maps", device="cpu", threads=1)
    with torch.no_grad():
        expected = plain_model(runs, "unet")(scaled(pixels(root, "s4"))).sigmoid()[0]
    assert np.allclose(read_map(tmp_path / "maps/s4.tif"), expected, atol=1e-5)


@pytest.mark.parametrize("run", ["dense", "foveated"])
def test_window_networks_give_each_pixel_what_its_window_gives(root, runs, run):
    """The foveated network at every 9th pixel, the dense one anywhere."""
    model = plain_model(runs, run)
    window = folders.RUNS[run]["window"]
    transform = WindowTransform(foveate=window["foveate"], nonuniform=window["nonuniform"])
    size = input_window(model.window, transform)
    padded = torch.from_numpy(mirror(pixels(root, "s3")[0].numpy(), size))
    centres = torch.tensor([[0, 0], [9, 18], [36, 45], [39, 55]])
    cut = extract_windows(padded, centres, size)
    task = WindowTask(Input(scale=255, mean=0.5, std=0.5), Augment(), transform, model.window)
    labels = torch.zeros(4, 1, 1, 1, dtype=torch.int64)
    with torch.no_grad():
        expected = model(task.prepare(Batch(cut, labels, ("s",) * 4), None).inputs).softmax(1)[:, 1]
    found = read_map(runs[run] / "predictions/s3.tif")[0][centres[:, 0], centres[:, 1]]
    assert np.allclose(found, expected, atol=1e-5)


def test_prediction_repeats_itself(root, runs):
    again = folders.predict(root, "unet", runs["unet"], name="again")
    for path in again.iterdir():
        assert np.array_equal(read_map(path), read_map(runs["unet"] / "predictions" / path.name))


def test_weights_of_another_network_are_refused(runs):
    with pytest.raises(ValueError, match=r"holds the weights of another network than .*'width': 5"):
        load_model(runs["unet"] / "model.safetensors", {"name": "unet", "width": 5})


def test_no_image_is_an_error(runs, tmp_path):
    (tmp_path / "images").mkdir()
    weights = runs["unet"] / "model.safetensors"
    with pytest.raises(ValueError, match="nothing was written"):
        predict_batch(
            folders.options("unet"), weights, tmp_path / "images", tmp_path / "out", device="cpu", threads=1
        )
    assert not (tmp_path / "out").exists()


@pytest.fixture
def maps(root, tmp_path):
    """Noisy maps of all samples."""
    for number, sample in enumerate(SAMPLES):
        label = images.read(root / f"targets/{sample}.tif")
        images.write(tmp_path / f"maps/{sample}.tif", fake_probability(label, 2.0, number))
    return tmp_path / "maps"


def test_calibration_is_fitted_on_the_samples_named_and_applied_to_all(root, maps, tmp_path):
    samples = ["s2", "s3"]
    fit_calibration(BINS | {"samples": samples}, [maps], [root / "targets"], tmp_path / "c.json")
    curve = calibration.Calibration.from_dict(json.loads((tmp_path / "c.json").read_text()))
    predicted = np.concatenate([read_map(maps / f"{s}.tif").ravel() for s in samples])
    truth = np.concatenate([images.read(root / f"targets/{s}.tif").ravel() for s in samples]) == 1
    assert curve == calibration.fit(predicted, truth, bins=32)
    for radius in (0, 2):
        calibrate_maps({"median_radius": radius}, tmp_path / "c.json", maps, tmp_path / f"radius-{radius}")
        found = read_map(tmp_path / f"radius-{radius}/s4.tif")
        expected = calibration.apply(curve, read_map(maps / "s4.tif"))
        if radius:
            expected = calibration.median_filter(expected[0], radius=radius)[None]
        assert np.array_equal(found, expected)
        assert sorted(path.stem for path in (tmp_path / f"radius-{radius}").iterdir()) == SAMPLES


def test_calibration_leaves_unlabelled_pixels_out(root, maps, tmp_path):
    target = images.read(root / "targets/s2.tif")
    target[:20] = 255
    images.write(tmp_path / "targets/s2.tif", target)
    fit_calibration(BINS | {"samples": ["s2"]}, [maps], [tmp_path / "targets"], tmp_path / "c.json")
    found = json.loads((tmp_path / "c.json").read_text())
    expected = calibration.fit(read_map(maps / "s2.tif")[0, 20:], target[20:] == 1, bins=32)
    assert found == expected.to_dict()


def of_classes(root, folder, sharpness=3.0):
    """Maps of two classes, too sure, beside each target; the last of them kept as bytes."""
    for number, sample in enumerate(SAMPLES):
        truth = images.read(root / f"targets/{sample}.tif")
        logits = sharpness * (np.random.default_rng(number).normal(0, 2, truth.shape) + truth - 0.5)
        shares = np.stack([1 / (1 + np.exp(logits)), 1 / (1 + np.exp(-logits))]).astype(np.float32)
        is_last = sample == SAMPLES[-1]
        images.write(folder / f"{sample}.tif", np.rint(255 * shares).astype(np.uint8) if is_last else shares)
    return folder


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_temperature_is_fitted_on_the_samples_named_and_applied_to_all(root, tmp_path, activation):
    samples, source = ["s1", "s3"], of_classes(root, tmp_path / "maps")
    options = {"kind": "temperature", "activation": activation, "classes": ["a", "b"], "samples": samples}
    if activation == "sigmoid":  # a mask, and a marker that is no class
        for path in list(source.iterdir()):
            images.write(path, read_pixels(path)[::-1].copy())
    fit_calibration(options, [source], [root / "targets"], tmp_path / "c.json")
    found = Temperature.from_dict(json.loads((tmp_path / "c.json").read_text()))
    masks = [read_map(source / f"{s}.tif")[1 if activation == "softmax" else 0].ravel() for s in samples]
    truth = np.concatenate([images.read(root / f"targets/{s}.tif").ravel() for s in samples])
    mask = np.concatenate(masks).astype(float)
    pair = np.stack([1 - mask, mask])
    assert found.temperature == pytest.approx(temperature.fit(lambda: [(pair, truth)]).temperature, rel=1e-3)
    assert found.pixels == truth.size
    told = {"median_radius": 0, "activation": activation}
    calibrate_maps(told, tmp_path / "c.json", source, tmp_path / "scaled")
    assert sorted(path.stem for path in (tmp_path / "scaled").iterdir()) == SAMPLES
    expected = temperature.apply(found, read_map(source / "s4.tif"), activation=activation)
    assert np.array_equal(read_map(tmp_path / "scaled/s4.tif"), expected)


def test_labels_of_other_samples_do_not_change_a_temperature(root, tmp_path):
    options = {"kind": "temperature", "activation": "softmax", "classes": ["a", "b"], "samples": ["s1"]}
    source, changed = of_classes(root, tmp_path / "maps"), tmp_path / "targets"
    for sample in SAMPLES:
        target = images.read(root / f"targets/{sample}.tif")
        images.write(changed / f"{sample}.tif", target if sample == "s1" else 1 - target)
    for targets, path in ((root / "targets", tmp_path / "a.json"), (changed, tmp_path / "b.json")):
        fit_calibration(options, [source], [targets], path)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_bytes_say_nothing_below_half_a_step(root, tmp_path):
    options = {"kind": "temperature", "activation": "softmax", "classes": ["a", "b"], "samples": ["s4"]}
    source = of_classes(root, tmp_path / "maps")
    fit_calibration(options, [source], [root / "targets"], tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text())["floor"] == 1 / 510


def test_calibration_needs_a_sample(tmp_path):
    with pytest.raises(ValueError, match="validation part has no sample"):
        fit_calibration(BINS | {"samples": []}, [], [], tmp_path / "c.json")


def test_ensembles_are_means(runs, tmp_path):
    members = [runs[run] / "predictions" for run in ("unet", "dense", "foveated")]
    average_batch(members, tmp_path / "mean")
    assert sorted(path.stem for path in (tmp_path / "mean").iterdir()) == SAMPLES
    expected = np.mean([read_map(member / "s3.tif").astype(float) for member in members], axis=0)
    assert np.allclose(read_map(tmp_path / "mean/s3.tif"), expected, atol=1e-6)
    (tmp_path / "less").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no file of sample 's0' in .*less"):
        average_batch([members[0], tmp_path / "less"], tmp_path / "none")


def test_the_card_of_an_ensemble_sums_its_members(runs, tmp_path):
    chosen = folders.IDENTITY | {"run": "mean", "members": ["unet", "dense"], "activation": "softmax"}
    cards = [runs[run] / "card.json" for run in chosen["members"]]
    write_card(chosen, cards, tmp_path / "card.json")
    card, found = json.loads((tmp_path / "card.json").read_text()), [json.loads(c.read_text()) for c in cards]
    assert (card["network"]["name"], card["activation"]) == ("ensemble", "softmax")
    assert card["outputs"] == found[0]["outputs"] == ["mask"], "figures read maps by it"
    assert card["network"]["members"] == ["unet", "dense"]
    assert card["network"]["trained"] == [{"run": each["run"], "seed": each["seed"]} for each in found]
    assert card["network"]["parameters"] == sum(each["network"]["parameters"] for each in found)
    assert card["seconds"]["train"] == pytest.approx(sum(each["seconds"]["train"] for each in found))
    assert card["digests"]["members"] == [each["digests"]["weights"] for each in found]


def write_maps(folder, probability):
    images.write(folder / "s.tif", np.asarray(probability, np.float32))
    return folder


def test_thresholds_are_exceeded_by_cells(tmp_path):
    maps = write_maps(tmp_path / "maps", [[[0.2, 0.5, 0.6]]])
    segment_batch({"kind": "threshold", "threshold": 0.5}, maps, tmp_path / "out")
    found = images.read(tmp_path / "out/s.tif")
    assert found.tolist() == [[0, 0, 1]]
    assert found.dtype == np.uint8


def test_the_most_probable_class(tmp_path):
    maps = write_maps(tmp_path / "maps", [[[0.2, 0.5]], [[0.7, 0.1]], [[0.1, 0.4]]])
    segment_batch({"kind": "argmax", "threshold": 0.5}, maps, tmp_path / "out")
    assert images.read(tmp_path / "out/s.tif").tolist() == [[1, 0]]


@pytest.mark.parametrize(("kind", "count"), [("argmax", 1), ("threshold", 3)])
def test_a_kind_that_does_not_fit_the_maps_is_refused(tmp_path, kind, count):
    maps = write_maps(tmp_path / "maps", np.full((count, 2, 2), 0.5))
    with pytest.raises(ValueError, match=rf"holds {count} map\(s\), segment.kind is {kind}"):
        segment_batch({"kind": kind, "threshold": 0.5}, maps, tmp_path / "out")


def test_one_polynomial_for_runs_that_are_pooled(root, tmp_path):
    """It is that of all their maps together, whichever run it is fitted for."""
    rng = np.random.default_rng(0)
    target = (rng.uniform(size=(40, 50)) < 0.3).astype(np.uint8)
    images.write(tmp_path / "targets/a.tif", target)
    maps = [(target * 0.4 + rng.uniform(size=target.shape) * 0.6).astype(np.float32) ** p for p in (1, 3)]
    folders = [tmp_path / f"{name}/val-0" for name in ("n4", "n65")]
    for folder, values in zip(folders, maps, strict=True):
        images.write(folder / "a.tif", values)
    options = BINS | {"samples": ["a"], "pooled": ["n4", "n65"]}
    fit_calibration(options, folders, [tmp_path / "targets"], tmp_path / "c.json")
    found = calibration.Calibration.from_dict(json.loads((tmp_path / "c.json").read_text()))
    both = calibration.fit(np.stack(maps), np.stack([target == 1] * 2), bins=options["bins"])
    assert found.coefficients == pytest.approx(both.coefficients)
    assert found.pixels == 2 * target.size
    alone = calibration.fit(maps[0], target == 1, bins=options["bins"])
    assert found.coefficients != pytest.approx(alone.coefficients)


@pytest.mark.parametrize(
    ("outputs", "count", "expected"),
    [
        (["mask"], 1, ("cell",)),
        (["mask"], 2, ("membrane", "cell")),
        (["mask", "shape_marker"], 2, ("mask", "shape marker")),
        (["centre_marker"], 1, ("centre marker",)),
        (["mask"], 3, ()),
    ],
)
def test_channels_are_called_by_class_or_output(outputs, count, expected):
    options = {"classes": ["membrane", "cell"], "outputs": outputs}
    assert tuple(channel_names(count, options) or ()) == expected
    assert channel_names(count, {}) is None


def test_names_of_channels_pass_through_calibration_average_and_uncertainty(tmp_path):
    rng = np.random.default_rng(0)
    for run in ("a", "b"):
        two = rng.uniform(size=(2, 20, 20)).astype(np.float32)
        images.write(tmp_path / run / "s.tif", two, channels=["mask", "shape marker"])
    average_batch([tmp_path / "a", tmp_path / "b"], tmp_path / "mean")
    assert images.channel_names(tmp_path / "mean/s.tif") == ("mask", "shape marker")
    write_uncertainty([tmp_path / "a", tmp_path / "b"], tmp_path / "doubt")
    entropies = ("predictive entropy mask", "predictive entropy shape marker")
    assert images.channel_names(tmp_path / "doubt/s.tif")[:2] == entropies
    curve = calibration.Calibration((0.0, 1.0, 0.0, 0.0), pixels=1, residual=0.0).to_dict()
    (tmp_path / "c.json").write_text(json.dumps(curve))
    calibrate_maps({"median_radius": 0}, tmp_path / "c.json", tmp_path / "a", tmp_path / "calibrated")
    assert images.channel_names(tmp_path / "calibrated/s.tif") == ("mask", "shape marker")
    images.write(tmp_path / "plain.tif", np.zeros((4, 4), np.uint8))
    assert images.channel_names(tmp_path / "plain.tif") == ()
