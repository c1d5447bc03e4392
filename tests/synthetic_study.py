# SPDX-License-Identifier: MIT
"""Writes the run folders of a small made-up study: known losses, known metrics, known maps."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from microtome.inference.ensemble import entropy
from microtome.io import images
from microtome.metrics.families import calibration
from microtome.metrics.families._context import Context
from microtome.provenance.runs import RunRecord, load_runs

LOSSES = ("bce", "dice", "dicebce", "focal", "iou", "tversky")
THRESHOLDS = tuple(round(0.1 * step, 1) for step in range(11))
EPOCHS = 12


def card(run, *, data_source="phantom", scale="demo", seed=0, network=None, loss="bce", **more):
    return {
        "study": "membranes",
        "run": run,
        "split": "published",
        "seed": seed,
        "scale": scale,
        "data_source": data_source,
        "network": network or {"name": "unet", "options": {"width": 4}, "parameters": 91_000},
        "loss": {"name": loss},
        "epochs_run": EPOCHS,
        "best_epoch": 9,
        "seconds": {"train": 90.0, "validate": 10.0},
        "device": "cpu",
        "threads": 2,
        **more,
    }


def history(level=0.2, start=1.0):
    epochs = np.arange(1, EPOCHS + 1)
    train = level + start * np.exp(-epochs / 3)
    val = level * 1.2 + start * np.exp(-epochs / 3) + 0.01 * np.abs(epochs - 9)
    return pd.DataFrame(
        {"epoch": epochs, "train_loss": train, "val_loss": val, "learning_rate": 1e-3, "seconds": 1.5}
    )


def metrics(run, values, *, seed=0, split="published", part="test"):
    """Tidy metrics from {(sample, class, metric): value}."""
    rows = [
        {
            "study": "membranes",
            "split": split,
            "run": run,
            "seed": seed,
            "part": part,
            "sample": s,
            "class": c,
            "metric": m,
            "value": v,
        }
        for (s, c, m), v in values.items()
    ]
    return pd.DataFrame(rows)


def write_run(folder, run_card, run_metrics, run_history=None):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(json.dumps(run_card))
    run_metrics.to_csv(folder / "metrics.tsv", sep="\t", index=False)
    if run_history is not None:
        run_history.to_csv(folder / "history.tsv", sep="\t", index=False)
    return folder


def membrane_label(size=48, seed=0):
    """Cells (1) separated by membranes (0): a Voronoi diagram with thick borders."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, size, (max(size * size // 150, 4), 2))
    grid = np.stack(np.mgrid[:size, :size], -1).reshape(-1, 1, 2)
    distances = np.sort(np.linalg.norm(grid - points, axis=2), axis=1)
    return (distances[:, 1] - distances[:, 0] > 1.5).reshape(size, size).astype(np.uint8)


def membrane_image(label, seed=0):
    rng = np.random.default_rng(seed)
    grey = 60 + 120 * gaussian_filter(label.astype(float), 0.8) + rng.normal(0, 12, label.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


def fake_probability(label, quality, seed):
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(0, 1, label.shape), 1.5)
    noise /= noise.std()
    smooth = gaussian_filter(label.astype(float), 1.0)
    return (1 / (1 + np.exp(-(quality * (smooth - 0.5) * 1.6 + noise)))).astype(np.float32)


