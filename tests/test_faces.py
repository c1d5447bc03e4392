# SPDX-License-Identifier: MIT
"""Names that notebooks and other groups import, and what the code of a job may depend on."""

import numpy as np
import pytest

import microtome.cubes
import microtome.objects
from microtome.provenance import code

READERS = ("io/annotations.py", "io/aperio.py", "io/geojson.py", "io/label_images.py", "io/envi.py")
"""What reads outlines, labels and cubes: no word in it may retrain or segment anything anew."""
ELSEWHERE = ("datasets/", "study/", "figures/", "tables/", "report/")


def test_objects_are_separated_by_name():
    mask = np.zeros((12, 30))
    mask[2:10, 2:28] = 0.9
    marker = np.zeros_like(mask)
    marker[4:8, 5:10] = marker[4:8, 20:25] = 0.8
    assert microtome.objects.separate(mask, marker).max() == 2


def test_cubes_are_calibrated_and_scored_by_name():
    raw = np.arange(60.0).reshape(3, 4, 5)
    found = microtome.cubes.calibrate(raw, np.zeros(3), np.full(3, 100.0))
    assert found.transmittance.dtype == np.float32
    assert found.invalid.shape == found.transmittance.shape == raw.shape
    assert found.saturated.shape == (3,)
    scores = microtome.cubes.mutual_information(found.transmittance, raw[1], bins=8)
    assert scores.shape == (3,)
    assert len(microtome.cubes.best_window(scores, 2)) == 2


@pytest.mark.parametrize("package", [microtome.objects, microtome.cubes])
def test_other_names_are_not_there(package):
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        package.nothing  # noqa: B018


@pytest.mark.parametrize("script", ["train", "segment", "predict", "calibrate_predictions", "average"])
def test_jobs_do_not_depend_on_readers_of_annotations_and_cubes(script):
    found = {
        path.relative_to(code.ROOT / "microtome").as_posix()
        for path in code.closure([code.ROOT / f"scripts/{script}.py"])
        if path.is_relative_to(code.ROOT / "microtome")
    }
    assert not found & set(READERS)
    assert not [name for name in found if name.startswith(ELSEWHERE)]


def test_training_does_not_depend_on_prediction():
    files = code.closure([code.ROOT / "scripts/train.py"])
    found = {path.name for path in files if path.is_relative_to(code.ROOT / "microtome/inference")}
    assert found <= {"__init__.py", "resize.py"}
