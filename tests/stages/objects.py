# SPDX-License-Identifier: MIT
"""The stages of a tiny study of objects one after another, with the options that its plan gives them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from microtome.config.workflow import Workflow
from microtome.stages.evaluate import evaluate_run
from microtome.stages.images import import_images, simulate
from microtome.stages.patches import extract_patches
from microtome.stages.predict import predict_batch
from microtome.stages.segment import segment_batch
from microtome.stages.stain import fit_stain, normalize_batch
from microtome.stages.targets import rasterize_targets
from microtome.stages.train import TrainingFiles, train_run
from microtome.study.load import load_plans
from microtome.study.plan import StudyPlan
from microtome.workflow.states import data, runs, stains
from tests.workflow.workspace import he_study

SIDE = 96
ZOOM = 0.67
TRAINED = ("marked", "alone")
BATCHES = ("train-0", "val-0", "test-0")
TARGET = "tile-000"


def study() -> dict[str, Any]:
    content = he_study()
    content["data"]["phantom"]["size"] = SIDE
    content["patches"] = {"size": SIDE, "stride": SIDE}
    content["runs"]["marked"]["input"] = {"zoom": ZOOM}
    content["runs"]["marked"]["sampler"] = {"copies": 3, "holdout": 0.25}
    content["runs"]["marked"]["augment"] = {"rotation": 25, "border": "zero", "target_rounding": "floor"}
    content["runs"]["marked"]["predict"] = {"window": 64, "overlap": 0.25}
    for run in content["runs"].values():
        run["segment"] = run.get("segment", {}) | {"mask_threshold": 0.4, "marker_threshold": 0.4}
    content["runs"]["twin"] = {"label": "Twice the same", "members": ["marked", "marked_too"]}
    content["runs"]["marked_too"] = content["runs"]["marked"] | {"stain": None}
    return content


def plan_of(content: Mapping[str, Any], folder: Path) -> StudyPlan:
    path = folder / "config/studies/he.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return load_plans(Workflow(studies=("he",)))["he"]


def options(state: str) -> dict[str, Any]:
    """As a job gets them."""
    return json.loads(state)["options"]


def prepare(plan: StudyPlan, root: Path) -> None:
    """From the phantom to images, targets, patches and normalized stains."""
    simulate(options(data.simulate(plan)), root / "raw")
    for batch in BATCHES:
        chosen = options(data.import_images(plan, batch))
        import_images(chosen["samples"], root / "raw", root / f"images/{batch}")
        chosen = options(data.rasterize_targets(plan, batch))
        folder = root / f"targets/{batch}"
        rasterize_targets(chosen["samples"], root / "raw", folder, targets=chosen["targets"])
        extract_patches(folder, root / f"patches/{batch}.parquet", **options(data.extract_patches(plan)))
    target = root / "stains/spcn/target.json"
    fit_stain(options(stains.fit_stain(plan, "spcn")), root / f"images/{plan.batch_of[TARGET]}", target)
    for batch in BATCHES:
        chosen = options(stains.normalize_stain(plan, "spcn"))
        normalize_batch(chosen, target, root / f"images/{batch}", root / f"stains/spcn/images/{batch}")


def seen(plan: StudyPlan, root: Path, run: str) -> Path:
    stain = plan.study.runs[run].stain
    return root / (f"stains/{stain}/images" if stain else "images")


def train(plan: StudyPlan, root: Path, run: str) -> Path:
    folder = root / f"runs/main/{run}/seed-0"
    parts = ("train-0", "val-0")
    files = TrainingFiles(
        tuple(root / f"patches/{batch}.parquet" for batch in parts),
        tuple(seen(plan, root, run) / batch for batch in parts),
        tuple(root / f"targets/{batch}" for batch in parts),
    )
    chosen = options(runs.train(plan, "main", run, 0))
    train_run(chosen, files, folder, checkpoint=folder / "checkpoint", device="cpu", threads=1)
    return folder


def evaluate(plan: StudyPlan, root: Path, run: str, folder: Path) -> pd.DataFrame:
    """Predict, segment and measure the test batch."""
    maps, found = folder / "predictions/test-0", folder / "segmentations/test-0"
    source = seen(plan, root, run) / "test-0"
    weights = folder / "model.safetensors"
    predict_batch(options(runs.predict(plan, run)), weights, source, maps, device="cpu", threads=1)
    segment_batch(options(runs.segment(plan, run)), maps, found)
    files = {"maps": [maps], "segmentations": [found], "targets": [root / "targets/test-0"]}
    evaluate_run(options(runs.evaluate(plan, "main", run, 0)), files, folder / "metrics.tsv")
    return pd.read_csv(folder / "metrics.tsv", sep="\t")
