# SPDX-License-Identifier: MIT
"""Networks that may be either, with a softmax over three classes: from images to labels, cards and losses."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from microtome import networks
from microtome.inference.ensemble import mean_probability
from microtome.io import images
from microtome.io.views import read_map, read_pixels
from microtome.metrics.families._context import Context
from microtome.metrics.families.losses import measure
from microtome.stages.predict import predict_batch
from microtome.stages.runs import average_batch, write_uncertainty
from microtome.stages.segment import segment_batch
from microtome.stages.train import TrainingFiles, train_run
from microtome.training.checkpoint import write_tensors
from microtome.training.patches import index_patches
from tests.reference import region_losses
from tests.stages import folders

CLASSES = ["ground", "pale", "dark"]
NETWORKS = {
    "unet": {"name": "unet", "width": 4, "in_channels": 3, "out_channels": 3},
    "usenet": {"name": "usenet", "encoder": "resnet18", "width": 4, "in_channels": 3, "out_channels": 3},
}
CHOSEN = {
    "loss": {"name": "ce_dice", "class_weight": "inverse_frequency"},
    "sampler": {"kind": "patches", "crop": None, "repeats": 6, "copies": None},
    "training": {"epochs": 12, "batch_size": 2, "optimizer": {"name": "adam", "lr": 0.02}},
    "predict": {"window": None},
    "classes": CLASSES,
    "input": {"scale": 255, "mean": 0.5, "std": 0.5, "zoom": 1},
    "augment": {},
}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """RGB tiles in which each class has a colour; parts differ in how much there is of each."""
    root, frames = tmp_path_factory.mktemp("tiles"), []
    for number, sample in enumerate(("s0", "s1", "s2", "s3")):
        label = np.zeros((48, 64), np.uint8)
        label[8:24, 8 + number : 40] = 1
        label[30:40, 20 : 50 - 4 * number] = 2
        tones = np.array([[230, 210, 220], [190, 120, 170], [90, 40, 110]], np.float32)[label]
        noise = np.random.default_rng(number).normal(0, 6, tones.shape)
        label[0, :5] = 255
        images.write(
            root / f"images/{sample}.tif", np.clip(tones + noise, 0, 255).astype(np.uint8).transpose(2, 0, 1)
        )
        images.write(root / f"targets/{sample}.tif", label)
        frames.append(index_patches(sample, label, CLASSES, size=64, stride=64))
    pd.concat(frames).to_parquet(root / "index.parquet", index=False)
    return root


@pytest.fixture(scope="module", params=list(NETWORKS))
def trained(request, tiles, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    chosen = folders.options("unet", network=NETWORKS[request.param], **CHOSEN)
    files = TrainingFiles((tiles / "index.parquet",), (tiles / "images",), (tiles / "targets",))
    checkpoint = folder / "checkpoint.safetensors"
    train_run(chosen, files, folder, checkpoint=checkpoint, device="cpu", threads=1)
    predict_batch(
        chosen, folder / "model.safetensors", tiles / "images", folder / "maps", device="cpu", threads=1
    )
    segment_batch({"kind": "argmax"}, folder / "maps", folder / "labels")
    return folder


def test_the_card_says_what_the_maps_are_and_how_classes_were_weighed(tiles, trained):
    card = json.loads((trained / "card.json").read_text())
    assert (card["activation"], card["outputs"]) == ("softmax", [])
    assert card["network"]["options"]["out_channels"] == 3
    labels = np.concatenate(
        [images.read(tiles / f"targets/{name}.tif").ravel() for name in folders.PARTS["train"]]
    )
    counts = np.array([(labels == number).sum() for number in range(3)])
    assert card["loss"]["class_weight"] == pytest.approx((counts.sum() / (3 * counts)).tolist())


def test_classes_are_weighed_by_the_target_that_is_learnt(tiles, tmp_path):
    counts = np.zeros(3)
    for sample in folders.PARTS["train"] + folders.PARTS["val"]:
        label = images.read(tiles / f"targets/{sample}.tif")
        label[8:16] = 0  # takes from class 1 alone
        images.write(tmp_path / f"targets/{sample}.tif", images.read(tiles / f"targets/{sample}.tif"))
        images.write(tmp_path / f"targets/separated_masks/{sample}.tif", label)
        counts += [(label == c).sum() for c in range(3)] if sample in folders.PARTS["train"] else 0
    training = {"epochs": 1, "batch_size": 2, "optimizer": {"name": "adam", "lr": 0.02}}
    chosen = CHOSEN | {"training": training, "outputs": ["separated_mask"]}
    chosen = folders.options("unet", network=NETWORKS["unet"], **chosen)
    files = TrainingFiles((tiles / "index.parquet",), (tiles / "images",), (tmp_path / "targets",))
    train_run(chosen, files, tmp_path, checkpoint=tmp_path / "checkpoint", device="cpu", threads=1)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["loss"]["class_weight"] == pytest.approx((counts.sum() / (3 * counts)).tolist())


def test_maps_are_the_softmax_and_labels_the_largest(tiles, trained):
    found = read_map(trained / "maps/s3.tif")
    model = networks.build(**NETWORKS["usenet" if "usenet" in trained.name else "unet"]).eval()
    model.load_state_dict(load_file(trained / "model.safetensors"))
    pixels = (torch.from_numpy(read_pixels(tiles / "images/s3.tif").astype(np.float32)) / 255 - 0.5) / 0.5
    with torch.no_grad():
        expected = model(pixels[None]).softmax(1)[0].numpy()
    assert np.allclose(found, expected, atol=1e-4)
    labels = images.read(trained / "labels/s3.tif")
    assert np.array_equal(labels, found.argmax(0))
    truth = images.read(tiles / "targets/s3.tif")
    both = [((labels == c) & (truth == c)).sum() / ((labels == c) | (truth == c)).sum() for c in range(3)]
    assert min(both) > 0.8, both  # all three are learnt


def test_ensembles_average_classes_and_say_where_they_doubt(trained, tmp_path):
    members = [trained / "maps", trained / "maps"]
    average_batch(members, tmp_path / "mean")
    maps = [read_map(trained / "maps/s3.tif")] * 2
    assert np.array_equal(read_map(tmp_path / "mean/s3.tif"), mean_probability(maps))
    write_uncertainty(members, tmp_path / "doubt", activation="softmax")
    assert read_map(tmp_path / "doubt/s3.tif").shape == (2, 48, 64)


@pytest.mark.parametrize("window", [folders.PLAIN, {"foveate": True, "nonuniform": True, "stride": 7}])
def test_windows_of_three_classes_give_three_maps(tmp_path, window):
    network = {"name": "ciresan", "variant": "w65", "maps": 2, "hidden": 4, "classes": 3}
    torch.manual_seed(0)
    write_tensors(tmp_path / "model.safetensors", networks.build(**network).state_dict(), "{}")
    pixels = np.random.default_rng(0).integers(0, 255, (20, 24)).astype(np.uint8)
    images.write(tmp_path / "images/a.tif", pixels)
    for name in ("softmax", "sigmoid"):
        chosen = folders.options("unet", **CHOSEN, network=network, window=window) | {"activation": name}
        weights = tmp_path / "model.safetensors"
        predict_batch(chosen, weights, tmp_path / "images", tmp_path / name, device="cpu", threads=1)
    every, last = (read_map(tmp_path / name / "a.tif") for name in ("softmax", "sigmoid"))
    assert every.shape == (3, 20, 24)
    assert np.allclose(every.sum(0), 1, atol=1e-5)
    assert np.array_equal(every[-1:], last)


@pytest.mark.parametrize("classes", [2, 3])
def test_losses_of_class_maps_are_measured(classes):
    generator = np.random.default_rng(0)
    maps = generator.dirichlet(np.ones(classes), (4, 5)).transpose(2, 0, 1).astype(np.float32)
    truth = generator.integers(0, classes, (4, 5)).astype(np.uint8)
    truth[0, 0] = 255
    chosen = {"ce": {"name": "cross_entropy"}} | ({"bce": {"name": "bce"}} if classes == 2 else {})
    context = Context(truth, maps, truth, CLASSES[:classes], losses=chosen, activation="softmax")
    found = {one.metric: one.value for one in measure(context)}
    want = region_losses.cross_entropy(np.log(maps)[None], truth[None], (truth != 255)[None])
    assert found == pytest.approx(dict.fromkeys((f"loss_{name}" for name in chosen), want), rel=1e-5)
    alone = Context(truth, maps[-1:], truth, CLASSES[:classes], losses=chosen)
    if classes == 2:
        assert {one.metric: one.value for one in measure(alone)} == pytest.approx(found, rel=1e-5)
