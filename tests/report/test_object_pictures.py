# SPDX-License-Identifier: MIT
"""Thumbnails of a study of objects: RGB images, two outputs, maps of object ids."""

import io

import numpy as np
import pytest
from PIL import Image

from microtome.io import images
from microtome.report import thumbnails
from microtome.report.cases import add_pictures, index
from microtome.report.inputs import CaseInput, CaseRow, ExpectedRun, RunInput
from tests.synthetic_nuclei import BATCH, write_nuclei


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    write_nuclei(path, size=48)
    return path


def test_folders_of_objects_do_not_hide_the_classes(folder):
    assert index(folder / "targets")["n00"] == folder / f"targets/{BATCH}/n00.tif"
    assert index(folder / "targets", below="instances")["n00"].parent.name == "instances"
    assert index(folder / "nowhere") == {}


def test_objects_are_coloured_by_outcome():
    truth = np.array([[1, 1, 1, 0, 2, 2]])
    found = np.array([[4, 4, 0, 9, 0, 0]])
    shown = thumbnails.show_object_errors(found, truth)[0].tolist()
    expected = [thumbnails.MATCHED_COLOUR] * 2 + [thumbnails.RIGHT_COLOUR, thumbnails.EXTRA_COLOUR]
    assert shown == [list(colour) for colour in (*expected, *[thumbnails.MISSED_COLOUR] * 2)]
    with pytest.raises(ValueError):
        thumbnails.show_object_errors(found, truth.T)


def test_the_mask_is_shown_of_two_outputs(folder):
    path = folder / f"runs/published/shape/seed-0/predictions/{BATCH}/n00.tif"
    shown = thumbnails.show_probability(thumbnails.load_overview(path))
    mask = np.round(images.read(path)[..., 0] * 255)
    assert np.abs(shown[..., 0].astype(float) - mask).max() <= 1


def test_cases_show_objects(folder):
    run = ExpectedRun("shape", "published", 0, "Shape")
    cases = CaseInput(
        "aji", "all", "test", True, runs=("Shape",), run_means=(0.5,), rows=(CaseRow("n03", (0.5,), 0.5),)
    )
    shown = add_pictures(cases, folder, [RunInput(run, card={"run": "shape"})])
    pictures = {picture.label: picture for picture in shown.rows[0].pictures}
    assert not [picture.problem for picture in pictures.values() if picture.problem]
    errors = np.asarray(Image.open(io.BytesIO(pictures["errors of Shape"].webp)).convert("RGB")).astype(int)
    for colour in (thumbnails.MATCHED_COLOUR, thumbnails.MISSED_COLOUR):
        assert (np.abs(errors - colour).sum(axis=-1) < 60).any()
    image = np.asarray(Image.open(io.BytesIO(pictures["input"].webp)).convert("RGB")).astype(int)
    assert image[..., 0].mean() > image[..., 1].mean() + 20  # pink, not grey
