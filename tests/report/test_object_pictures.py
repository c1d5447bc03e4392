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


def pictures_of(tmp_path, maps, activation, colors, *, objects):
    """Pictures of the worst image, by label, where a run has written `maps` (K, H, W)."""
    labels = np.array([[1, 1, 0, 0, 2, 2]] * 6, np.uint8)
    images.write(tmp_path / "targets/test-0/a.tif", labels)
    if objects:
        images.write(tmp_path / "targets/test-0/instances/a.tif", labels.astype(np.int32))
    images.write(tmp_path / "runs/main/u/seed-0/predictions/test-0/a.tif", maps)
    row = CaseRow("a", (0.5,), 0.5)
    cases = CaseInput("dice", "all", "test", True, runs=("U",), rows=(row,), colors=colors)
    run = RunInput(ExpectedRun("u", "main", 0, "U"), card={"run": "u", "activation": activation})
    shown = add_pictures(cases, tmp_path, [run])
    found = {picture.label: picture.webp for picture in shown.rows[0].pictures if picture.webp}
    return shown, {
        label: np.asarray(Image.open(io.BytesIO(webp)).convert("RGB"), int) for label, webp in found.items()
    }


@pytest.mark.parametrize(
    ("activation", "planes", "white"),
    [("softmax", 2, 1), ("sigmoid", 2, 0), ("sigmoid", 3, 0), ("sigmoid", 1, 0)],
)
def test_of_two_classes_the_second_is_white_of_outputs_the_first(tmp_path, activation, planes, white):
    maps = np.zeros((planes, 6, 6), np.float32)
    maps[white] = 0.9
    maps[white - 1] = 0.9 if planes == 1 else 0.1
    colors = {"background": "#000000", "cell": "#ffffff"}
    _, shown = pictures_of(tmp_path, maps, activation, colors, objects=False)
    assert abs(shown["best run: U"].mean() - 0.9 * 255) < 8


def test_objects_of_several_classes_are_shown_by_class_with_a_legend(tmp_path):
    colors = {"background": "#000000", "tumor": "#ff0000", "stroma": "#0000ff"}
    maps = np.zeros((3, 6, 6), np.float32)
    maps[2] = 1
    cases, shown = pictures_of(tmp_path, maps, "softmax", colors, objects=True)
    assert cases.colors == colors
    assert cases.objects
    assert shown["truth"][3, 0, 0] > shown["truth"][3, 0, 2] + 60
    assert shown["truth"][3, 5, 2] > shown["truth"][3, 5, 0] + 60
    assert shown["best run: U"][3, 3, 2] > 180
    two = dict(list(colors.items())[:2])
    cases, _ = pictures_of(tmp_path, maps[0], "sigmoid", two, objects=True)
    assert cases.colors == {}
