# SPDX-License-Identifier: MIT
"""Slides that a run is applied to: what is taken of a folder, and what is asked before anything runs."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from microtome.config.sampling import Input
from microtome.study.new_slides import check_new_images, check_new_labels
from microtome.study.newcomers import find_newcomers

STUDY = SimpleNamespace(
    cubes=None, data=SimpleNamespace(mpp=None), slides=SimpleNamespace(mpp=1.0, tolerance=0.05)
)
REAL = Path(os.environ.get("MICROTOME_DATA", "")) / "wsi_small"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="MICROTOME_DATA holds no wsi_small")


def write(path, mpp=None, dtype=np.uint8):
    size = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"} if mpp else {}
    tifffile.imwrite(path, np.zeros((64, 80, 3), dtype), tile=(32, 32), photometric="rgb", **size)


def found_in(folder, mpp=None):
    found = find_newcomers(folder, STUDY, [SimpleNamespace(view="image", input=Input())])
    return found.of_size(mpp) if mpp else found


def faults_of(folder, mpp=None):
    return [str(fault) for fault in check_new_images(STUDY, found_in(folder, mpp).samples)]


def test_slides_and_pictures_are_taken_and_others_named(tmp_path):
    write(tmp_path / "a.tif", mpp=0.5)
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "b.png")
    (tmp_path / "readme.txt").write_text("x")
    found = found_in(tmp_path)
    assert {one.sample: one.mpp for one in found.samples} == {"a": 0.5, "b": None}
    assert [name for name, _ in found.notes] == ["readme.txt"]


def test_a_single_file_is_looked_at_alone(tmp_path):
    write(tmp_path / "a.tif", mpp=0.5)
    write(tmp_path / "b.tif")
    found = found_in(tmp_path / "a.tif")
    assert [one.image for one in found.samples] == [(tmp_path / "a.tif").as_posix()]
    assert faults_of(tmp_path / "a.tif") == []


def test_slides_without_a_pixel_size_are_asked_for_it_by_name(tmp_path):
    write(tmp_path / "a.tif", mpp=0.5)
    write(tmp_path / "b.tif")
    (fault,) = faults_of(tmp_path)
    assert fault.startswith("--config mpp: found nothing, nor does the file say its pixel size: b.tif;")


def test_a_pixel_size_goes_to_slides_that_say_none(tmp_path):
    write(tmp_path / "a.tif", mpp=0.5)
    write(tmp_path / "b.tif")
    found = found_in(tmp_path, mpp=0.3)
    assert {one.sample: one.mpp for one in found.samples} == {"a": 0.5, "b": 0.3}
    assert faults_of(tmp_path, mpp=0.3) == []
    assert found_in(tmp_path / "a.tif", mpp=0.3).samples[0].mpp == 0.3  # alone, it may say it wrongly


def test_coarse_slides_and_other_types_are_refused(tmp_path):
    write(tmp_path / "coarse.tif", mpp=4.0)
    write(tmp_path / "deep.tif", mpp=0.5, dtype=np.uint16)
    faults = faults_of(tmp_path)
    assert len(faults) == 2
    assert any("4 µm per pixel: coarse.tif" in fault for fault in faults)
    assert any("3 channels of uint16: deep.tif" in fault for fault in faults)


def test_a_slide_cut_short_is_a_sample_that_will_fail(tmp_path):
    write(tmp_path / "whole.tif", mpp=0.5)
    content = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "short.svs").write_bytes(content[: len(content) // 3])
    found = found_in(tmp_path)
    assert [*found.damaged] == ["short.svs"] and len(found.samples) == 2


def test_labels_of_slides_are_refused():
    (fault,) = check_new_labels(STUDY, ["labels/a.geojson"])
    assert "the slides in the sample sheet" in str(fault)


@needs_real
def test_the_real_slide_without_a_pixel_size_is_named(tmp_path):
    (fault,) = faults_of(REAL)
    assert "TCGA-CR-7395-01A-01-TS1.svs" in fault and "CMU" not in fault
    assert faults_of(REAL / "CMU-1-Small-Region.svs") == []
    shutil.copy(REAL / "CMU-1-Small-Region.svs", tmp_path / "a.svs")
    (one,) = found_in(tmp_path).samples
    assert one.mpp == pytest.approx(0.499) and one.page is None
