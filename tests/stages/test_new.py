# SPDX-License-Identifier: MIT
"""A new study of a folder: what is written is a study without faults, and says what it could not find out."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from microtome.io.envi import write_cube
from microtome.stages.new import new_study, report
from tests.slide_files import GLASS, stained, write_annotations, write_slide
from tests.stages.new_studies import (
    GPU,
    SIDE,
    SMALL,
    empty_project,
    make,
    plans,
    rows,
    study,
    write,
    write_tiles,
)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty folder that is the project."""
    return empty_project(tmp_path, monkeypatch)


def test_tiles_with_masks(tmp_path):
    make(write_tiles(tmp_path / "d", 12))
    found = study()
    assert found["data"]["root"] == (tmp_path / "d").as_posix()
    assert found["data"]["classes"] == {"background": 0, "foreground": 255}
    assert found["split"] == {"kind": "random", "sizes": {"train": 9, "val": 1, "test": 2}, "seed": 0}
    assert found["patches"] == {"size": 64, "stride": 64}
    assert [row["image"] for row in rows()][:2] == ["images/0.png", "images/1.png"]
    assert [row["label"] for row in rows()][:2] == ["masks/0.png", "masks/1.png"]
    full = plans()["full"]
    assert sorted(full.splits["main"].values()).count("test") == 2


def test_several_classes_learn_by_softmax(tmp_path):
    make(write_tiles(tmp_path / "d", 12, values=(0, 1, 2)))
    assert study()["defaults"]["loss"]["name"] == "ce_dice"
    assert plans()["demo"].study.runs["unet"].network.out_channels == 3


def test_few_patients_are_folds_and_the_demo_trains_once(tmp_path):
    make(write_tiles(tmp_path / "d", 6, name="P{}_a"))
    assert rows()[0]["patient"] == "P0"
    found = plans()
    assert (len(found["full"].splits), len(found["demo"].splits)) == (5, 1)


def test_values_that_mean_no_label_make_windows_of_what_is_labelled(tmp_path):
    make(write_tiles(tmp_path / "d", 12, values=(0, 1, 2, 255)))
    assert study()["data"]["ignore"] == [255]
    assert study()["patches"]["labelled"] == 0.01


def test_a_stack_of_pages_is_divided_in_stretches(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (12, SIDE, SIDE), dtype=np.uint8)
    (tmp_path / "d").mkdir()
    tifffile.imwrite(tmp_path / "d/volume.tif", base)
    tifffile.imwrite(tmp_path / "d/volume_labels.tif", (base > 99).astype(np.uint8) * 255)
    made = make(tmp_path / "d")
    assert made.draft.looked.kind == "stack"
    assert [(row["page"], row["part"]) for row in rows()][::4] == [
        ("0", "train"),
        ("4", "train"),
        ("8", "val"),
    ]
    assert [row["block"] for row in rows()][:4] == ["b0", "b0", "b0", "b1"]


def test_pages_without_a_label_are_left_out(tmp_path):
    pages = np.random.default_rng(0).integers(0, 256, (12, SIDE, SIDE), dtype=np.uint8)
    (tmp_path / "d").mkdir()
    tifffile.imwrite(tmp_path / "d/volume.tif", pages)
    tifffile.imwrite(tmp_path / "d/volume_labels.tif", (pages[:10] > 99).astype(np.uint8) * 255)
    made = make(tmp_path / "d")
    assert [row["page"] for row in rows()] == [str(page) for page in range(10)]
    assert "10 of 12 have one" in report(made)
    assert "volume.tif: 2 pages without a label" in report(made)


