# SPDX-License-Identifier: MIT
"""A run that learns from a share of the labels: what training and validation see, and what the card says."""

import json

import numpy as np
import pandas as pd
import pytest

from microtome import networks
from microtome.io import images
from microtome.stages.train import TrainingFiles, train_run
from microtome.stages.training_data import batches, counted_loss, read_images
from microtome.training.patches import index_patches
from tests.stages import folders

CLASSES = ["ground", "pale", "dark"]
CHOSEN = {
    "loss": {"name": "mdsc_tv"},
    "sampler": {"kind": "patches", "crop": 16, "repeats": 1, "copies": None},
    "training": {"epochs": 1, "batch_size": 4, "optimizer": {"name": "adam", "lr": 0.02}},
    "classes": CLASSES,
    "input": {"scale": 255, "mean": 0.5, "std": 0.5, "zoom": 1},
    "augment": {"rotation": 180, "margin": True, "target_fill": "ignore"},
    "network": {"name": "unet", "width": 2, "in_channels": 1, "out_channels": 3},
}
LEARN = {"share": 0.3, "of": "labelled", "block": 8, "fill": None, "seed": 0}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three classes in squares, two thirds of the pixels labelled."""
    root, frames = tmp_path_factory.mktemp("partial"), []
    for number, sample in enumerate(("s0", "s1", "s2", "s3")):
        generator = np.random.default_rng(number)
        label = np.kron(generator.integers(0, 3, (8, 8)), np.ones((8, 8))).astype(np.uint8)
        image = (60 + 60 * label + generator.integers(0, 20, label.shape)).astype(np.uint8)
        label[np.kron(generator.random((8, 8)) < 1 / 3, np.ones((8, 8), bool))] = 255
        images.write(root / f"images/{sample}.tif", image)
        images.write(root / f"targets/{sample}.tif", label)
        frames.append(index_patches(sample, label, CLASSES, size=32, stride=32))
    pd.concat(frames).to_parquet(root / "index.parquet", index=False)
    return TrainingFiles((root / "index.parquet",), (root / "images",), (root / "targets",))


def options(**changes):
    return folders.options("unet", **CHOSEN | changes)


def pixels(labelled):
    return labelled.label.read(0, 0, *labelled.label.shape[1:])[0]


def test_training_images_alone_lose_labels(files):
    whole, part = (read_images(options(**one), files, None, 1) for one in ({}, {"learn": LEARN}))
    for name in folders.PARTS["train"]:
        before, after = pixels(whole[name]), pixels(part[name])
        assert (after != 255).sum() == pytest.approx(0.3 * (before != 255).sum(), abs=64)
        assert (before[after != 255] == after[after != 255]).all()
    for name in folders.PARTS["val"]:
        assert np.array_equal(pixels(whole[name]), pixels(part[name]))


def test_windows_are_read_with_their_surroundings_and_validation_without(files):
    chosen = options(learn=LEARN)
    every, model = read_images(chosen, files, None, 1), networks.build(**chosen["network"])
    train, val = (batches(chosen, files, every, part, model) for part in ("train", "val"))
    first, other = next(train.epoch(0)), next(val.epoch(0))
    assert first.margin == 4
    assert first.images.shape[-1] == 16 + 2 * 4
    assert (other.margin, other.images.shape[-1]) == (0, 32)
    names = folders.PARTS["train"]
    seen = dict.fromkeys(names, 0)
    for batch in train.epoch(1):
        for name, label in zip(batch.samples, batch.labels, strict=True):
            seen[name] += int((label != 255).sum())
    assert all(seen.values())


def test_validation_may_take_squares_as_large_as_those_that_are_learnt(files):
    chosen = options(learn=LEARN)
    every, model = read_images(chosen, files, None, 1), networks.build(**chosen["network"])
    whole = next(batches(chosen, files, every, "val", model).epoch(0))
    chosen["sampler"] = chosen["sampler"] | {"validate_crops": True}
    middle = next(batches(chosen, files, every, "val", model).epoch(0))
    assert np.array_equal(middle.images, whole.images[..., 8:24, 8:24])
    assert np.array_equal(middle.labels, whole.labels[..., 8:24, 8:24])


def test_class_weights_are_of_the_labels_that_are_learnt(files):
    chosen = options(learn=LEARN, loss={"name": "cross_entropy", "class_weight": "inverse_frequency"})
    every = read_images(chosen, files, None, 1)
    found = counted_loss(chosen, files, every)["class_weight"]
    learnt = np.concatenate([pixels(every[name]).ravel() for name in folders.PARTS["train"]])
    counts = np.array([(learnt == number).sum() for number in range(3)])
    assert found == pytest.approx((counts.sum() / (3 * counts)).tolist())


def test_the_card_says_what_was_learnt(files, tmp_path):
    for name, learn in (("part", LEARN), ("filled", LEARN | {"fill": "ground"}), ("whole", None)):
        chosen = options(**({"learn": learn} if learn else {}))
        folder = tmp_path / name
        folder.mkdir()
        train_run(chosen, files, folder, checkpoint=folder / "c", device="cpu", threads=1)
        card = json.loads((folder / "card.json").read_text())
        assert card["training"].get("learn") == learn
        if learn is None:
            assert "labels" not in card
            continue
        assert card["labels"]["pixels"] == 64 * 64 * len(folders.PARTS["train"])
        assert card["labels"]["learnt"] == pytest.approx(0.3 * card["labels"]["labelled"], rel=0.1)
    losses = [
        pd.read_csv(tmp_path / name / "history.tsv", sep="\t")["train_loss"][0] for name in ("part", "filled")
    ]
    assert losses[0] != losses[1]
