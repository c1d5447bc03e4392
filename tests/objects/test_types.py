# SPDX-License-Identifier: MIT
"""Classes of objects: in targets, from maps to segmentations, into files, and how they are measured."""

import json

import numpy as np
import pandas as pd
from PIL import Image
from pytest import approx, fixture, mark, raises
from scipy.ndimage import label

from microtome.config.modalities.objects import Targets
from microtome.config.prediction import Watershed
from microtome.io import images
from microtome.io.raster import ArraySource
from microtome.metrics.families import instances
from microtome.metrics.families._context import Context
from microtome.objects.types import class_map, vote, vote_of_maps
from microtome.stages.objects import export_objects
from microtome.stages.segment import segment_batch
from microtome.stages.targets import rasterize_targets
from microtome.tables.inputs import Inputs
from microtome.tables.kinds import instance_data, panoptic_classes
from tests.objects.test_features import box
from tests.tables.test_objects import record

CLASSES = ["background", "tumor", "stroma"]
VALUES = [("background", 0), ("tumor", 10), ("stroma", 20)]
SHAPE = (48, 64)
MEASURED = ("truth_objects", "predicted_objects", "iou_sum", "pq")
SQUARES = {7: (4, 4, 14, 1), 9: (4, 30, 12, 2), 300: (30, 10, 12, 1)}
"""Number of an object to row, column, side and class."""


def drawn(of=None):
    """Numbers and classes of the squares."""
    labels, types = np.zeros(SHAPE, np.int32), np.zeros(SHAPE, np.uint8)
    for number, (row, column, side, index) in SQUARES.items():
        labels[row : row + side, column : column + side] = number
        types[row : row + side, column : column + side] = (of or {}).get(number, index)
    return labels, types


@fixture
def files(tmp_path):
    labels, types = drawn()
    Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(tmp_path / "i.png")
    Image.fromarray(labels.astype(np.uint16)).save(tmp_path / "l.png")
    Image.fromarray(types * 10).save(tmp_path / "t.png")
    return tmp_path


def rasterize(folder, label, types=None):
    targets = Targets(kind="instances").model_dump() | {"classes": VALUES}
    row = {"sample": "s", "image": "i.png", "label": label, "types": types, "page": 0, "mpp": 0.25}
    rasterize_targets([row], folder, folder / "out", targets=targets)
    return images.read(folder / "out/s.tif"), images.read(folder / "out/instances/s.tif")


def test_a_map_of_classes_says_of_which_class_numbered_objects_are(files):
    types, labels = rasterize(files, "l.png", "t.png")
    assert np.array_equal(labels, drawn()[0])
    assert np.array_equal(types, drawn()[1])


def test_the_class_is_that_of_most_pixels(files):
    _, types = drawn()
    types[4:18, 4:10] = 2  # 84 of the 196 pixels of the first
    types[5:10, 31:36] = 0
    Image.fromarray(types * 10).save(files / "t.png")
    assert np.array_equal(rasterize(files, "l.png", "t.png")[0], drawn()[1])


def test_touching_objects_of_a_class_lie_apart_in_separated_masks(files):
    labels, types = drawn()
    labels[4:18, 18:30], types[4:18, 18:30] = 8, 1  # between 7 and 9
    Image.fromarray(labels.astype(np.uint16)).save(files / "l.png")
    Image.fromarray(types * 10).save(files / "t.png")
    whole, _ = rasterize(files, "l.png", "t.png")
    apart = images.read(files / "out/separated_masks/s.tif")
    assert np.array_equal(whole, types)
    assert label(apart > 0)[1] == 4
    changed = np.argwhere(apart != types)
    assert set(changed[:, 1].tolist()) == {17, 18, 29, 30}, "a pixel on either side"
    assert (apart[4:16, [17, 18, 29, 30]] == 0).all()


def test_outlines_bring_their_classes(files):
    features = [box(c, r, c + side, r + side, name=CLASSES[k]) for r, c, side, k in SQUARES.values()]
    (files / "l.geojson").write_text(json.dumps(features), encoding="utf-8")
    types, labels = rasterize(files, "l.geojson")
    assert np.array_equal(types, drawn()[1])
    assert np.unique(labels).tolist() == [0, 1, 2, 3]


