# SPDX-License-Identifier: MIT
"""Training with lists of windows: resumed, in several processes, with images on disk, with class weights."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from microtome.class_maps import inverse_frequency
from microtome.io import images
from microtome.provenance.runs import read_history
from microtome.stages import training_data
from microtome.stages.train import TrainingFiles
from microtome.training import loop
from microtome.training.patches import index_patches
from tests.stages import folders

LISTS = {
    "kind": "lists",
    "lists": {
        "few": {"fraction": "membrane", "below": 0.3},
        "many": {"fraction": "membrane", "at_least": 0.3, "draw": 9},
        "cells": {"fraction": "cell", "at_least": 0.5, "draw": 4},
    },
    "crop": 16,
}
SGD = folders.RUNS["unet"]["training"] | {"optimizer": {"name": "sgd", "lr": 0.05}}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The images of a study in windows of 24 pixels; the slides' frame is not needed for lists."""
    folder = tmp_path_factory.mktemp("study")
    folders.write(folder)
    samples = [name for names in folders.PARTS.values() for name in names]
    maps = {name: images.read(folder / f"targets/{name}.tif") for name in samples}
    frames = [index_patches(name, one, folders.CLASSES, size=24, stride=24) for name, one in maps.items()]
    pd.concat(frames).to_parquet(folder / "index.parquet", index=False)
    return folder


def trained(root, folder, **options):
    folders.train(root, "unet", folder, **({"sampler": LISTS, "training": SGD} | options))
    return load_file(folder / "model.safetensors"), read_history(folder / "history.tsv")


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    return trained(root, tmp_path_factory.mktemp("whole"))


def same(found, wanted):
    return all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_run_that_was_stopped_ends_with_the_same_bits(root, whole, tmp_path, monkeypatch):
    save = loop.checkpoints.save

    def killed(path, state):
        save(path, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop.checkpoints, "save", killed)
        trained(root, tmp_path)
    weights, history = trained(root, tmp_path)
    assert json.loads((tmp_path / "card.json").read_text())["resumed"] == 1
    assert same(weights, whole[0])
    assert history["train_loss"].equals(whole[1]["train_loss"])


def test_images_read_by_window_give_the_same_bits(root, whole, tmp_path):
    assert same(trained(root, tmp_path, images_mb=0.0)[0], whole[0])


def test_two_processes_share_each_batch(root, whole, tmp_path):
    _, history = trained(root, tmp_path, processes=2)
    for column in ("train_loss", "val_loss"):
        assert history[column].tolist() == pytest.approx(whole[1][column].tolist(), abs=1e-5)


def test_validation_is_neither_drawn_nor_cropped(root, whole, tmp_path, monkeypatch):
    """Every window of val once, whole, in the order of the index, in every epoch."""
    seen = []
    validate = loop.validate

    def watched(trainer, batches, *more):
        found = list(batches.epoch(0))
        seen.append([len(found), {tuple(one.images.shape[-2:]) for one in found}])
        assert all(torch.equal(a.images, b.images) for a, b in zip(found, batches.epoch(1), strict=True))
        return validate(trainer, batches, *more)

    monkeypatch.setattr(loop, "validate", watched)
    trained(root, tmp_path)
    windows = (pd.read_parquet(root / "index.parquet")["sample"] == "s2").sum()
    assert seen == [[-(-windows // SGD["batch_size"]), {(24, 24)}]] * SGD["epochs"]


def test_class_weights_are_those_of_what_an_epoch_draws(root, tmp_path):
    loss = {"name": "ce_dice", "class_weight": "inverse_frequency"}
    network = {"name": "cnn2d", "in_channels": 1, "classes": 2, "width": 4, "kernel": 3}
    trained(root, tmp_path, loss=loss, network=network)
    found = json.loads((tmp_path / "card.json").read_text())["loss"]["class_weight"]
    index = pd.read_parquet(root / "index.parquet").query("sample in ['s0', 's1']")
    pixels = np.zeros(2)
    for fraction, least, limit, draw in (
        ("membrane", 0, 0.3, None),
        ("membrane", 0.3, 2, 9),
        ("cell", 0.5, 2, 4),
    ):
        share = index[f"fraction_{fraction}"]
        members = index[(share >= least) & (share < limit)]
        times = 1 if draw is None else draw / len(members)
        pixels += times * members[["fraction_membrane", "fraction_cell"]].sum().to_numpy()
    assert found == pytest.approx(inverse_frequency(pixels).tolist())


def test_shares_are_part_of_what_a_checkpoint_is_of(root, tmp_path):
    """Regions move no window and no target, but change the lists."""
    options = folders.options("unet", sampler=LISTS)
    files = [
        TrainingFiles((tmp_path / f"{n}.parquet",), (root / "images",), (root / "targets",)) for n in "ab"
    ]
    index = pd.read_parquet(root / "index.parquet")
    index.to_parquet(tmp_path / "a.parquet")
    index.assign(fraction_membrane=index["fraction_membrane"] / 2).to_parquet(tmp_path / "b.parquet")
    digests = [training_data.data_digest(options, one) for one in files]
    assert digests[0] != digests[1]
    plain = folders.options("unet")
    assert training_data.data_digest(plain, files[0]) == training_data.data_digest(plain, files[1])


def test_an_empty_list_stops_before_the_first_epoch(root, tmp_path, caplog):
    none = {"kind": "lists", "lists": {"all": {"fraction": "cell", "at_least": 0.9999, "draw": 5}}}
    caplog.set_level(logging.INFO)
    with pytest.raises(ValueError, match=r"sampler\.lists\.all: none of \d+ windows has a share of cell"):
        trained(root, tmp_path, sampler=none)
    assert not list(tmp_path.glob("*"))
