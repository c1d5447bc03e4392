# SPDX-License-Identifier: MIT
"""A packed model of a study of cubes: in another project it says the same of new ones, bit by bit."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from microtome.config.workflow import Workflow
from microtome.io import images
from microtome.study.load import load_plans
from tests.workflow.workspace import Workspace, make_workspace

STUDY = {
    "title": "Cubes",
    "data": {
        "source": "phantom",
        "phantom": {"kind": "cubes", "size": 32, "fields": 1, "images": {"train": 1, "val": 1, "test": 2}},
        "channels": 3,
        "classes": {"normal": 0, "melanoma": 255},
    },
    "cubes": {"bands": {"width": 4, "bins": 16}},
    "patches": {"size": 32, "stride": 32},
    "defaults": {
        "view": "bands",
        "network": {"name": "cnn2d", "in_channels": 4, "width": 2},
        "loss": {"name": "cross_entropy"},
        "segment": {"kind": "argmax"},
        "training": {"epochs": 1},
    },
    "runs": {
        "net": {"label": "Net"},
        "rgb": {"view": "image", "network": {"in_channels": 3}},
        "raw": {"view": "raw", "weights_of": "net"},
        "mean": {"members": ["net", "rgb", "raw"]},
    },
    "scales": {"demo": {}},
}
RUN = "results/demo/cubes/runs/main/mean/seed-0"
PACKED = "packed/cubes-mean-main-seed0.zip"
RAW = {"cube": "_raw", "dark": "_DarkRef", "blank": "_white"}
"""Endings by which a recording and its references are told."""
MADE = ("images", "predictions", "segmentations")


def _new_recordings(workspace: Workspace, folder: Path) -> list[str]:
    """The test scenes under names of another laboratory, each with its references and its picture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workspace.root)
        plan = load_plans(Workflow(studies=("cubes",)))["cubes"]
    folder.mkdir(parents=True)
    scenes = plan.members("main", "test")
    for name in scenes:
        sample = plan.samples[name]
        named = {f"{name}{RAW[kind]}": sample.more[kind] for kind in RAW}
        for new, path in (named | {name: sample.image}).items():
            source = workspace.root / plan.root / path
            for file in source.parent.glob(f"{source.stem}.*"):
                shutil.copy(file, folder / f"{new}{file.suffix}")
    return scenes


def test_a_packed_model_says_the_same_in_another_project(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "clone")
    workspace.write("config/config.yaml", "scale: demo\nstudies: [cubes]\ndevice: cpu\n")
    workspace.write_study("cubes", STUDY)
    workspace.run("-c1", "results/demo/cubes/raw")
    new = tmp_path / "elsewhere/new recordings"
    scenes = _new_recordings(workspace, new)
    asked = ("--config", "study=cubes", "run=mean", f"images={new}", "phantom_model=true", "export=packed")
    workspace.run("-c1", "apply", "export_model", *asked)
    (inside,) = (path for path in (workspace.root / RUN / "applied").iterdir() if path.is_dir())
    assert "simulated images" in inside.with_name(f"{inside.name}.html").read_text(encoding="utf-8")
    known = workspace.root / RUN / "predictions/test-0"
    for name in scenes:
        first, second = (images.read(place / f"{name}.tif") for place in (known, inside / "predictions"))
        assert np.array_equal(first, second), "new recordings of the study's scenes"

    project = tmp_path / "project"
    project.mkdir()
    archive = shutil.copy(workspace.root / PACKED, project)
    (workspace.root / "results").rename(tmp_path / "results")
    inside = tmp_path / inside.relative_to(workspace.root)
    elsewhere = Workspace(project)
    command = ("-s", str(workspace.root / "Snakefile"), "--directory", str(project), "-c1", "apply")
    options = ("--config", "device=cpu", f"model={Path(archive).name}", f"images={new}")
    refused = elsewhere.run(*command, *options, check=False)
    assert "trained on simulated images" in refused.stdout + refused.stderr
    elsewhere.run(*command, *options, "phantom_model=true")
    (outside,) = project.glob("results/demo/models/*/applied/*/")
    assert outside.name == inside.name
    for kind in MADE:
        for name in scenes:
            first, second = (folder / kind / f"{name}.tif" for folder in (inside, outside))
            assert first.read_bytes() == second.read_bytes(), (kind, name)
    assert np.ptp(images.read(outside / "predictions" / f"{scenes[0]}.tif")) > 0
