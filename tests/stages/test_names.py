# SPDX-License-Identifier: MIT
"""Samples, groups and classes whose names look like numbers or like nothing."""

import numpy as np
import pytest
from PIL import Image

from microtome.io import images
from microtome.provenance.runs import read_metrics
from microtome.stages.evaluate import evaluate_applied, evaluate_run

NAMES = ("NA", "None", "null", "nan", "007", "7", "1e3")
CLASSES = {"None": 0, "nan": 1}
OPTIONS = {
    "study": "null",
    "split": "main",
    "run": "007",
    "seed": 0,
    "metrics": ["overlap"],
    "classes": list(CLASSES),
    "thresholds": [0.5],
    "losses": {},
}


def write(root):
    for number, name in enumerate(NAMES):
        label = np.zeros((8, 8), np.uint8)
        label[: number + 1] = 1
        for folder in ("labels", "images"):
            (root / folder).mkdir(exist_ok=True)
            Image.fromarray(label).save(root / folder / f"{name}.png")
        images.write(root / f"applied/predictions/{name}.tif", label[None].astype(np.float32))
        images.write(root / f"applied/segmentations/{name}.tif", np.zeros((8, 8), np.uint8))


def test_no_image_drops_out_of_the_means(tmp_path):
    write(tmp_path)
    targets = {"kind": "semantic", "classes": list(CLASSES.items()), "ignore": []}
    rows = [
        {"sample": name, "page": None}
        | {kind[:-1]: str(tmp_path / kind / f"{name}.png") for kind in ("images", "labels")}
        for name in NAMES
    ]
    options = {**OPTIONS, "targets": targets, "samples": rows}
    table = evaluate_applied(options, tmp_path / "applied", tmp_path / "out")
    accuracy = table[table["metric"] == "accuracy"].iloc[0]
    assert accuracy["n"] == len(NAMES)
    assert accuracy["mean"] == pytest.approx(np.mean([1 - (k + 1) / 8 for k in range(len(NAMES))]))
    assert set(table["class"]) == {"all", *CLASSES}
    assert set(table["run"]) == {"007"}


def test_metrics_keep_names_and_groups(tmp_path):
    write(tmp_path)
    for name in NAMES:
        label = images.read(tmp_path / "labels" / f"{name}.png")
        images.write(tmp_path / f"targets/{name}.tif", label)
    folders = {name: [tmp_path / "applied" / name] for name in ("predictions", "segmentations")}
    folders = {"maps": folders["predictions"], "segmentations": folders["segmentations"]}
    groups = dict(zip(NAMES, reversed(NAMES), strict=True)) | {"nan": ""}
    chosen = {**OPTIONS, "samples": dict.fromkeys(NAMES, "test"), "groups": groups}
    evaluate_run(chosen, {**folders, "targets": [tmp_path / "targets"]}, tmp_path / "metrics.tsv")
    found = read_metrics(tmp_path / "metrics.tsv")
    assert dict(zip(found["sample"], found["group"], strict=True)) == groups
    assert set(found["study"]) == {"null"}