@mark.parametrize(
    ("types", "told"),
    [
        (None, "numbers objects of 2 classes without saying theirs; name a map of classes in column 'types'"),
        (np.zeros(SHAPE, np.uint8), "is background at 3 objects: 7, 9, 300; give each a class"),
        (np.zeros((5, 5), np.uint8), r"has shape \(5, 5\), its label \(48, 64\)"),
        (np.full(SHAPE, 3, np.uint8), r"map of classes 't.png' of sample s holds the value 3"),
    ],
)
def test_objects_without_a_class_are_refused(types, told, files):
    if types is not None:
        Image.fromarray(types).save(files / "t.png")
    with raises(ValueError, match=told):
        rasterize(files, "l.png", None if types is None else "t.png")


def test_large_numbers_take_no_more_memory_than_small_ones():
    labels, types = drawn()
    large = np.where(labels == 300, 2**31 - 1, labels).astype(np.int32)
    assert np.array_equal(class_map(large, {7: 1, 9: 2, 2**31 - 1: 1}), types)
    assert np.array_equal(class_map(labels, {7: 1, 9: 2, 300: 1, 4000: 2}), types), "objects without a pixel"


def maps(labels, types, certainty=0.9):
    """Probabilities (3, H, W) of given objects."""
    found = np.full((3, *SHAPE), (1 - certainty) / 2, np.float32)
    for index in range(3):
        found[index][types == index] = certainty
    return found


def test_a_pixel_votes_for_its_most_probable_class_of_objects():
    labels, types = drawn()
    probability = maps(labels, types)
    probability[:, 4:18, 4:8] = np.array([0.8, 0.05, 0.15])[
        :, None, None
    ]  # background by a hair, else stroma
    assert vote_of_maps(labels, ArraySource(probability)) == {7: 1, 9: 2, 300: 1}
    probability[:, 4:18, 4:12] = np.array([0.8, 0.05, 0.15])[:, None, None]
    assert vote_of_maps(labels, ArraySource(probability)) == {7: 2, 9: 2, 300: 1}
    assert vote(labels, np.zeros(SHAPE, np.uint8), 3) == {7: 0, 9: 0, 300: 0}


@mark.parametrize(
    "options",
    [
        {"markers": "eroded"},
        {"markers": "distance"},
        {"markers": "eroded", "flooding": "rings", "reach": 8, "tile": 32},
    ],
)
def test_a_watershed_of_class_maps_gives_objects_of_classes(options, tmp_path):
    labels, types = drawn()
    images.write(tmp_path / "maps/s.tif", maps(labels, types), mpp=0.5)
    options = Watershed(kind="watershed", dilation_radius=0, **options).model_dump()
    segment_batch(options | {"activation": "softmax"}, tmp_path / "maps", tmp_path / "out")
    found = images.read(tmp_path / "out/instances/s.tif")
    assert np.array_equal(found > 0, labels > 0)
    assert len(np.unique(found)) == 4
    assert np.array_equal(images.read(tmp_path / "out/s.tif"), types)


def test_classes_go_into_geojson_and_table(tmp_path):
    labels, types = drawn()
    images.write(tmp_path / "seg/s.tif", types)
    images.write(tmp_path / "seg/instances/s.tif", labels)
    images.write(tmp_path / "img/s.tif", np.zeros((3, *SHAPE), np.uint8))
    options = {"mpp": 0.5, "class": "stroma", "classes": CLASSES}
    export_objects(options, tmp_path / "seg", tmp_path / "img", tmp_path / "out")
    features = json.loads((tmp_path / "out/s.geojson").read_text(encoding="utf-8"))["features"]
    named = {int(f["properties"]["name"]): f["properties"]["classification"]["name"] for f in features}
    assert named == {7: "tumor", 9: "stroma", 300: "tumor"}
    colors = {tuple(f["properties"]["classification"]["color"]) for f in features}
    assert colors == {(86, 180, 233), (230, 159, 0)}, "those of figures, where the background is black"
    assert all("class" not in f["properties"]["measurements"] for f in features)
    table = pd.read_csv(tmp_path / "out/s.tsv", sep="\t")
    assert dict(zip(table["id"], table["class"], strict=True)) == named


