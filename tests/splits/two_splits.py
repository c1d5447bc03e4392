# SPDX-License-Identifier: MIT
"""A study whose samples are divided in two ways: folds of patients, and clinics by a column of the sheet."""

import copy
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from microtome.config.workflow import Workflow
from microtome.study.load import load_plans
from microtome.study.plan import StudyPlan

CLASSES = ("background", "nest", "ring")
CLINICS = {"Modena": "train", "Lyon": "val", "Rochester": "test"}
HEADER = ("sample", "image", "label", "patient", "group", "scenario_2")
Content = dict[str, Any]


def rows(count: int = 12, *, classes: Sequence[str] = CLASSES, seed: int = 0) -> list[dict[str, str]]:
    """Mosaics of as many patients, each of one clinic, with pixels of classes that differ as real ones do."""
    draw, clinics = random.Random(seed), list(CLINICS)
    found = []
    for number in range(count):
        clinic, total = clinics[number % len(clinics)], draw.lognormvariate(14, 0.5)
        shares = [draw.gammavariate(0.5, 1) for _ in classes]
        row = {"sample": f"m{number}", "image": f"m{number}.png", "label": f"m{number}-label.png"}
        row |= {"patient": f"p{number}", "group": clinic, "scenario_2": CLINICS[clinic]}
        pixels = zip(classes, shares, strict=True)
        found.append(row | {f"pixels_{name}": str(int(total * s / sum(shares))) for name, s in pixels})
    return found


def text(listed: Sequence[dict[str, str]]) -> str:
    """A sample sheet."""
    names = list(listed[0])
    return "".join("\t".join(cells) + "\n" for cells in (names, *([row[n] for n in names] for row in listed)))


def study() -> Content:
    """Three runs: one of both ways, one of clinics alone, and their mean."""
    return {
        "title": "Two ways",
        "data": {
            "source": "files",
            "samples": "data/two/samples.tsv",
            "classes": list(CLASSES),
            "batch_size": 4,
        },
        "splits": {
            "patients": {"kind": "folds", "k": 2, "stratify": "pixels"},
            "clinics": {"kind": "column", "column": "scenario_2"},
        },
        "patches": {"size": 32, "stride": 32},
        "defaults": {"network": {"name": "unet", "width": 2}, "training": {"epochs": 1}},
        "runs": {
            "both": {"loss": {"name": "cross_entropy"}},
            "alone": {"loss": {"name": "cross_entropy"}, "splits": ["clinics"]},
            "mean": {"members": ["both", "alone"]},
        },
        "tables": {
            "folds": {"kind": "metrics", "runs": ["both"], "split": "patients", "columns": ["mean_dice"]},
            "clinics": {"kind": "metrics", "runs": "all", "split": "clinics", "columns": ["mean_dice"]},
        },
        "scales": {"demo": {}},
    }


def changed(**changes: object) -> Content:
    """The study with options set; keys are dotted, with `__` for the dot; None takes one away."""
    content = copy.deepcopy(study())
    for keys, value in changes.items():
        *parents, last = keys.split("__")
        place = content
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
        if value is None:
            del place[last]
    return content


def plan(content: Content | None = None, listed: Sequence[dict[str, str]] | None = None) -> StudyPlan:
    """The plan of the study in the working directory, whose image files are not looked at."""
    for folder in ("config/studies", "data/two"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path("data/two/samples.tsv").write_text(text(listed or rows()), encoding="utf-8")
    Path("config/studies/two.yaml").write_text(
        yaml.safe_dump(content or study(), sort_keys=False), encoding="utf-8"
    )
    return load_plans(Workflow(studies=("two",)), look_at_files=False)["two"]


def write_files(folder: Path, *, count: int = 8, side: int = 64) -> None:
    """A sheet and its image files, whose labels are of every class; the sheet says their pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    draw, listed = np.random.default_rng(0), rows(count)
    for row in listed:
        label = np.sort(draw.integers(0, len(CLASSES), side * side)).reshape(side, side).astype(np.uint8)
        Image.fromarray(label).save(folder / row["label"])
        Image.fromarray(label * 80 + draw.integers(0, 40, label.shape, np.uint8)).save(folder / row["image"])
        counts = np.bincount(label.ravel(), minlength=len(CLASSES)).tolist()
        row |= {f"pixels_{name}": str(n) for name, n in zip(CLASSES, counts, strict=True)}
    (folder / "samples.tsv").write_text(text(listed), encoding="utf-8")
