# SPDX-License-Identifier: MIT
"""Folders of images, and what a new study of one is."""

from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from microtome.config.workflow import Workflow
from microtome.stages.new import Made, new_study
from microtome.study.load import load_plans
from microtome.study.survey.settings import Machine

SMALL, GPU = Machine(2, 8 * 2**30), Machine(16, 64 * 2**30, "H200", 140 * 2**30)
SIDE = 80


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def write_tiles(root, count, *, shape=(SIDE, SIDE, 3), values=(0, 255), name="{}", dtype=np.uint8):
    """Images and labels by value, in `images` and `masks`."""
    rng = np.random.default_rng(0)
    for number in range(count):
        label = np.asarray(values, np.uint8)[rng.integers(0, len(values), (4, 4))].repeat(SIDE // 4, 0)
        write(root / f"images/{name.format(number)}.png", rng.integers(0, 256, shape).astype(dtype))
        write(root / f"masks/{name.format(number)}.png", label.repeat(SIDE // 4, 1))
    return root


def study(name="mine"):
    return yaml.safe_load(Path(f"config/studies/{name}.yaml").read_text(encoding="utf-8"))


def rows(name="mine"):
    head, *lines = Path(f"config/samples/{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


def make(root, machine=SMALL) -> Made:
    made = new_study("mine", root, machine=machine)
    assert made.faults == ()
    return made


def plans():
    """The plans of the study at both scales: it is one that the workflow takes."""
    return {scale: load_plans(Workflow(scale=scale, studies=("mine",)))["mine"] for scale in ("demo", "full")}


def empty_project(root, monkeypatch):
    """A folder below `root` that is the project, where the test is from now on."""
    folder = root / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