def measured(found_of, *, moved=0):
    truth, classes = drawn()
    labels, types = drawn(found_of)
    labels, types = np.roll(labels, moved, 1), np.roll(types, moved, 1)
    context = Context(
        classes,
        types[None].astype(np.float32),
        types,
        CLASSES,
        truth_instances=truth,
        segmented_instances=labels,
    )
    return {(m.class_name, m.metric): m.value for m in instances.measure(context)}


def test_an_object_matches_objects_of_its_class_alone():
    found = measured({300: 2})
    assert found["all", "pq"] == 1, "of objects whatever their class"
    assert found["tumor", "pq"] == approx(1 / 1.5)
    assert found["stroma", "pq"] == approx(1 / 1.5)
    assert found["all", "mpq"] == approx(1 / 1.5)
    assert found["tumor", "iou_sum"] == 1
    moved = measured({}, moved=2)
    assert moved["stroma", "iou_sum"] == approx(10 / 14)
    assert moved["tumor", "pq"] == approx((12 / 16 + 10 / 14) / 2)


def test_mpq_is_over_the_classes_that_the_truth_has():
    """PanNuke leaves out a class without true objects in an image, found ones or not."""
    truth, _ = drawn()
    types = (truth > 0).astype(np.uint8)
    found = types.copy()
    found[truth == 300] = 2
    context = Context(types, found[None], found, CLASSES, truth_instances=truth, segmented_instances=truth)
    values = {(m.class_name, m.metric): m.value for m in instances.measure(context)}
    assert values["stroma", "pq"] == 0
    assert values["all", "mpq"] == values["tumor", "pq"] == approx(0.8)


def test_both_ways_of_averaging_stand_in_the_table():
    """Image a: 1 of 1 tumor at IoU 1, 1 stroma missed; b: 3 tumors found, 1 true of IoU 0.8; no stroma."""
    values = {
        ("a", "tumor"): (1, 1, 1.0, 1.0),
        ("a", "stroma"): (1, 0, 0.0, 0.0),
        ("b", "tumor"): (1, 3, 0.8, 0.4),
        ("b", "stroma"): (0, 1, 0.0, 0.0),
    }
    base = record("r", {"a": 0.5, "b": 0.4}, metric="mpq")
    rows = [
        base.metrics.iloc[0].to_dict() | {"sample": sample, "class": name, "metric": metric, "value": value}
        for (sample, name), numbers in values.items()
        for metric, value in zip(
            ("truth_objects", "predicted_objects", "iou_sum", "pq"), numbers, strict=True
        )
    ]
    metrics = pd.concat([base.metrics, pd.DataFrame(rows)], ignore_index=True)
    run = type(base)(**{**vars(base), "metrics": metrics})
    frame = panoptic_classes.tabulate(Inputs(runs=[run], classes=tuple(CLASSES))).frame.set_index("class")
    assert frame["truth_objects"].to_dict() == {"tumor": 2, "stroma": 1, "all": 3}
    assert frame["pq"].to_dict() == approx({"tumor": 0.7, "stroma": 0.0, "all": 0.45})
    tumor = 1.8 / (2 + 0.5 * 2)  # sum of IoUs / (TP + FP / 2 + FN / 2), TP 2, FP 2, FN 0
    assert frame["pq_plus"].to_dict() == approx({"tumor": tumor, "stroma": 0.0, "all": tumor / 2})


def test_the_data_table_counts_the_objects_of_each_class(files):
    rasterize(files, "l.png", "t.png")
    (files / "main.tsv").write_text("sample\tpart\ns\ttrain\n", encoding="utf-8")
    given = {"labels": [files / "out"], "splits": [files / "main.tsv"]}
    frame = instance_data.tabulate(Inputs(classes=tuple(CLASSES), files=given)).frame
    assert frame[["objects", "objects_tumor", "objects_stroma"]].to_numpy().tolist() == [[3, 2, 1]] * 2
    two = instance_data.tabulate(Inputs(classes=("background", "nucleus"), files=given)).frame
    assert not [column for column in two if column.startswith("objects_")]
