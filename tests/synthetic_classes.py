# SPDX-License-Identifier: MIT
"""A small study of five classes: targets by hand, two runs of softmax maps, their ensemble, by the stages."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from microtome.figures.inputs import gather
from microtome.figures.save import save_figure
from microtome.io import images
from microtome.stages.evaluate import evaluate_run
from microtome.stages.products import make
from microtome.stages.runs import average_batch, write_card, write_uncertainty
from microtome.stages.segment import segment_batch
from microtome.tables.parts.save import save_table
from tests.synthetic_study import card, history

CLASSES = ["background", "epidermis", "dermis", "fat", "vessel"]
SIZES = {"t0": (56, 48), "t1": (40, 64), "t2": (48, 48)}
WITHOUT = {"t1": 4}
"""A class that an image does not have, in truth or prediction."""
RUNS = {"first": 1.0, "second": 0.6}
"""Run to how well it sees."""
ENSEMBLE, SPLIT, SCALE = "both", "main", "local"
IDENTITY = {"study": "layers", "split": SPLIT, "seed": 0}
CHOSEN = {"metrics": ["overlap"], "thresholds": [], "losses": {}, "betas": [1.0, 1.5], "mean_classes": []}


def truth(sample: str) -> np.ndarray:
    """Patches of the five classes, and a corner that is not labelled."""
    number, shape = list(SIZES).index(sample), SIZES[sample]
    rng = np.random.default_rng(number)
    points = rng.uniform(0, 1, (30, 2)) * shape
    grid = np.stack(np.mgrid[: shape[0], : shape[1]], -1).reshape(-1, 1, 2)
    owner = np.linalg.norm(grid - points, axis=2).argmin(axis=1).reshape(shape)
    kinds = rng.permutation(np.arange(30) % len(CLASSES))
    if sample in WITHOUT:
        kinds[kinds == WITHOUT[sample]] = 0
    label = kinds[owner].astype(np.uint8)
    label[:6, :5] = 255
    return label


def maps(label: np.ndarray, sharpness: float, seed: int) -> np.ndarray:
    """Softmax maps (5, H, W) of someone who sees the label dimly; classes that it lacks are never largest."""
    rng = np.random.default_rng(seed)
    seen = np.stack([gaussian_filter((label == index).astype(float), 1.2) for index in range(len(CLASSES))])
    noise = np.stack([gaussian_filter(rng.normal(0, 1, label.shape), 1.0) for _ in CLASSES]) * 2
    absent = np.array([-9.0 * (not (label == index).any()) for index in range(len(CLASSES))])
    return softmax(4 * sharpness * seen + noise + absent[:, None, None], axis=0).astype(np.float32)


def write(root: Path, **changes) -> Path:
    """Write the study with its metrics; `changes` are of the options of evaluation."""
    for sample in SIZES:
        label = truth(sample)
        tones = np.array([[250, 245, 240], [150, 60, 140], [225, 130, 170], [240, 220, 235], [190, 40, 60]])
        noise = np.random.default_rng(9).normal(0, 8, (*label.shape, 3))
        picture = np.clip(tones[label % 250 % 5] + noise, 0, 255)
        images.write(root / f"images/0/{sample}.tif", picture.astype(np.uint8).transpose(2, 0, 1), mpp=0.5)
        images.write(root / f"targets/0/{sample}.tif", label, mpp=0.5)
    for number, (run, sharpness) in enumerate(RUNS.items()):
        for place, sample in enumerate(SIZES):
            found = maps(truth(sample), sharpness, seed=10 * number + place)
            images.write(folder(root, run) / f"predictions/0/{sample}.tif", found, mpp=0.5)
        own = card(run, data_source="own", scale=SCALE) | IDENTITY
        (folder(root, run) / "card.json").write_text(json.dumps(own))
        history().to_csv(folder(root, run) / "history.tsv", sep="\t", index=False)
    members = [folder(root, run) / "predictions/0" for run in RUNS]
    average_batch(members, folder(root, ENSEMBLE) / "predictions/0")
    write_uncertainty(members, folder(root, ENSEMBLE) / "uncertainty/0", activation="softmax")
    of = IDENTITY | {"run": ENSEMBLE, "scale": SCALE, "data_source": "own", "members": list(RUNS)}
    write_card(of, [folder(root, run) / "card.json" for run in RUNS], folder(root, ENSEMBLE) / "card.json")
    for run in (*RUNS, ENSEMBLE):
        place = folder(root, run)
        segment_batch({"kind": "argmax"}, place / "predictions/0", place / "segmentations/0")
        evaluate(root, run, place / "metrics.tsv", **changes)
    return root


def evaluate(root: Path, run: str, path: Path, **changes) -> pd.DataFrame:
    """Measure a run."""
    samples = {"samples": dict.fromkeys(SIZES, "test"), "groups": dict.fromkeys(SIZES, "g")}
    options = IDENTITY | {"run": run, "classes": CLASSES} | samples | CHOSEN | changes
    folders = {name: [folder(root, run) / f"{what}/0"] for name, what in PLACES.items()}
    evaluate_run(options, folders | {"targets": [root / "targets/0"]}, path)
    return pd.read_csv(path, sep="\t")


PLACES = {"maps": "predictions", "segmentations": "segmentations"}


def folder(root: Path, run: str) -> Path:
    return root / f"runs/{SPLIT}/{run}/seed-0"


def product(root: Path, section: str, kind: str, stem: Path, *, runs=(*RUNS, ENSEMBLE), **changes) -> Path:
    """Make a table or a figure as its rule does."""
    chosen = {"name": stem.name, "kind": kind, "title": kind, "options": {}, "runs": list(runs)}
    chosen |= {"labels": {run: run.capitalize() for run in runs}, "classes": CLASSES, "paper": None}
    chosen |= {"data_kind": "own", "colors": {}, "mean_classes": [], "groups": dict.fromkeys(SIZES, "g")}
    published = stem.with_name("published.yaml")
    published.write_text(yaml.safe_dump({"papers": {}}))
    files = {"cards": [folder(root, run) / "card.json" for run in runs], "published": [published]}
    files |= {"images": [root / "images/0"], "targets": [root / "targets/0"]}
    more = {"save": save_figure, "gather": gather} if section == "figures" else {"save": save_table}
    make(section, chosen | changes, files, stem=stem, **more)
    return stem
