# SPDX-License-Identifier: MIT
"""Networks with a softmax over classes: from images of bands to label maps."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from microtome import networks
from microtome.io import images
from microtome.io.views import read_map, read_pixels
from microtome.stages.predict import predict_batch
from microtome.stages.segment import segment_batch
from microtome.stages.train import TrainingFiles, train_run
from microtome.training.patches import index_patches
from tests.stages import folders

BANDS = 16
NETWORKS = {
    "hypernet": {"name": "hypernet", "width": 3},
    "vnet": {"name": "vnet", "width": 2, "kernel": 3},
    "cnn2d": {"name": "cnn2d", "width": 4, "kernel": 3},
}
CHOSEN = {
    "loss": {"name": "compound", "positive": 1, "counts": "hard", "momentum": 0.5},
    "sampler": {"kind": "patches", "crop": 16, "repeats": 1, "copies": None},
    "training": {"epochs": 2, "batch_size": 2, "optimizer": {"name": "adam", "lr": 0.02}},
    "window": folders.PLAIN,
    "predict": {"window": 16, "overlap": 0.25, "weights": "trapezoid"},
    "outputs": ["mask"],
    "input": {"scale": 1, "mean": 0, "std": 1, "zoom": 1},
    "stain": None,
}


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """Images of bands in which one class is darker in the upper bands; one label is unknown."""
    root, frames = tmp_path_factory.mktemp("cubes"), []
    for number, sample in enumerate(("s0", "s1", "s2", "s3")):
        height, width = (21, 30) if sample == "s3" else (32, 32)
        generator = np.random.default_rng(number)
        label = np.zeros((height, width), np.uint8)
        label[4:18, 6 + number : 20] = 1
        cube = generator.normal(0.8, 0.05, (BANDS, height, width)).astype(np.float32)
        cube[BANDS // 2 :] -= 0.4 * label
        label[0, :3] = 255
        images.write(root / f"images/{sample}.tif", cube, mpp=0.5)
        images.write(root / f"targets/{sample}.tif", label, mpp=0.5)
        frames.append(index_patches(sample, label, folders.CLASSES, size=32, stride=32))
    pd.concat(frames).to_parquet(root / "index.parquet", index=False)
    return root


@pytest.mark.parametrize("name", list(NETWORKS))
def test_from_bands_to_class_maps(cubes, tmp_path, name):
    chosen = folders.options("unet", network=NETWORKS[name], **CHOSEN)
    files = TrainingFiles((cubes / "index.parquet",), (cubes / "images",), (cubes / "targets",))
    checkpoint, weights = tmp_path / "run/checkpoint.safetensors", tmp_path / "run/model.safetensors"
    train_run(chosen, files, tmp_path / "run", checkpoint=checkpoint, device="cpu", threads=1)
    history = pd.read_csv(tmp_path / "run/history.tsv", sep="\t")
    assert history["alpha"].between(1, 10).all()
    assert np.isfinite(history[["train_loss", "val_loss"]].to_numpy()).all()
    assert json.loads((tmp_path / "run/card.json").read_text())["loss"]["name"] == "compound"

    predict_batch(chosen, weights, cubes / "images", tmp_path / "maps", device="cpu", threads=1)
    found = read_map(tmp_path / "maps/s3.tif")
    assert (found.shape, found.dtype) == ((2, 21, 30), np.float32)
    assert np.allclose(found.sum(0), 1, atol=1e-5)
    whole = chosen | {"predict": {"window": None}}
    predict_batch(whole, weights, cubes / "images", tmp_path / "whole", device="cpu", threads=1)
    model = networks.build(**NETWORKS[name]).eval()
    model.load_state_dict(load_file(weights))
    with torch.no_grad():
        expected = model(torch.from_numpy(read_pixels(cubes / "images/s3.tif"))[None]).softmax(1)[0]
    assert np.allclose(read_map(tmp_path / "whole/s3.tif"), expected, atol=1e-4)

    segment_batch({"kind": "argmax"}, tmp_path / "maps", tmp_path / "labels")
    assert np.array_equal(images.read(tmp_path / "labels/s3.tif"), found.argmax(0))
