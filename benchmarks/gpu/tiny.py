# SPDX-License-Identifier: MIT
"""A study of a few small images, in memory and as the files that training reads: seconds on any device."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import TypeAdapter
from torch import nn

from microtome import losses
from microtome.config.augment import Augment
from microtome.config.sampling import Input, Sampler, Window
from microtome.config.training import Optimizer, Training
from microtome.io import images
from microtome.io.raster import ArraySource
from microtome.stages.train import TrainingFiles, train_run
from microtome.training.batches import PatchBatches
from microtome.training.labelled import Labelled
from microtome.training.loop import Fit, Trainer, fit
from microtome.training.patches import index_patches
from microtome.training.tasks import SoftmaxTask

SIDE, WINDOW = 64, 32
CLASSES = ("membrane", "cell")
PARTS = {"train": ["a", "b"], "val": ["c"]}
RUNS: dict[str, dict[str, Any]] = {
    "unet": {
        "network": {"name": "unet", "width": 4},
        "loss": {"name": "dicebce"},
        "sampler": {"kind": "patches", "crop": 24, "repeats": 2},
        "augment": {"horizontal_flip": 0.5, "rotation": 20},
    },
    "windows": {
        "network": {"name": "ciresan", "variant": "w65", "maps": 2, "hidden": 4},
        "loss": {"name": "cross_entropy"},
        "sampler": {"kind": "balanced_windows", "per_epoch": 40, "validation": 10},
        "augment": {"horizontal_flip": 0.5, "rotate90": 0.5},
        "window": {"foveate": True, "nonuniform": True},
    },
    "lists": {
        "network": {"name": "dsunet", "width": 4, "head": "deep", "in_channels": 1},
        "loss": {"name": "softmax_focal"},
        "sampler": {"kind": "lists", "lists": {"cells": {"fraction": "cell", "draw": 8}}},
        "supervision": {"levels": "all"},
    },
    "crops": {
        "network": {"name": "unet", "width": 4},
        "loss": {"name": "bce_dice"},
        "sampler": {"kind": "crops", "size": 24, "per_epoch": 12, "rich": 0.5},
        "augment": {"vertical_flip": 0.5, "rotation": 10, "margin": True},
    },
}
"""One run of each sampler, with losses by sigmoid, of windows and of several levels."""
OPTIMIZERS = {
    "unet": {"name": "adam", "lr": 0.01},
    "crops": {"name": "adam", "lr": 0.01},
    "windows": {"name": "adamw", "lr": 0.01},
    "lists": {
        "name": "sgd",
        "lr": 0.01,
    },  # Adam blows up rounding where batch normalisation leaves no gradient
}


def labelled(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image (SIDE, SIDE) uint8 of bright discs on dark ground, and their mask."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    places = rng.uniform(0, SIDE, (9, 2))
    mask = np.any([(rows - y) ** 2 + (columns - x) ** 2 < 64 for y, x in places], axis=0)
    image = np.clip(60 + 120 * mask + rng.normal(0, 12, mask.shape), 0, 255).astype(np.uint8)
    return image, mask.astype(np.uint8)


def write(folder: Path) -> TrainingFiles:
    """The images, targets and windows of all parts as files."""
    frames = []
    for number, name in enumerate(name for names in PARTS.values() for name in names):
        image, mask = labelled(number)
        images.write(folder / f"images/{name}.tif", image, mpp=0.5)
        images.write(folder / f"targets/{name}.tif", mask, mpp=0.5)
        frames.append(index_patches(name, mask, CLASSES, size=WINDOW, stride=WINDOW))
    index = folder / "index.parquet"
    pd.concat(frames).to_parquet(index, index=False)
    return TrainingFiles((index,), (folder / "images",), (folder / "targets",))


def options(run: str, *, epochs: int) -> dict[str, Any]:
    """What `train_run` is told of a run."""
    training = {"epochs": epochs, "batch_size": 4, "optimizer": OPTIMIZERS[run]}
    chosen = RUNS[run]
    plain = {"study": "tiny", "run": run, "split": "main", "seed": 0, "scale": "demo", "stain": None}
    data = {"parts": PARTS, "classes": list(CLASSES), "outputs": ["mask"], "data_source": "phantom"}
    models = {"input": Input, "augment": Augment, "window": Window}
    how = {name: model.model_validate(chosen.get(name, {})) for name, model in models.items()}
    how |= {"sampler": TypeAdapter(Sampler).validate_python(chosen["sampler"])}
    full = {name: section.model_dump(mode="json") for name, section in how.items()}
    activation = {"activation": "softmax" if run == "lists" else "sigmoid"}
    return plain | data | activation | chosen | full | {"training": training}


def train(files: TrainingFiles, run: str, folder: Path, *, device: str, **settings: Any) -> None:
    """Train a run into a folder, going on from a checkpoint that is there."""
    epochs = settings.pop("epochs", 3)
    folder.mkdir(parents=True, exist_ok=True)
    settings |= {"checkpoint": folder / "checkpoint.safetensors", "device": device, "threads": 1}
    train_run(options(run, epochs=epochs), files, folder, **settings)


def fitted(augment: Augment, device: torch.device, *, channels: int) -> Fit:
    """An epoch of a network of two convolutions on augmented windows."""
    data = {}
    for number in range(2):
        image, mask = labelled(number)
        colours = np.stack([image, image // 2, 255 - image])[:channels]
        data[str(number)] = Labelled(ArraySource(colours), ArraySource(mask))
    corners = [(y, x) for y in (0, WINDOW) for x in (0, WINDOW)]
    windows = [(name, y, x, WINDOW) for name in data for y, x in corners]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    optimizer = Optimizer(name="sgd", lr=0.1, momentum=0)
    settings = Training(epochs=1, batch_size=4, optimizer=optimizer, precision="fp32")
    trainer = Trainer(model, losses.build("cross_entropy"), SoftmaxTask(Input(), augment), settings, device)
    return fit(trainer, PatchBatches(data, windows, 4), PatchBatches(data, windows, 4, shuffle=False))
