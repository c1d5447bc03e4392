# SPDX-License-Identifier: MIT
"""Training a run from files: what it writes, and when a checkpoint counts."""

import hashlib
import json
import logging
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from microtome import networks
from microtome.io import images, views
from microtome.provenance.cards import read_card
from microtome.provenance.runs import read_history
from microtome.stages.train import TrainingFiles, train_run
from microtome.training import loop
from tests.stages import folders

CARD = {"study", "run", "split", "seed", "scale", "data_source", "network", "loss", "training", "epochs_run"}
CARD |= {
    "activation",
    "best_epoch",
    "best_val_loss",
    "seconds",
    "device",
    "threads",
    "precision",
    "deterministic",
    "started",
    "finished",
}
CARD |= {"digests", "git_commit", "versions", "resumed", "samples", "stain", "outputs"}
CARD |= {"classes", "channels", "mpp", "modality", "value_range", "dtype", "data_kind"}


@pytest.mark.parametrize("run", list(folders.RUNS))
def test_a_run_leaves_weights_history_and_card(runs, run):
    folder = runs[run]
    card, history = read_card(folder / "card.json"), read_history(folder / "history.tsv")
    assert set(card) == CARD
    assert {path.name for path in folder.iterdir()} >= {"model.safetensors", "history.tsv", "card.json"}
    assert not list(folder.glob("*checkpoint*"))
    columns = ["epoch", "train_loss", "val_loss", "learning_rate", "train_seconds", "val_seconds", "seconds"]
    assert list(history.columns) == columns
    epochs = folders.RUNS[run]["training"]["epochs"]
    assert history["epoch"].tolist() == list(range(1, epochs + 1))
    assert card["epochs_run"] == epochs
    best = history.loc[history["val_loss"].idxmin()]
    assert (card["best_epoch"], card["best_val_loss"]) == (best["epoch"], pytest.approx(best["val_loss"]))
    assert sum(card["seconds"].values()) == pytest.approx(history["seconds"].sum())
    assert (card["device"], card["precision"], card["threads"], card["resumed"]) == ("cpu", "fp32", 1, 0)
    assert card["started"] <= card["finished"]
    assert card["samples"] == {"train": 2, "val": 1}


def test_the_card_names_the_network_and_its_weights(runs):
    weights = runs["unet"] / "model.safetensors"
    card = json.loads((runs["unet"] / "card.json").read_text())
    assert card["network"]["options"] == {"width": 4}
    assert card["network"]["parameters"] == networks.parameter_count(networks.build("unet", width=4))
    assert card["digests"]["weights"] == hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
    assert card["digests"]["code"] == "c"
    with safe_open(weights, framework="pt") as file:
        said = json.loads(file.metadata()["microtome"])
    assert said["digests"] == {key: card["digests"][key] for key in ("config", "data", "code")}
    assert said["network"] == card["network"]
    networks.build("unet", width=4).load_state_dict(load_file(weights))


