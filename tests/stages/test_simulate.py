# SPDX-License-Identifier: MIT
"""The stage that simulates: the files of each phantom are the ones its sheet names."""

import hashlib
import json

import numpy as np
import pytest

from microtome.config.phantoms.cubes import CubePhantomData
from microtome.config.phantoms.em import EMPhantomData
from microtome.config.phantoms.he import HEPhantomData
from microtome.config.phantoms.slides import SlidePhantomData
from microtome.config.study import Data
from microtome.cubes.calibration import calibrate_files
from microtome.io import images
from microtome.io.envi import open_cube
from microtome.stages.images import simulate
from microtome.study.headers import check_files
from microtome.study.sample import resolve
from microtome.study.sheet import phantom_sheet

PHANTOMS = {
    "em": EMPhantomData(size=64, slices={"train": 2, "test": 1}),
    "he": HEPhantomData(size=64, images={"train": 2, "test": 1}, hospitals=2, concentrations=True),
    "cubes": CubePhantomData(size=32, images={"train": 2, "test": 1}, transmittance=True),
    "slides": SlidePhantomData(
        height=900, width=1100, mpp=2, sections=1, slides={"train": 1, "weak": 1, "test": 1}
    ),
}
CHANNELS = {"em": 1, "he": 3, "cubes": 3, "slides": 3}


@pytest.fixture(params=PHANTOMS)
def kind(request):
    return request.param


def written(kind, folder):
    simulate(PHANTOMS[kind].model_dump(mode="json"), folder)
    return folder


def test_the_files_of_the_sheet_are_there_and_fit(kind, tmp_path):
    folder = written(kind, tmp_path / "raw")
    data = Data(source="phantom", channels=CHANNELS[kind], classes={"a": 0, "b": 1})
    samples = resolve(phantom_sheet(PHANTOMS[kind]), folder)
    assert len(samples) == 3
    assert check_files(samples, tmp_path / "sheet.tsv", data) == []


def test_equal_options_give_equal_bytes(kind, tmp_path):
    first, second = (
        {path.relative_to(folder): hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*.*")}
        for folder in (written(kind, tmp_path / "one"), written(kind, tmp_path / "two"))
    )
    assert first == second


def test_further_truth_of_the_he_phantom(tmp_path):
    folder = written("he", tmp_path / "raw")
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    assert [tile["hospital"] for tile in truth["tiles"]] == [0, 0, 1]
    assert images.read(folder / "labels/000.tif").max() == truth["tiles"][0]["nuclei"]
    assert images.read(folder / "concentrations/002.tif").dtype == np.float32


def test_cubes_open_and_calibrate_to_their_truth(tmp_path):
    folder = written("cubes", tmp_path / "raw")
    raw, known = open_cube(folder / "cubes/001.hdr"), open_cube(folder / "transmittance/001.hdr")
    assert (raw.shape, raw.wavelengths[0], raw.wavelengths[-1]) == ((60, 32, 32), 550, 992.5)
    assert raw.exposure == 40
    assert raw.metadata["data ceiling value"] == "4095"
    references = (folder / f"{name}/patient-000-20x.hdr" for name in ("dark", "blank"))
    quality = calibrate_files(folder / "cubes/001.hdr", *references, tmp_path / "calibrated.hdr")
    assert all(warning.startswith("pixels below 0") for warning in quality.warnings), "ruined bands alone"
    found = open_cube(tmp_path / "calibrated.hdr")
    assert abs(found.read_band(20) - known.read_band(20)).mean() < 0.01


def test_nothing_is_left_of_a_phantom_that_fails(tmp_path, monkeypatch):
    def fail(options):
        yield "images/000.tif", np.zeros((8, 8), np.uint8)
        msg = "no more slices"
        raise ValueError(msg)

    monkeypatch.setattr("microtome.phantoms.em.files", fail)
    with pytest.raises(ValueError, match="no more slices"):
        simulate(PHANTOMS["em"].model_dump(mode="json"), tmp_path / "raw")
    assert list(tmp_path.iterdir()) == []
