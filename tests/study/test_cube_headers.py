# SPDX-License-Identifier: MIT
"""What headers of cubes say, against the study and one another, before any job."""

import copy
from pathlib import Path

import numpy as np
import pytest
import yaml

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.io import images
from microtome.study.load import load_plans
from tests.synthetic_cubes import write_envi

COLUMNS = ("cube", "dark", "blank", "blank_dark", "bias")
STUDY = {
    "title": "Own",
    "data": {
        "source": "files",
        "samples": "s.tsv",
        "group_by": "sample",
        "channels": 3,
        "classes": {"a": 0, "b": 1},
    },
    "patches": {"size": 8, "stride": 8},
    "defaults": {
        "view": "bands",
        "network": {"name": "cnn2d", "in_channels": 4, "kernel": 3, "width": 2},
        "loss": {"name": "cross_entropy"},
        "segment": {"kind": "argmax"},
        "input": {"scale": 1, "mean": 0, "std": 1},
    },
    "runs": {"net": {"label": "Net"}},
    "scales": {"demo": {}},
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    (tmp_path / "config/studies").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def faults(headers, frames=("dark", "blank"), **cubes):
    """Faults of a study of three samples; `headers`: fields by the name of the file (train, train-dark …)."""
    rows = ["\t".join(("sample", "part", "image", "label", *COLUMNS))]
    for part in ("train", "val", "test"):
        images.write(Path(f"{part}.tif"), np.zeros((3, 8, 9), np.uint8))
        images.write(Path(f"{part}-label.tif"), np.zeros((8, 9), np.uint8))
        files = {"cube": part} | {name: f"{part}-{name}" for name in frames}
        for name in files.values():
            write_envi(Path(f"{name}.hdr"), np.ones((6, 8, 9), np.uint16), **headers.get(name, {}))
        cells = [f"{files[name]}.hdr" if name in files else "" for name in COLUMNS]
        rows.append("\t".join((part, part, f"{part}.tif", f"{part}-label.tif", *cells)))
    Path("s.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    content = copy.deepcopy(STUDY) | {"cubes": {"bands": {"width": 4}} | cubes}
    Path("config/studies/mini.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    try:
        load_plans(Workflow(studies=("mini",)))
    except ConfigurationError as error:
        return [str(fault) for fault in error.faults]
    return []


def exposed(**times):
    """Headers of all files: the cubes with 20 ms, references of the training sample as given."""
    return {"train": {"exposure": "20 ms"}} | {
        f"train-{name}": {"exposure": time} for name, time in times.items()
    }


def test_sound_headers():
    assert faults({}) == []
    assert faults(exposed(dark="20 ms", blank="20.01 ms")) == []
    assert faults({"train": {"reflectance_scale_factor": 10000}}, (), calibrated=True) == []
    assert faults({"train": {"reflectance_scale_factor": 10000.0}}, (), calibrated=True, scale=10000) == []


@pytest.mark.parametrize("name", ["dark", "blank"])
def test_references_of_another_exposure(name):
    (fault,) = faults(exposed(**{name: "5 ms"}))
    assert fault.startswith(f"s.tsv:2 {name}: found exposure 5 in 'train-{name}.hdr', and 20 in its cube")
    assert "set cubes.scale_exposure: true" in fault


@pytest.mark.parametrize(("name", "frames", "sound"), [
    ("blank", (), False), ("blank", ("blank_dark",), True), ("blank", ("bias",), True),
    ("dark", (), False), ("dark", ("blank_dark",), False), ("dark", ("bias",), True),
])  # fmt: skip
def test_scaling_needs_further_frames(name, frames, sound):
    found = faults(exposed(**{name: "5 ms"}), ("dark", "blank", *frames), scale_exposure=True)
    assert [fault.startswith(f"s.tsv:2 {name}: found exposure 5") for fault in found] == [True] * (not sound)
    assert all("in the column `blank_dark`, or the `bias`" in fault for fault in found)


def test_bad_bands():
    bad = {"bbl": "{1, 0, 1, 1, 0, 1}"}
    assert faults(dict.fromkeys(("train", "val", "test"), bad)) == []
    (fault,) = faults({"train": bad, "val": bad})
    assert fault.startswith("s.tsv:4 cube: found 6 bands in 'test.hdr'; expected 4, as in 'train.hdr'")
    found = faults({"train": bad, "val": bad, "test": bad}, bands={"width": 5})[1:]  # the first: the network
    assert "found 4 bands that are not marked bad (bbl) in 'train.hdr'" in found[0]
    assert "at least 5, as cubes.bands.width says" in found[0]


def test_two_scales():
    (fault,) = faults({"val": {"reflectance_scale_factor": 255}}, (), calibrated=True, scale=10000)
    assert fault.startswith("s.tsv:3 cube: found reflectance scale factor = 255 in 'val.hdr'; expected 10000")


def test_unsound_headers_are_named_once():
    (fault,) = faults({"train": {"bbl": "{1}"}})
    assert fault.startswith("s.tsv:2 cube: found 1 values in 'bbl' ('train.hdr')")