def test_the_card_says_how_weights_were_averaged(root, runs, tmp_path):
    training = folders.RUNS["unet"]["training"] | {"select": "ema", "ema": 0.8}
    folder = folders.train(root, "unet", tmp_path, training=training)
    card, plain = (read_card(one / "card.json") for one in (folder, runs["unet"]))
    batches = -(-2 * card["samples"]["train"] // training["batch_size"])  # each window twice
    steps = card["epochs_run"] * batches
    assert card["averaged"] == {"decay": 0.8, "steps": steps, "batch_norm_statistics": "averaged"}
    assert card["deterministic"]
    assert "averaged" not in plain
    found, trained = (load_file(one / "model.safetensors") for one in (folder, runs["unet"]))
    assert any(not torch.equal(found[name], value) for name, value in trained.items())


@pytest.mark.parametrize("sample", ["s1", "s2"])
@pytest.mark.parametrize("shape", [(48, 47), (40, 48), (56, 56)])
def test_an_image_of_another_size_than_its_target_is_refused(tmp_path, sample, shape):
    """In training and in validation, before the first window is drawn."""
    files = folders.write(tmp_path)
    images.write(tmp_path / f"images/{sample}.tif", np.zeros(shape, np.uint8))
    size = f"{shape[0]} x {shape[1]} pixels"
    match = rf"sample {sample}: found an image of {size} \(.*{sample}.tif\) and a target of 48 x 48 pixels"
    with pytest.raises(ValueError, match=match):
        folders.train(tmp_path, "unet", tmp_path / "run", files=files)
    assert not list(tmp_path.glob("run/*.safetensors"))


@pytest.mark.parametrize("run", ["unet", "dense"])
def test_images_read_by_window_give_the_same_network(tmp_path, root, runs, run, caplog):
    """Whatever the memory: every image, some, or none is held."""
    size = 2 * 48 * 48  # an image and its target
    caplog.set_level(logging.INFO)
    for number, (images_mb, by_window) in enumerate(((0.0, 6), (size * 1.5 / 2**20, 3), (None, 0))):
        caplog.clear()
        folder = folders.train(root, run, tmp_path / str(number), images_mb=images_mb)
        found, expected = (load_file(one / "model.safetensors") for one in (folder, runs[run]))
        assert all(torch.equal(found[name], expected[name]) for name in expected)
        assert (f"{by_window} images and targets are read by window" in caplog.text) == (by_window > 0)


def test_half_of_the_memory_of_the_machine_is_never_exceeded(tmp_path, root, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("microtome.stages.training_data.machine_memory", lambda: 4 * 48 * 48)
    folders.train(root, "unet", tmp_path)
    assert "4 images and targets are read by window" in caplog.text


def stop_after(monkeypatch, epochs):
    """Let training fail once that many checkpoints are written."""
    save, left = loop.checkpoints.save, iter(range(epochs - 1))

    def saved(path, state):
        save(path, state)
        if next(left, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.checkpoints, "save", saved)


def stopped(monkeypatch, root, folder, **changes):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 1)
        folders.train(root, "unet", folder, **changes)
    assert (folder / "checkpoint.safetensors").is_file()


def test_a_stopped_run_ends_as_if_it_had_not_been(monkeypatch, root, runs, tmp_path):
    stopped(monkeypatch, root, tmp_path)
    folders.train(root, "unet", tmp_path)
    card, whole = (json.loads((folder / "card.json").read_text()) for folder in (tmp_path, runs["unet"]))
    assert (card["resumed"], card["digests"]) == (1, whole["digests"])
    losses = [
        pd.read_csv(f / "history.tsv", sep="\t")[["train_loss", "val_loss"]] for f in (tmp_path, runs["unet"])
    ]
    assert losses[0].equals(losses[1])
    assert not list(tmp_path.glob("*checkpoint*"))


@pytest.mark.parametrize("change", ["target", "windows", "code", "options"])
def test_a_checkpoint_of_something_else_does_not_count(monkeypatch, root, tmp_path, caplog, change):
    shutil.copytree(root, tmp_path / "study")
    stopped(monkeypatch, tmp_path / "study", tmp_path / "run")
    changes = {}
    if change == "target":
        images.write(tmp_path / "study/targets/s0.tif", np.eye(48, dtype=np.uint8))
    if change == "windows":
        index = pd.read_parquet(root / "index.parquet").assign(y=1)
        index.to_parquet(tmp_path / "study/index.parquet", index=False)
    if change == "code":
        changes = {"code": "other"}
    if change == "options":
        changes = {"loss": {"name": "bce"}}
    with caplog.at_level(logging.WARNING):
        folders.train(tmp_path / "study", "unet", tmp_path / "run", **changes)
    assert json.loads((tmp_path / "run/card.json").read_text())["resumed"] == 0
    assert "is of other settings, data or code" in caplog.text


@pytest.mark.parametrize("change", ["", "code", "weights", "history", "card"])
def test_what_an_earlier_process_finished_is_not_done_again(root, runs, tmp_path, caplog, change):
    shutil.copytree(runs["unet"], tmp_path / "run")
    (tmp_path / "run/checkpoint.safetensors").write_bytes(b"left by the process that finished")
    if change in ("weights", "history", "card"):
        names = {"weights": "model.safetensors", "history": "history.tsv", "card": "card.json"}
        (tmp_path / "run" / names[change]).unlink()
    before = (runs["unet"] / "card.json").read_bytes()
    with caplog.at_level(logging.INFO):
        folders.train(root, "unet", tmp_path / "run", **({"code": "other"} if change == "code" else {}))
    assert ("nothing left to do" in caplog.text) == (change == "")
    assert ((tmp_path / "run/card.json").read_bytes() == before) == (change == "")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        path.name for path in runs["unet"].iterdir()
    }


