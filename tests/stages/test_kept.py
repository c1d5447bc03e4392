# SPDX-License-Identifier: MIT
"""A run that trains all levels of its network, and leaves several epochs to choose from."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from microtome import networks
from microtome.networks.weights import load_weights
from microtome.provenance.cards import read_card
from microtome.provenance.runs import read_history
from microtome.training import loop
from tests.stages import folders

NETWORK = {"name": "dsunet", "head": "linear", "width": 4, "in_channels": 1}
DEEP = NETWORK | {"head": "deep"}
FOCAL = {"name": "softmax_focal", "gamma": 2.0}
TRAINING = {"epochs": 5, "batch_size": 3, "optimizer": {"name": "adam", "lr": 0.02}}
SELECT = {"metric": "iou", "class": "cell"}
LEVELS = {"levels": "all", "weights": [], "targets": "majority"}


def train(root, folder, *, keep=3, **changes):
    settings = {"network": NETWORK, "loss": FOCAL, "training": TRAINING | {"select": SELECT | {"keep": keep}}}
    settings["sampler"] = {"kind": "patches", "crop": None, "repeats": 2, "copies": None, "holdout": 0}
    return folders.train(root, "unet", folder, **settings | changes)


@pytest.fixture(scope="module")
def done(root, tmp_path_factory):
    return train(root, tmp_path_factory.mktemp("kept"))


def test_the_best_epochs_are_left_with_what_is_said_of_them(done):
    history = read_history(done / "history.tsv")
    entries = json.loads((done / "kept/kept.json").read_text())
    best = history.sort_values(["val_iou", "epoch"], ascending=[False, True])["epoch"].tolist()[:3]
    assert [entry["epoch"] for entry in entries] == best
    assert [entry["metric"] for entry in entries] == pytest.approx(
        history.set_index("epoch")["val_iou"][best].tolist()
    )
    losses = history.set_index("epoch")["val_loss"][best].tolist()
    assert [entry["val_loss"] for entry in entries] == pytest.approx(losses)
    assert sorted(path.name for path in done.iterdir()) == ["history.tsv", "kept"]
    files = {f"{epoch:04d}.safetensors" for epoch in best} | {"kept.json", "card.json"}
    assert {path.name for path in (done / "kept").iterdir()} == files


def test_each_says_the_weights_of_its_own_sum(done):
    entries = json.loads((done / "kept/kept.json").read_text())
    sums = [entry["told"]["merge"] for entry in entries]
    for entry, weights in zip(entries, sums, strict=True):
        path = done / f"kept/{entry['epoch']:04d}.safetensors"
        assert load_file(path)["merge"].tolist() == pytest.approx(weights)
        with safe_open(path, framework="pt") as file:
            assert json.loads(file.metadata()["microtome"])["run"] == "unet"
        options = dict(NETWORK)
        load_weights(networks.build(options.pop("name"), **options), path, network="it")
    assert len({tuple(weights) for weights in sums}) == 3
    assert read_card(done / "kept/card.json")["network"]["merge"] == sums[0]


def test_without_keep_the_best_epoch_is_the_model(root, done, tmp_path):
    folder = train(root, tmp_path, keep=None)
    card, history = read_card(folder / "card.json"), read_history(folder / "history.tsv")
    assert card["best_epoch"] == history.loc[history["val_iou"].idxmax(), "epoch"]
    assert card["best_val_iou"] == pytest.approx(history["val_iou"].max())
    model = load_file(folder / "model.safetensors")
    kept = load_file(done / f"kept/{card['best_epoch']:04d}.safetensors")
    assert all(torch.equal(value, model[name]) for name, value in kept.items())
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "history.tsv", "model.safetensors"]


def test_a_stopped_run_leaves_the_same_epochs(monkeypatch, root, done, tmp_path):
    save, left = loop.checkpoints.save, iter(range(2))

    def saved(path, state):
        save(path, state)
        if next(left, None) is None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop.checkpoints, "save", saved)
        train(root, tmp_path)
    shutil.rmtree(tmp_path / "kept", ignore_errors=True)  # as Snakemake does before each attempt
    train(root, tmp_path)
    assert read_card(tmp_path / "kept/card.json")["resumed"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.tsv", "kept"]
    for path in (done / "kept").glob("*.safetensors"):
        found = load_file(tmp_path / "kept" / path.name)
        assert all(torch.equal(value, found[name]) for name, value in load_file(path).items())
    kept = [(folder / "kept/kept.json").read_text() for folder in (done, tmp_path)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("change", ["", "code", "weights", "card"])
def test_what_an_earlier_process_finished_is_not_done_again(root, done, tmp_path, caplog, change):
    shutil.copytree(done, tmp_path / "run")
    if change == "weights":
        next((tmp_path / "run/kept").glob("*.safetensors")).unlink()
    if change == "card":
        (tmp_path / "run/kept/card.json").unlink()
    with caplog.at_level(logging.INFO):
        train(root, tmp_path / "run", **({"code": "other"} if change == "code" else {}))
    assert ("nothing left to do" in caplog.text) == (change == "")
    assert len(list((tmp_path / "run/kept").iterdir())) == 5


def test_all_levels_are_trained_where_that_is_asked_for(root, tmp_path):
    runs = {"final": {}, "all": {"supervision": LEVELS}}
    trained = {
        name: load_file(train(root, tmp_path / name, keep=None, network=DEEP, **more) / "model.safetensors")
        for name, more in runs.items()
    }
    torch.manual_seed(folders.IDENTITY["seed"])
    start = networks.build("dsunet", **{key: value for key, value in DEEP.items() if key != "name"})
    before = start.state_dict()
    moved = {
        name: [
            not torch.equal(state[f"heads.{level}.weight"], before[f"heads.{level}.weight"])
            for level in range(5)
        ]
        for name, state in trained.items()
    }
    assert moved == {"final": [False] * 4 + [True], "all": [True] * 5}
    card = read_card(tmp_path / "all/card.json")
    assert card["training"]["supervision"] == LEVELS
    losses = [read_history(tmp_path / name / "history.tsv")["val_loss"].iloc[0] for name in runs]
    assert losses[1] > 2 * losses[0], "the loss is a sum over five levels"
    assert np.isfinite(losses).all()


def test_a_class_without_a_labelled_pixel_cannot_choose(root, tmp_path):
    select = {"metric": "iou", "class": "pen", "keep": 2}
    with pytest.raises(ValueError, match="no labelled pixel of the validation windows is of 'pen'"):
        train(
            root,
            tmp_path,
            classes=["membrane", "cell", "pen"],
            network=NETWORK | {"classes": 3},
            training=TRAINING | {"select": select},
        )