def run_values(run, samples, rng, level):
    values = {}
    for index, sample in enumerate(samples):
        values |= {
            (sample, "all", f"loss_{loss}"): 0.1 * (k + 1) + 0.01 * index + 0.02 * level
            for k, loss in enumerate(LOSSES)
        }
        for threshold in THRESHOLDS:
            peak = np.exp(-((threshold - 0.5 - 0.05 * level) ** 2) / 0.18)
            values[(sample, "all", f"v_rand@{threshold:g}")] = 0.95 * peak - 0.02 * index - 0.015 * level
            values[(sample, "all", f"v_info@{threshold:g}")] = 0.97 * peak**0.5 - 0.01 * index - 0.01 * level
        values[(sample, "all", "v_rand")] = (
            0.95 - 0.02 * index - 0.015 * level + 0.004 * rng.standard_normal()
        )
        values[(sample, "all", "v_info")] = 0.97 - 0.01 * index - 0.01 * level
        values[(sample, "all", "pixel_error")] = 0.06 + 0.01 * index + 0.004 * level
        for name, dice in (("membrane", 0.8), ("cell", 0.94)):
            values[(sample, name, "dice")] = dice - 0.01 * index - 0.01 * level
            for other in ("membrane", "cell"):
                values[(sample, name, f"pixels@{other}")] = 900 + level if name == other else 100 + index
            values[(sample, name, "iou")] = (dice - 0.01 * index) / (2 - dice) - 0.01 * level
    return values


def surety(sample, probability, truth):
    """What the family `calibration` says of the one map of an image."""
    seen = Context(truth, probability[None], truth, ("membrane", "cell"))
    return {(sample, one.class_name, one.metric): one.value for one in calibration.measure(seen)}


def write_study(
    folder, *, pictures=None, size=48, data_source="phantom"
) -> tuple[list[RunRecord], list[Path], list[Path]]:
    """Write six U-Net runs, a calibrated N4 and an ensemble, with maps of three test samples."""
    folder, rng = Path(folder), np.random.default_rng(0)
    if pictures is None:
        cells = {f"{k:02d}": membrane_label(size, seed=k) for k in range(3)}
        pictures = {name: (membrane_image(label), label) for name, label in cells.items()}
    for name, (image, label) in pictures.items():
        images.write(folder / f"images/0/{name}.tif", image)
        images.write(folder / f"targets/0/{name}.tif", label)
    names = {
        loss: f"U-Net, {text}"
        for loss, text in zip(LOSSES, ("BCE", "Dice", "Dice + BCE", "focal", "IoU", "Tversky"), strict=True)
    }
    labels, runs = {**names, "n4": "Ciresan N4", "mcdnn": "Ensemble of window networks"}, []
    for level, run in enumerate(labels):
        path = folder / "runs/published" / run / "seed-0"
        network = None
        if run == "n4":
            network = {"name": "ciresan", "options": {"variant": "n4"}, "parameters": 219_290}
        if run == "mcdnn":
            network = {"name": "ensemble", "members": ["n4"]}
        loss = run if run in LOSSES else "cross_entropy"
        seconds = {"train": 80.0 + 3 * level, "validate": 9.0}
        own = card(run, network=network, loss=loss, data_source=data_source, seconds=seconds)
        curve = None if run == "mcdnn" else history(0.1 + 0.03 * level)
        values = run_values(run, pictures, rng, level)
        for index, (name, (_, label_map)) in enumerate(pictures.items()):
            raw = fake_probability(label_map, 3.5 - 0.25 * level - 0.4 * index, seed=7 * level + index)
            if run == "mcdnn":
                doubt = np.stack([entropy(raw[None], activation="sigmoid")[0], 0.1 * raw * (1 - raw)])
                images.write(path / f"uncertainty/0/{name}.tif", doubt.astype(np.float32))
            if run == "n4":
                images.write(path / f"raw_predictions/0/{name}.tif", raw**2)
            images.write(path / f"predictions/0/{name}.tif", raw)
            images.write(path / f"segmentations/0/{name}.tif", (raw > 0.5).astype(np.uint8))
            values |= surety(name, raw, label_map)
        write_run(path, own, metrics(run, values), curve)
        if run == "n4":
            fitted = {"coefficients": [0.02, 1.9, -1.35, 0.42], "pixels": 262144, "residual": 0.012}
            (path / "calibration.json").write_text(json.dumps(fitted))
        runs.append(path)
    pictures, targets = (sorted(folder.glob(f"{kind}/0/*.tif")) for kind in ("images", "targets"))
    return load_runs(runs, labels=labels), pictures, targets