def test_images_are_digested_once_a_job(monkeypatch, root, runs, tmp_path):
    """Also where a finished run of other code lies there; the decoder reads them in its own way."""
    shutil.copytree(runs["unet"], tmp_path / "run")
    read, content = [], views.content
    monkeypatch.setattr(views, "content", lambda path: read.append(path.name) or content(path))
    folders.train(root, "unet", tmp_path / "run", code="other")
    assert read.count("s0.tif") == 2  # image and target


def test_two_processes_leave_the_same_files_as_one(root, runs, tmp_path):
    sgd = folders.RUNS["unet"]["training"] | {"optimizer": {"name": "sgd", "lr": 0.05}}
    for folder, processes in ((tmp_path / "one", 1), (tmp_path / "two", 2)):
        folders.train(root, "unet", folder, processes=processes, training=sgd)
    histories = [read_history(tmp_path / name / "history.tsv") for name in ("one", "two")]
    for column in ("train_loss", "val_loss"):
        assert histories[1][column].tolist() == pytest.approx(histories[0][column].tolist(), abs=1e-5)
    one, two = (read_card(tmp_path / name / "card.json") for name in ("one", "two"))
    assert set(two) == CARD | {"processes"}
    assert (two["processes"], two["device"], two["threads"], two["resumed"]) == (2, "cpu", 2, 0)
    alike = {"config", "data", "code"}
    assert {key: two["digests"][key] for key in alike} == {key: one["digests"][key] for key in alike}
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == [
        "card.json",
        "history.tsv",
        "model.safetensors",
    ]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert list(one) == list(two)
    assert all(torch.allclose(value, two[name], atol=1e-5) for name, value in one.items())


def test_more_processes_than_windows_or_devices_are_refused(root, tmp_path):
    with pytest.raises(ValueError, match=r"training\.batch_size is 3, expected at least 4 windows"):
        folders.train(root, "unet", tmp_path, processes=4)
    files = TrainingFiles((root / "index.parquet",), (root / "images",), (root / "targets",))
    many = torch.cuda.device_count() + 2
    training = folders.RUNS["unet"]["training"] | {"batch_size": many}
    settings = {"checkpoint": tmp_path / "c", "device": "auto", "threads": 1, "processes": many}
    with pytest.raises(ValueError, match=f"a training job of {many} GPUs sees . of them here"):
        train_run(folders.options("unet", training=training), files, tmp_path, **settings)


def test_the_state_of_pytorch_is_left_alone(root, tmp_path):
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    folders.train(root, "foveated", tmp_path)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_what_is_missing_is_named(root, tmp_path):
    index = (root / "index.parquet",)
    with pytest.raises(FileNotFoundError, match=r"no file of sample 's0' in .*nowhere"):
        folders.train(
            root, "unet", tmp_path, files=TrainingFiles(index, (root / "images",), (tmp_path / "nowhere",))
        )
    empty = tmp_path / "empty.parquet"
    pd.read_parquet(root / "index.parquet").query("sample == 's2'").to_parquet(empty)
    with pytest.raises(ValueError, match="no window of the train samples s0, s1; have they labels"):
        folders.train(
            root, "unet", tmp_path, files=TrainingFiles((empty,), (root / "images",), (root / "targets",))
        )


def test_every_image_can_be_learnt_from_with_none_to_validate(root, tmp_path):
    """Crops of all of them; the last epoch is the model, and the card says that nothing was validated."""
    names = [name for part in ("train", "val") for name in folders.PARTS[part]]
    chosen = {
        "parts": {"train": names, "val": []},
        "sampler": {"kind": "crops", "size": 32, "per_epoch": 5, "rich": 0.5},
        "training": folders.RUNS["unet"]["training"] | {"select": "last", "schedule": {"name": "one_cycle"}},
    }
    first, second = (folders.train(root, "unet", tmp_path / name, **chosen) for name in ("a", "b"))
    card, history = read_card(first / "card.json"), read_history(first / "history.tsv")
    assert (card["samples"], card["best_epoch"]) == ({"train": 3, "val": 0}, 2)
    assert card["best_val_loss"] is None
    assert history["val_loss"].isna().all()
    assert history["train_loss"].notna().all()
    assert card["training"]["sampler"]["kind"] == "crops"
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
