# SPDX-License-Identifier: MIT
"""The memory that training asks for, against what it holds."""

import copy
from pathlib import Path

import numpy as np
import pytest
import yaml

from microtome.config.workflow import Workflow
from microtome.io import images
from microtome.study.load import load_plans
from microtome.workflow.memory import (
    LEAST,
    UNKNOWN,
    fixed_mb,
    held_bytes,
    training_mb,
    training_memory,
)
from microtome.workflow.resources import BASE_MB, held_mb
from tests.synthetic_cubes import write_envi
from tests.workflow.test_cube_states import STUDY as CUBES
from tests.workflow.workspace import REPOSITORY

OWN = {
    "title": "Own",
    "data": {
        "source": "files",
        "samples": "s.tsv",
        "group_by": "sample",
        "channels": 3,
        "classes": {"a": 0, "b": 1},
    },
    "patches": {"size": 32, "stride": 32},
    "defaults": {
        "network": {"name": "unet", "variant": "tutorial", "width": 4, "in_channels": 3},
        "loss": {"name": "bce"},
    },
    "runs": {"net": {"label": "Net"}},
    "scales": {"demo": {}},
}
SIDES = {"train": (40, 60), "val": (48, 36), "test": (400, 400)}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    (tmp_path / "config/studies").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def plan(content):
    Path("config/studies/mini.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_plans(Workflow(studies=("mini",)))["mini"]


def own(dtype="uint8"):
    rows = ["sample\tpart\timage\tlabel"]
    for part, (height, width) in SIDES.items():
        images.write(Path(f"{part}.tif"), np.zeros((3, height, width), dtype))
        images.write(Path(f"{part}-label.tif"), np.zeros((height, width), np.uint8))
        rows.append(f"{part}\t{part}\t{part}.tif\t{part}-label.tif")
    Path("s.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    content = copy.deepcopy(OWN)
    content["defaults"]["input"] = {"scale": {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]}
    return plan(content)


PIXELS = 40 * 60 + 48 * 36


@pytest.mark.parametrize(("dtype", "size"), [("uint8", 1), ("uint16", 2), ("float32", 4)])
def test_own_images_count_as_they_are_held(dtype, size):
    """Images of three channels and targets of a byte, of training and validation alone."""
    assert held_bytes(own(dtype), "main", "net") == PIXELS * (3 * size + 1)


def test_images_count_in_the_type_that_they_are_converted_to():
    assert held_bytes(own(dtype="uint8"), "main", "net") == PIXELS * 4
    images.write(Path("train.tif"), np.zeros((3, 40, 60), np.uint16))
    content = copy.deepcopy(OWN)
    content["data"]["dtype"] = "uint8"
    assert held_bytes(plan(content), "main", "net") == PIXELS * 4


def test_images_that_are_too_large_to_be_held_count_for_nothing(monkeypatch):
    monkeypatch.setattr("microtome.workflow.memory.HELD_IMAGE", 3 * 48 * 36)
    assert held_bytes(own(), "main", "net") == 3 * 48 * 36 + PIXELS


def test_views_count_as_they_are_seen():
    """Of 32 x 32 pixels: 16 bands of float32, three colours of a byte; a target of a byte."""
    found = plan(
        CUBES | {"runs": CUBES["runs"] | {"net": {"network": {"name": "hypernet", "bands": 16, "width": 2}}}}
    )
    samples = len(found.members("main", "train")) + len(found.members("main", "val"))
    assert samples == 4
    for run, size in (("net", 64), ("raw", 64), ("rgb", 3)):
        assert held_bytes(found, "main", run) == samples * 32 * 32 * (size + 1)


def test_a_cube_that_stands_for_its_picture_counts_as_rgb():
    rows = ["sample\tpart\timage\tlabel"]
    for part in SIDES:
        write_envi(Path(f"{part}.hdr"), np.ones((20, 8, 9), np.uint16), wavelength_units="nm")
        images.write(Path(f"{part}-label.tif"), np.zeros((8, 9), np.uint8))
        rows.append(f"{part}\t{part}\t{part}.hdr\t{part}-label.tif")
    Path("s.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    content = copy.deepcopy(OWN) | {"cubes": {"calibrated": True, "bands": {"width": 8}}}
    content["runs"]["bands"] = {"label": "B", "view": "bands", "network": {"in_channels": 8}}
    found = plan(content)
    assert held_bytes(found, "main", "net") == 2 * 72 * (3 + 1)
    assert held_bytes(found, "main", "bands") == 2 * 72 * (8 * 4 + 1)


def test_images_that_are_not_there_yet_count_too():
    found = own()
    for part in SIDES:
        Path(f"{part}.tif").unlink()
    assert held_bytes(found, "main", "net") == 2 * UNKNOWN


@pytest.mark.parametrize(("held", "images", "expected"), [
    (0, 8000, LEAST), (900, 8000, LEAST), (5000, 8000, 8000), (23_000, 8000, 11_000),
    (23_000, 30_000, 26_000),
])  # fmt: skip
def test_the_request_covers_what_is_held(monkeypatch, held, images, expected):
    monkeypatch.setattr("microtome.workflow.memory.held_bytes", lambda *_: held * 2**20)
    monkeypatch.setattr("microtome.workflow.memory.fixed_mb", lambda *_, **__: BASE_MB)
    asked = training_mb(None, "main", "net", images=images)
    assert asked == expected
    for processes in (1, 4):
        assert held_mb(asked * processes, processes) >= min(held, images)
        assert held_mb(asked * processes, processes) == asked - BASE_MB


PAPER = {
    "data": CUBES["data"]
    | {"phantom": {"kind": "cubes", "size": 1024, "images": {"train": 298, "val": 70, "test": 70}}},
    "patches": {"size": 256, "stride": 192},
    "defaults": CUBES["defaults"]
    | {"network": {"name": "hypernet"}, "training": {"batch_size": 8, "epochs": 1}},
}
"""Hyper-net as published: 368 cubes to learn from and to validate by, of 16 bands of 1024 x 1024."""


def test_a_study_of_full_size_asks_for_its_images_its_network_and_on_a_cpu_for_what_that_keeps():
    found = plan(CUBES | PAPER)
    held = 368 * (16 * 4 + 1)  # MB: a pixel of a megapixel is a byte here
    on_gpu, on_cpu = (training_memory(found, "main", "net", on_cpu=cpu) for cpu in (False, True))
    assert on_gpu.images == on_cpu.images == held
    assert training_mb(found, "main", "net", images=4000) == 3000 + 4000
    kept = 4 * 5652 * 8 * 256**2 / 2**20  # what tests/networks/test_cost.py counts, of a batch
    assert 1.5 * kept < on_cpu.fixed < 3 * kept
    half = training_memory(found, "main", "net", on_cpu=True, processes=2)
    assert half.fixed - 2000 == pytest.approx((on_cpu.fixed - 2000) / 2, rel=0.02)
    assert training_memory(found, "main", "rgb").images == 368 * 4


def test_crops_margins_and_zoom_count_as_the_network_sees_them():
    def fixed(**changes):
        content = copy.deepcopy(OWN)
        content["data"] = CUBES["data"]
        content["defaults"] |= {"network": {"name": "unet", "in_channels": 3}, "training": {"batch_size": 64}}
        content["patches"] = {"size": 256, "stride": 256}
        content["defaults"] |= changes
        return fixed_mb(plan(content), "net", on_cpu=True, processes=1) - 2000

    whole, crop = fixed(), fixed(sampler={"crop": 128})
    weights = fixed(training={"batch_size": 1}, sampler={"crop": 1})
    assert (whole - weights) / (crop - weights) == pytest.approx(4, rel=0.05)
    assert fixed(augment={"rotation": 180, "margin": True}) > 1.5 * whole
    assert fixed(input={"zoom": 2}) > 3 * whole


def test_slides_of_a_phantom_count_at_the_pixel_size_of_the_study():
    Path("config/studies/bcc.yaml").write_bytes((REPOSITORY / "config/studies/bcc.yaml").read_bytes())
    found = load_plans(Workflow(studies=("bcc",), scale="demo"))["bcc"]
    phantom, mpp = found.study.data.phantom, found.study.slides.mpp
    names = [name for part in ("train", "val") for name in found.learnt("main", part)]
    pixels = round(phantom.height * phantom.width / mpp**2)
    assert held_bytes(found, "main", next(iter(found.study.runs))) == len(names) * pixels * (3 + 1)
