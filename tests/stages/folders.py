# SPDX-License-Identifier: MIT
"""Batch folders of a tiny study, and the options of its rules as the plan gives them."""

from pathlib import Path

import pandas as pd

from microtome.config.entries import model
from microtome.config.losses import activation_of
from microtome.io import images
from microtome.stages.evaluate import evaluate_run
from microtome.stages.predict import predict_batch
from microtome.stages.segment import segment_batch
from microtome.stages.train import TrainingFiles, train_run
from microtome.training.patches import index_patches
from tests.synthetic_study import membrane_image, membrane_label

CLASSES = ["membrane", "cell"]
PARTS = {"train": ["s0", "s1"], "val": ["s2"], "test": ["s3", "s4"]}
THRESHOLDS = [0.2, 0.4, 0.5, 0.6, 0.8]
SHAPES = {"s3": (40, 56), "s4": (33, 47)}
IDENTITY = {
    "study": "m",
    "run": "r",
    "split": "one",
    "seed": 3,
    "scale": "demo",
    "data_source": "phantom",
    "stain": None,
    "outputs": ["mask"],
}
WINDOWS = {"kind": "balanced_windows", "per_epoch": 30, "validation": 10}
PLAIN = {"foveate": False, "nonuniform": False, "stride": 1}
RUNS = {
    "unet": {
        "network": {"name": "unet", "width": 4},
        "loss": {"name": "dicebce"},
        "sampler": {"kind": "patches", "crop": 32, "repeats": 2, "copies": None, "holdout": 0},
        "training": {"epochs": 2, "batch_size": 3, "optimizer": {"name": "adam", "lr": 0.01}},
        "window": PLAIN,
        "predict": {"window": 32, "overlap": 0.5, "weights": "gaussian"},
    },
    "dense": {
        "network": {"name": "ciresan", "variant": "n4", "maps": 2, "hidden": 4},
        "loss": {"name": "cross_entropy"},
        "sampler": WINDOWS,
        "training": {
            "epochs": 2,
            "batch_size": 10,
            "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
        },
        "window": PLAIN,
        "predict": {"window": 32, "overlap": 0, "weights": "constant"},
    },
    "foveated": {
        "network": {"name": "ciresan", "variant": "w65", "maps": 2, "hidden": 4},
        "loss": {"name": "cross_entropy"},
        "sampler": WINDOWS,
        "training": {"epochs": 1, "batch_size": 10, "optimizer": {"name": "sgd", "lr": 0.05}},
        "window": {"foveate": True, "nonuniform": True, "stride": 9},
        "predict": {},
    },
}
SEGMENT = {"kind": "threshold", "threshold": 0.5}


def options(run, **changes):
    base = IDENTITY | {
        "run": run,
        "classes": CLASSES,
        "parts": {part: PARTS[part] for part in ("train", "val")},
    }
    base |= {"input": {"scale": 255, "mean": 0.5, "std": 0.5, "zoom": 1}, "augment": {"horizontal_flip": 0.5}}
    chosen = base | RUNS[run] | changes
    loss = model("microtome.config.losses", chosen["loss"]["name"])(**chosen["loss"])
    by_classes = chosen["sampler"]["kind"] == "patches" and activation_of(loss) == "softmax"
    return {"activation": "softmax" if by_classes else "sigmoid"} | chosen


def write(root: Path) -> TrainingFiles:
    """Images of different sizes, targets, and the patch index."""
    frames = []
    for number, sample in enumerate(name for names in PARTS.values() for name in names):
        height, width = SHAPES.get(sample, (48, 48))
        label = membrane_label(56, seed=number)[:height, :width]
        images.write(root / f"images/{sample}.tif", membrane_image(label, seed=number), mpp=0.5)
        images.write(root / f"targets/{sample}.tif", label, mpp=0.5)
        frames.append(index_patches(sample, label, CLASSES, size=48, stride=48))
    pd.concat(frames).to_parquet(root / "index.parquet", index=False)
    return TrainingFiles((root / "index.parquet",), (root / "images",), (root / "targets",))


def train(
    root: Path, run: str, folder: Path, *, code="c", files=None, processes=1, images_mb=None, **changes
) -> Path:
    files = files or TrainingFiles((root / "index.parquet",), (root / "images",), (root / "targets",))
    checkpoint = folder / "checkpoint.safetensors"
    settings = {"checkpoint": checkpoint, "device": "cpu", "threads": 1, "code": code}
    train_run(options(run, **changes), files, folder, **settings, processes=processes, images_mb=images_mb)
    return folder


def predict(root: Path, run: str, folder: Path, name="predictions") -> Path:
    predict_batch(
        options(run), folder / "model.safetensors", root / "images", folder / name, device="cpu", threads=1
    )
    return folder / name


def segment(folder: Path) -> Path:
    segment_batch(SEGMENT, folder / "predictions", folder / "segmentations")
    return folder / "segmentations"


def evaluate(root: Path, folder: Path, **changes) -> pd.DataFrame:
    chosen = {key: IDENTITY[key] for key in ("study", "split", "run", "seed")} | {
        "metrics": ["boundaries", "overlap", "losses"],
        "thresholds": THRESHOLDS,
        "losses": {"bce": {"name": "bce"}, "dice": {"name": "dice"}},
        "classes": CLASSES,
        "activation": "sigmoid",
        "samples": {name: part for part in ("val", "test") for name in PARTS[part]},
        "groups": {name: f"group {name}" for name in ("s2", "s3", "s4")},
    }
    files = {"maps": [folder / "predictions"], "segmentations": [folder / "segmentations"]}
    files["targets"] = [root / "targets"]
    evaluate_run(chosen | changes, files, folder / "metrics.tsv")
    return pd.read_csv(folder / "metrics.tsv", sep="\t")
