# SPDX-License-Identifier: MIT
"""Stages that give images and labels fewer pixels, each against the same stage with all pixels."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from microtome.config.modalities.objects import Targets
from microtome.io import images, views
from microtome.io.downsample import middle_of_squares
from microtome.stages.apply import Trained, apply_run
from microtome.stages.evaluate import evaluate_applied
from microtome.stages.images import import_images
from microtome.stages.objects import export_objects
from microtome.stages.score import score_external
from microtome.stages.targets import rasterize_targets
from microtome.workflow.states import applied as applied_states
from tests.io.volumes import mat, of_seg3d, write_nrrd
from tests.stages.objects import options
from tests.synthetic_nuclei import nuclei

FACTOR = 3
HEIGHT, WIDTH = 100, 77
CLASSES = [("normal", 0), ("nest", 2), ("ring", 5)]
VALUES = np.array([0, 2, 5, 7], np.uint8)
"""Those of the classes, and that of pixels without a label."""
LABEL = VALUES[np.random.default_rng(0).integers(0, 4, (HEIGHT // 5 + 1, WIDTH // 5 + 1))]
LABEL = np.kron(LABEL, np.ones((5, 5), np.uint8))[:HEIGHT, :WIDTH]
SEMANTIC = Targets().used | {"classes": CLASSES, "ignore": (7,)}
SQUARES = [(4, 6, 33, "nest"), (40, 20, 41, "ring"), (70, 60, 14, "nest")]
"""Row, column, side and class."""


def row(name="a", image="a.png", label=None, mpp=0.5):
    return {"sample": name, "image": image, "label": label, "page": None, "mpp": mpp}


def geojson(path, squares=SQUARES, kind="annotation"):
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]],
            },
            "properties": {"objectType": kind, "classification": {"name": name}},
        }
        for y, x, side, name in squares
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    """An image, and its label in every format."""
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(LABEL).save(tmp_path / "label.png")
    tifffile.imwrite(tmp_path / "label.tif", LABEL, tile=(32, 32), compression="zlib")
    write_nrrd(tmp_path / "label.nrrd", LABEL, packed=True)
    write_nrrd(tmp_path / "label.nhdr", LABEL)
    (tmp_path / "label.mat").write_bytes(mat({"label": LABEL}, packed=True))
    (tmp_path / "seg3d.mat").write_bytes(mat(of_seg3d(LABEL.astype(np.int8))))
    geojson(tmp_path / "label.geojson")
    return tmp_path


@pytest.mark.parametrize(
    ("stored", "dtype", "scale"),
    [
        ("uint8", None, 1),
        ("uint16", None, 200),
        ("uint16", "uint8", 257),
        ("float32", "uint8", 1 / 255),
        ("int64", None, 9),
    ],
)
def test_an_image_gets_its_type_before_it_gets_fewer_pixels(stored, dtype, scale, tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH))
    tifffile.imwrite(tmp_path / "a.tif", (levels * scale).astype(stored))
    chosen = {"dtype": dtype, "downsample": FACTOR}
    import_images([row(image="a.tif")], tmp_path, tmp_path / "out", **chosen)
    found = images.header(tmp_path / "out/a.tif")
    assert (found.height, found.width, found.mpp) == (HEIGHT // FACTOR, WIDTH // FACTOR, 0.5 * FACTOR)
    values = levels if dtype else levels * scale
    cut = values[: found.height * FACTOR, : found.width * FACTOR]
    means = cut.reshape(found.height, FACTOR, found.width, FACTOR).mean((1, 3))
    np.testing.assert_allclose(images.read(tmp_path / "out/a.tif"), means, atol=0.5 + 1e-6)


@pytest.mark.parametrize(
    "name", ["label.png", "label.tif", "label.nrrd", "label.nhdr", "label.mat", "seg3d.mat"]
)
def test_a_label_of_any_format_has_the_middle_pixels(name, folder):
    targets = {**SEMANTIC, "downsample": FACTOR}
    rasterize_targets([row(label=name)], folder, folder / "out", targets=targets)
    rasterize_targets([row(label="label.png")], folder, folder / "whole", targets=SEMANTIC)
    expected = middle_of_squares(images.read(folder / "whole/a.tif"), FACTOR)
    np.testing.assert_array_equal(images.read(folder / "out/a.tif"), expected)
    assert images.header(folder / "out/a.tif").mpp == 0.5 * FACTOR


def test_every_format_gives_the_same_target_with_all_pixels(folder):
    for name in ("label.tif", "label.nrrd", "label.nhdr", "label.mat", "seg3d.mat", "label.png"):
        rasterize_targets([row(label=name)], folder, folder / f"out-{name}", targets=SEMANTIC)
        found = images.read(folder / f"out-{name}/a.tif")
        np.testing.assert_array_equal(found, np.select([LABEL == 0, LABEL == 2, LABEL == 5], [0, 1, 2], 255))


def test_outlines_are_drawn_with_all_pixels(folder):
    targets = Targets(outside="normal", regions={"near": ["nest"], "ring": ["ring"]}).used
    targets |= {"classes": CLASSES, "ignore": (), "regions": [("near", ["nest"]), ("ring", ["ring"])]}
    given = [row(label="label.geojson")]
    rasterize_targets(given, folder, folder / "out", targets={**targets, "downsample": FACTOR})
    rasterize_targets(given, folder, folder / "whole", targets=targets)
    for name in ("a.tif", "regions/a.tif"):
        expected = middle_of_squares(images.read(folder / "whole" / name), FACTOR)
        assert len(np.unique(expected)) == 3
        np.testing.assert_array_equal(images.read(folder / "out" / name), expected)


def test_colours_have_the_middle_pixels(folder):
    table = np.zeros((256, 3), np.uint8)
    table[[0, 2, 5, 7]] = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (9, 9, 9)]
    Image.fromarray(table[LABEL]).save(folder / "colours.png")
    colors = [("normal", "#000000"), ("nest", "#ff0000"), ("ring", "#00ff00")]
    targets = {**SEMANTIC, "colors": colors, "ignore_colors": ("#090909",), "downsample": FACTOR}
    rasterize_targets([row(label="colours.png")], folder, folder / "out", targets=targets)
    expected = np.select([LABEL == 0, LABEL == 2, LABEL == 5], [0, 1, 2], 255)
    np.testing.assert_array_equal(images.read(folder / "out/a.tif"), middle_of_squares(expected, FACTOR))


def test_objects_have_the_middle_pixels_and_those_without_one_are_said(tmp_path, caplog):
    labels = nuclei(96, seed=3)
    labels[labels == 1] = 0
    labels[0, 0] = 1  # no middle of a square
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(labels.astype(np.uint16)).save(tmp_path / "label.png")
    targets = Targets(kind="instances").model_dump() | {"classes": [("background", 0), ("nucleus", 1)]}
    given = [row(label="label.png")]
    rasterize_targets(given, tmp_path, tmp_path / "out", targets={**targets, "downsample": 2})
    expected = middle_of_squares(labels, 2)
    np.testing.assert_array_equal(images.read(tmp_path / "out/instances/a.tif"), expected)
    np.testing.assert_array_equal(images.read(tmp_path / "out/a.tif"), expected > 0)
    assert "objects have no pixel left (data.downsample): 1" in caplog.text


@pytest.mark.parametrize("kind", [".", "instances", "shape_markers", "centre_markers", "separated_masks"])
def test_markers_are_those_of_objects_of_the_size_that_is_left(kind, tmp_path):
    small = nuclei(96, seed=3).astype(np.uint16)
    Image.fromarray(small).save(tmp_path / "small.png")
    Image.fromarray(small.repeat(2, 0).repeat(2, 1)).save(tmp_path / "large.png")
    targets = Targets(kind="instances").model_dump() | {"classes": [("background", 0), ("nucleus", 1)]}
    for name, more in (("small", {}), ("large", {"downsample": 2})):
        given = [row(label=f"{name}.png", image=f"{name}.png")]
        rasterize_targets(given, tmp_path, tmp_path / name, targets=targets | more)
    found = [images.read(tmp_path / name / kind / "a.tif") for name in ("small", "large")]
    assert found[0].any()
    np.testing.assert_array_equal(*found)


def test_outlines_for_qupath_lie_on_the_image_given(tmp_path):
    labels = np.zeros((40, 50), np.int32)
    labels[3:9, 5:20], labels[20:31, 30:44] = 1, 2
    classes = (labels > 0).astype(np.uint8)
    for name, array in (
        ("found/instances/a.tif", labels),
        ("found/a.tif", classes),
        ("images/a.tif", classes),
    ):
        images.write(tmp_path / name, array, mpp=2.0, labels=True)
    for factor in (1, 4):
        chosen = {"mpp": None, "class": "nest"} | ({"downsample": factor} if factor > 1 else {})
        export_objects(chosen, tmp_path / "found", tmp_path / "images", tmp_path / f"out-{factor}")
    one, four = (
        json.loads((tmp_path / f"out-{factor}/a.geojson").read_text())["features"] for factor in (1, 4)
    )
    for first, second in zip(one, four, strict=True):
        np.testing.assert_array_equal(
            np.array(second["geometry"]["coordinates"]), 4 * np.array(first["geometry"]["coordinates"])
        )
        assert first["properties"] == second["properties"]
    assert one[0]["properties"]["measurements"]["area_um2"] == 6 * 15 * 4


@pytest.mark.parametrize("kind", ["native", "reduced", "outlines", "nrrd"])
def test_what_another_tool_made_is_measured_with_the_pixels_of_targets(kind, folder):
    targets = {**Targets(outside="normal").used, "classes": CLASSES, "ignore": (), "downsample": FACTOR}
    rasterize_targets([row(label="label.geojson")], folder, folder / "targets", targets=targets)
    rasterize_targets(
        [row(label="label.geojson")], folder, folder / "whole", targets={**targets, "downsample": 1}
    )
    whole = VALUES[images.read(folder / "whole/a.tif")]
    path = folder / {"outlines": "label.geojson", "nrrd": "tool.nrrd"}.get(kind, "tool.png")
    if kind == "nrrd":
        write_nrrd(path, whole)
    elif kind != "outlines":
        Image.fromarray(whole if kind == "native" else VALUES[images.read(folder / "targets/a.tif")]).save(
            path
        )
    asked = {"study": "s", "run": "tool", "seed": 0, "images": ["a"], "groups": {"a": ""}}
    asked |= {"samples": {"main": {"a": "test"}}, "kind": "semantic", "convention": "pixel_centre"}
    asked |= {
        "classes": CLASSES,
        "metrics": ["overlap"],
        "thresholds": (0.5,),
        "betas": (),
        "mean_classes": (),
    }
    score_external(asked | {"downsample": FACTOR}, [path], [folder / "targets"], folder / "metrics.tsv")
    found = [line.split("\t") for line in (folder / "metrics.tsv").read_text().splitlines()]
    dice = [float(cells[-1]) for cells in found if cells[-2] == "dice"]
    assert dice == [1.0, 1.0, 1.0]


def test_a_run_sees_and_is_measured_on_fewer_pixels_of_new_images(found, tmp_path):
    """An image of squares of one colour is, with fewer pixels, the image of those colours."""
    name = "tile-003"
    plain = images.read(found.root / f"images/test-0/{name}.tif")
    truth = images.read(found.root / f"targets/test-0/instances/{name}.tif")
    (tmp_path / "new").mkdir()
    for place, array in ((f"{name}.tif", plain), (f"new/{name}.tif", plain.repeat(2, 0).repeat(2, 1))):
        tifffile.imwrite(tmp_path / place, array, photometric="rgb")
    for place, array in (("truth.tif", truth), ("new/truth.tif", truth.repeat(2, 0).repeat(2, 1))):
        tifffile.imwrite(tmp_path / place, array.astype(np.uint16))
    metrics = []
    for place, more in ((".", {}), ("new", {"downsample": 2})):
        there = tmp_path / place
        given = [row(name, (there / f"{name}.tif").as_posix(), (there / "truth.tif").as_posix(), mpp=None)]
        chosen = options(applied_states.apply(found.plan, "alone", 0, given)) | more
        chosen["objects"] |= more
        apply_run(chosen, Trained([found.runs["alone"]]), there / "applied", device="cpu", threads=1)
        asked = options(applied_states.evaluate_applied(found.plan, "main", "alone", 0, given))
        asked["targets"] |= more
        evaluate_applied(asked, there / "applied", there / "measured")
        metrics.append((there / "measured/metrics.tsv").read_text())
    for kind in ("images", "predictions", "segmentations"):
        maps = [views.read_map(tmp_path / place / f"applied/{kind}/{name}.tif") for place in (".", "new")]
        np.testing.assert_array_equal(*maps)
    assert metrics[0] == metrics[1]
    drawn = [(tmp_path / place / f"applied/objects/{name}.geojson").read_text() for place in (".", "new")]
    first, second = (json.loads(text)["features"][0]["geometry"]["coordinates"][0] for text in drawn)
    np.testing.assert_array_equal(2 * np.array(first), np.array(second))


def test_new_images_are_measured_by_their_pixel_size_and_labels_of_their_size(folder):
    size = (HEIGHT // FACTOR, WIDTH // FACTOR)
    rng, rows = np.random.default_rng(2), []
    for name, cut in (("a", 0), ("short", 1)):
        pixels = np.ones((HEIGHT, WIDTH), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
        Image.fromarray(VALUES[:3][LABEL % 3][: HEIGHT - cut]).save(folder / f"{name}-label.png")
        maps = rng.dirichlet(np.ones(3), size).transpose(2, 0, 1).astype(np.float32)
        images.write(folder / f"applied/predictions/{name}.tif", maps)
        images.write(folder / f"applied/segmentations/{name}.tif", maps.argmax(0).astype(np.uint8))
        files = {"image": f"{name}.png", "label": f"{name}-label.png"}
        rows.append(row(name) | {kind: str(folder / file) for kind, file in files.items()})
    asked = {"study": "s", "split": "main", "run": "r", "seed": 0, "metrics": ["fragmentation"]}
    asked |= {"classes": [name for name, _ in CLASSES], "thresholds": [0.5], "losses": {}, "samples": rows}
    asked |= {"targets": SEMANTIC | {"downsample": FACTOR}}
    evaluate_applied(asked, folder / "applied", folder / "out")
    assert images.header(folder / "out/targets/a.tif").mpp == pytest.approx(0.5 * FACTOR)
    measured = pd.read_csv(folder / "out/images.tsv", sep="\t")
    assert measured["status"].tolist() == ["done", "failed"]
    assert "found 99 rows x 77 columns, expected 100 rows" in measured["message"][1]