def test_a_label_of_one_page_is_not_that_of_a_stack(tmp_path):
    pages = np.random.default_rng(0).integers(0, 256, (12, SIDE, SIDE), dtype=np.uint8)
    (tmp_path / "d").mkdir()
    tifffile.imwrite(tmp_path / "d/volume.tif", pages)
    tifffile.imwrite(tmp_path / "d/volume_labels.tif", pages[0] // 128)
    said = report(make(tmp_path / "d"))
    assert "volume_labels.tif: a single page, where its image has 12" in said
    assert "none of 1 labels was found to be of an image" in said


def test_parts_of_folders_are_those_of_the_study(tmp_path):
    for part, count in (("train", 8), ("val", 2), ("test", 3)):
        write_tiles(tmp_path / "d" / part, count)
    make(tmp_path / "d")
    assert [row["part"] for row in rows()] == ["test"] * 3 + ["train"] * 8 + ["val"] * 2
    assert plans()["full"].splits["main"] == {row["sample"]: row["part"] for row in rows()}


def test_labels_of_no_image_are_said(tmp_path):
    root = write_tiles(tmp_path / "d", 4)
    for path in sorted((root / "masks").iterdir()):
        for name in ("tumor", "stroma"):
            (root / f"masks/{path.stem}_{name}.png").write_bytes(path.read_bytes())
        path.unlink()
    assert "none of 8 labels was found to be of an image by its name (0.png and 0_stroma.png, …)" in report(
        make(root)
    )


def test_pixels_of_several_sizes_are_asked_about(tmp_path):
    root = write_tiles(tmp_path / "d", 4)
    for number, path in enumerate(sorted((root / "images").iterdir())):
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
        per_um = 2 if number % 2 else 4
        tifffile.imwrite(
            path.with_suffix(".tif"),
            pixels,
            imagej=True,
            resolution=(per_um, per_um),
            metadata={"unit": "um"},
        )
        path.unlink()
    said = report(make(root))
    assert "pixel size 0.25 to 0.5 µm, as the files say" in said
    assert "whether pixels are of 0.25 to 0.5 µm" in said


def test_names_that_become_alike_stay_apart(tmp_path):
    names = ("a.png", "a.bmp", "a-2.png", "A 2.png")
    for name in names:
        write(tmp_path / "d/images" / name, np.zeros((SIDE, SIDE, 3), np.uint8))
    made = make(tmp_path / "d/images")
    assert len({row["sample"].casefold() for row in rows()}) == len(made.draft.looked.pictures) == 4


def test_numbered_slices_are_a_stack_by_their_likeness(tmp_path):
    rng = np.random.default_rng(0)
    volume = rng.normal(size=(14, 10, 10)).cumsum(axis=0)
    for number, (low, other) in enumerate(zip(volume, rng.normal(size=volume.shape), strict=True)):
        for name, array in (("alike", low), ("unlike", other)):
            pixels = np.clip(128 + 20 * array, 0, 255).astype(np.uint8).repeat(8, 0).repeat(8, 1)
            write(tmp_path / name / f"{number:02d}.png", pixels)
            write(tmp_path / name / f"{number:02d}_mask.png", np.where(pixels > 128, 255, 0).astype(np.uint8))
    kinds = [
        new_study(name, tmp_path / name, machine=SMALL).draft.looked.kind for name in ("alike", "unlike")
    ]
    assert kinds == ["stack", "tiles"]


def test_objects_get_a_watershed(tmp_path):
    root = write_tiles(tmp_path / "d", 10)
    for path in (root / "masks").iterdir():
        write(path, np.arange(1, 17, dtype=np.uint8).reshape(4, 4).repeat(SIDE // 4, 0).repeat(SIDE // 4, 1))
    make(root)
    assert study()["targets"] == {"kind": "instances"}
    assert study()["data"]["classes"] == ["background", "object"]
    assert plans()["full"].study.runs["objects"].segment.kind == "watershed"


def test_depth_is_that_of_the_camera(tmp_path):
    root = write_tiles(tmp_path / "d", 10, shape=(SIDE, SIDE))
    for path in (root / "images").iterdir():
        write(path, np.full((SIDE, SIDE), 4000, np.uint16))
    make(root)
    assert study()["defaults"]["input"]["scale"] == 4095


def test_many_images_have_a_small_sheet_for_the_demo(tmp_path):
    made = make(write_tiles(tmp_path / "d", 40))
    assert Path("config/samples/mine-demo.tsv") in made.files
    found = plans()
    assert (len(found["full"].samples), len(found["demo"].samples)) == (40, 32)


def test_images_without_labels_are_only_looked_at(tmp_path):
    root = write_tiles(tmp_path / "d", 4)
    made = make(root / "images")
    assert study()["split"] == {"kind": "none"}
    assert "runs" not in study()
    assert "--labels" in report(made)


def test_images_without_a_label_are_left_out_and_said(tmp_path):
    root = write_tiles(tmp_path / "d", 12)
    (root / "masks/3.png").unlink()
    made = make(root)
    assert len(rows()) == 11
    assert "11 of 12 have one" in report(made)
    assert "images/3.png: without a label" in report(made)


def test_a_gpu_gets_a_wider_network(tmp_path):
    make(write_tiles(tmp_path / "d", 12), GPU)
    assert study()["defaults"]["network"]["width"] == 64


def write_slides(root, count, *, mpp=2.0):
    """Two pieces of tissue each, the left one with a tumour."""
    for number in range(count):
        root.mkdir(exist_ok=True)
        nest = (150, 160, 64)
        left, right = stained(384, 512, (nest,), number), stained(384, 512, (), number)
        between = np.full((384, 160, 3), GLASS, np.uint8)
        write_slide(root / f"P{number}.svs", np.concatenate([left, between, right], axis=1), mpp=mpp)
        write_annotations(root / f"P{number}.geojson", {"Tumor": (nest,)})
    return root


def test_slides_get_sections_called_by_their_annotations(tmp_path):
    made = make(write_slides(tmp_path / "s", 4))
    assert made.draft.looked.kind == "slides"
    boxes = yaml.safe_load(Path("config/samples/mine/sections/P0.geojson").read_text(encoding="utf-8"))
    labels = [feature["properties"]["classification"]["name"] for feature in boxes["features"]]
    assert labels == ["Tumor", "background"]
    assert study()["slides"] == {"mpp": 2}
    assert "config/samples/mine/sections/" in [one.option for one in made.draft.questions]
    assert {row["part"] for row in rows()} == {"train", "val", "test"}


def test_slides_without_a_pixel_size_are_for_a_person_to_settle(tmp_path):
    made = new_study("mine", write_slides(tmp_path / "s", 4, mpp=None), machine=SMALL)
    assert made.faults
    assert all("mpp" in fault.where or "sections" in fault.where for fault in made.faults)
    assert "data.mpp" in report(made)


def write_cubes(root, count, *, top, labelled=True, blank=False):
    """Cubes of twenty bands, as bright as `top`, and their labels."""
    rng = np.random.default_rng(0)
    (root / "labels").mkdir(parents=True)
    for number in range(count):
        write_cube(root / f"c{number}.hdr", (rng.random((20, SIDE, SIDE)) * top).astype(np.uint16))
        if labelled:
            write(root / f"labels/c{number}.png", np.eye(SIDE, dtype=np.uint8))
    if blank:
        write_cube(root / "blank.hdr", np.full((20, SIDE, SIDE), top, np.uint16))
    return root


@pytest.mark.parametrize(
    ("top", "blank", "cubes"),
    [
        (10_500, False, {"calibrated": True, "scale": 10_000}),
        (98, False, {"calibrated": True, "scale": 100}),
        (4000, True, {"full_scale": 4095}),
        (60_000, True, {"full_scale": 65_535}),
    ],
)
def test_cubes_are_counts_where_they_have_a_blank(tmp_path, top, blank, cubes):
    make(write_cubes(tmp_path / "c", 12, top=top, blank=blank))
    found = study()
    assert found["cubes"] == {**cubes, "bands": {"method": "window", "width": 16}}
    assert found["defaults"]["view"] == "bands"
    assert found["defaults"]["network"]["in_channels"] == 16
    assert len(rows()) == 12
    assert plans()["demo"].study.runs["unet"].network.in_channels == 16


def test_objects_of_several_classes_vote_by_softmax(tmp_path):
    root = write_tiles(tmp_path / "d", 10)
    for path in list((root / "masks").iterdir()):
        squares = {"Tumor": [(5, 5, 20)], "Immune": [(40, 40, 20), (5, 50, 9)]}
        write_annotations(root / f"masks/{path.stem}.geojson", squares)
        text = (root / f"masks/{path.stem}.geojson").read_text(encoding="utf-8")
        (root / f"masks/{path.stem}.geojson").write_text(text.replace("annotation", "cell"), encoding="utf-8")
        path.unlink()
    make(root)
    assert study()["data"]["classes"] == ["background", "Immune", "Tumor"]
    run = plans()["full"].study.runs["objects"]
    assert (run.activation, run.segment.markers, run.outputs) == ("softmax", "distance", ("separated_mask",))


def test_the_camera_is_that_of_the_blank_too(tmp_path):
    root = write_cubes(tmp_path / "c", 12, top=900)
    write_cube(root / "blank.hdr", np.full((20, SIDE, SIDE), 3900, np.uint16))
    said = report(make(root))
    assert study()["cubes"]["full_scale"] == 4095
    assert "blank.img" not in said, "it belongs to a header that is used"


def test_headers_that_are_of_no_cube_leave_pictures_alone(tmp_path):
    root = write_tiles(tmp_path / "d", 4)
    (root / "images/light.hdr").write_bytes(b"#?RADIANCE\n")
    made = make(root)
    assert made.draft.looked.kind == "tiles"
    assert "light.hdr: cannot be read" in report(made)
