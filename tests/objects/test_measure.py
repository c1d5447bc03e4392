# SPDX-License-Identifier: MIT
"""Objects measured, outlined and exported."""

import json
import logging
import math
import os
import time
import uuid
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from shapely import get_coordinates
from shapely.geometry import Polygon
from skimage.draw import ellipse
from skimage.measure import label

from microtome import stain
from microtome.io import images
from microtome.io.annotations import read_polygons, ring_area
from microtome.objects import labels as instances
from microtome.objects import measure
from microtome.stages.objects import export_objects
from microtome.stages.stain import normalize_batch

relaxed = settings(deadline=None, max_examples=120)
DATA = Path(os.environ.get("MICROTOME_DATA", ""), "monuseg2018")
OPTIONS = {"mpp": 0.25, "class": "nucleus"}
MATRIX = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
MATRIX = MATRIX / np.linalg.norm(MATRIX, axis=1, keepdims=True)

label_maps = arrays(
    np.int32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 0, 1, 2, 7, 2**31 - 1]),
)
masks = arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 1))


def read_labels(*arguments, **options):
    return instances.load_instances(*arguments, **options).labels


# --- measurements


def test_a_rectangle():
    labels = np.zeros((20, 30), np.int32)
    labels[5:9, 10:22] = 3
    row = measure.measure(labels, mpp=0.5).iloc[0]
    assert row["id"] == 3
    assert (row["x_px"], row["y_px"], row["x_um"], row["y_um"]) == (16, 7, 8, 3.5)
    assert (row["area_px2"], row["area_um2"]) == (48, 12)
    assert row[["left_px", "top_px", "right_px", "bottom_px"]].tolist() == [10, 5, 22, 9]
    assert (row["solidity"], row["orientation_deg"]) == (1, 0)
    assert row["equivalent_diameter_px"] == pytest.approx(math.sqrt(4 * 48 / math.pi))
    assert row["major_axis_px"] == pytest.approx(4 * math.sqrt((12**2 - 1) / 12))
    for name in ("perimeter", "major_axis", "minor_axis", "equivalent_diameter"):
        assert row[f"{name}_um"] == pytest.approx(row[f"{name}_px"] / 2)


@pytest.mark.parametrize("angle", [0, 30, 90, 135, 170])
def test_orientation_is_counterclockwise_from_the_x_axis_on_the_screen(angle):
    """`ellipse` turns its long axis, which lies along x, counterclockwise on the screen."""
    labels = np.zeros((101, 101), np.int32)
    labels[ellipse(50, 50, 10, 40, rotation=np.deg2rad(angle))] = 1
    found = measure.measure(labels)["orientation_deg"][0]
    assert abs((found - angle + 90) % 180 - 90) < 1


@relaxed
@given(label_maps, st.integers(0, 9))
def test_means_and_areas_are_of_the_pixels_of_each_object(labels, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*labels.shape, 3), np.uint8)
    densities = rng.random((2, *labels.shape), np.float32)
    table = measure.measure(labels, image=image, densities=densities)
    numbers = np.unique(labels[labels > 0])
    assert table["id"].tolist() == numbers.tolist()
    assert table["area_px2"].tolist() == [(labels == n).sum() for n in numbers]
    means = {"red_mean": image[..., 0], "blue_mean": image[..., 2], "intensity_mean": image.mean(axis=2)}
    means |= {"hematoxylin_mean": densities[0], "eosin_mean": densities[1]}
    for name, values in means.items():
        assert table[name].tolist() == pytest.approx([values[labels == n].mean() for n in numbers])
    assert np.isfinite(table.drop(columns=["id"])).all(axis=None)
    assert table["orientation_deg"].between(0, 180, inclusive="left").all()


def test_a_map_without_objects_has_the_same_columns():
    labels = np.zeros((4, 5), np.uint8)
    arguments = {"image": np.zeros((4, 5, 3), np.uint8), "densities": np.zeros((2, 4, 5)), "mpp": 1.0}
    empty = measure.measure(labels, **arguments)
    assert len(empty) == 0
    assert list(empty) == list(measure.measure(labels + np.uint8(1), **arguments))
    assert measure.as_geojson(labels, empty) == {"type": "FeatureCollection", "features": []}


def test_no_pixel_size_no_micrometres():
    assert not [name for name in measure.measure(np.ones((3, 3), int)) if "um" in name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": np.zeros((3, 3))}, "found labels of float64"),
        ({"labels": np.full((3, 3), -1)}, "integers from 0 on"),
        ({"image": np.zeros((3, 4, 3), np.uint8)}, r"image of shape \(3, 4, 3\), expected \(3, 3, 3\)"),
        ({"densities": np.zeros((3, 3, 3))}, r"densities of shape \(3, 3, 3\), expected \(2, 3, 3\)"),
        ({"mpp": 0.0}, "mpp=0.0, expected a positive number"),
    ],
)
def test_what_cannot_be_measured(arguments, message):
    with pytest.raises(ValueError, match=message):
        measure.measure(**({"labels": np.ones((3, 3), int)} | arguments))


# --- outlines


def compact(labels):
    return np.unique(np.append(labels, 0), return_inverse=True)[1][:-1].reshape(labels.shape)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("objects") / "objects.geojson"


@relaxed
@given(label_maps)
def test_drawn_again_outlines_give_the_same_labels(scratch, labels):
    collection = measure.as_geojson(labels, measure.measure(labels))
    scratch.write_text(json.dumps(collection, allow_nan=False))
    found = instances.rasterize(read_polygons(scratch), labels.shape)
    assert (found.labels == compact(labels)).all()
    numbers, pixels = np.unique(labels[labels > 0], return_counts=True)
    assert list(found.areas.values()) == pixels.tolist()
    assert [feature["properties"]["name"] for feature in collection["features"]] == list(map(str, numbers))


@relaxed
@given(label_maps, st.floats(0.1, 4))
def test_simplified_outlines_stay_within_their_tolerance(labels, tolerance):
    exact, plain = measure.outlines(labels), measure.outlines(labels, tolerance=tolerance)
    assert list(plain) == list(exact)
    for number, outline in plain.items():
        assert outline.is_valid
        assert outline.boundary.hausdorff_distance(exact[number].boundary) <= tolerance + 1e-9
        assert set(get_coordinates(outline).ravel() % 1) <= {0.0}, "vertices stay on corners of pixels"
        assert len(get_coordinates(outline)) <= len(get_coordinates(exact[number]))


def test_a_disk_needs_few_vertices_and_its_file_says_what_it_is(tmp_path):
    labels = np.zeros((60, 60), np.int32)
    labels[ellipse(30, 30, 20, 20)] = 4
    images.write(tmp_path / "found/instances/a.tif", labels)
    images.write(tmp_path / "images/a.tif", np.zeros((60, 60), np.uint8))
    counts = []
    for tolerance in (0, 1):
        export_objects(
            OPTIONS | {"tolerance": tolerance}, tmp_path / "found", tmp_path / "images", tmp_path / "out"
        )
        text = (tmp_path / "out/a.geojson").read_text()
        (feature,) = json.loads(text)["features"]
        counts.append(len(feature["geometry"]["coordinates"][0]))
        area = feature["properties"]["measurements"]["area_px2"]
        assert area == (labels > 0).sum(), "measured on the pixels, whatever the outline"
    assert counts[1] < counts[0] / 3


def outlines(labels):
    """The rings of each part of each object, without the closing vertex."""
    return {
        number: [
            [list(ring.coords)[:-1] for ring in (part.exterior, *part.interiors)]
            for part in getattr(outline, "geoms", [outline])
        ]
        for number, outline in measure.outlines(labels).items()
    }


def edges_of(ring):
    """The unit edges of a ring."""
    found = []
    for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
        steps = int(abs(x2 - x1) + abs(y2 - y1))
        places = [(x1 + (x2 - x1) * k // steps, y1 + (y2 - y1) * k // steps) for k in range(steps + 1)]
        found += [frozenset(pair) for pair in pairwise(places)]
    return found


@relaxed
@given(masks)
def test_geometry_is_valid(mask):
    """Simple rings, no edge twice, a part for each 4-connected piece, a hole for each 8-connected gap."""
    (parts,) = outlines(mask).values() if mask.any() else [[]]
    edges = []
    for part in parts:
        for ring in part:
            assert len(set(ring)) == len(ring) >= 4
            vertices = [vertex for edge in edges_of(ring) for vertex in edge]
            assert set(map(vertices.count, set(vertices))) == {2}
            edges += edges_of(ring)
            turns = np.diff(np.array([*ring, *ring[:2]]), axis=0)
            assert ((turns[1:] * turns[:-1]) == 0).all()
            assert (turns[1:].any(axis=1) & ((turns[1:] != 0) != (turns[:-1] != 0)).all(axis=1)).all()
        outer, *holes = (np.array(ring, float) for ring in part)
        assert ring_area(outer) > sum(map(ring_area, holes))
    assert len(edges) == len(set(edges))
    assert len(parts) == ndimage.label(mask)[1]
    rings = [[ring_area(np.array(ring, float)) for ring in part] for part in parts]
    areas = [outer - sum(holes) for outer, *holes in rings]
    assert sorted(areas) == sorted(np.bincount(ndimage.label(mask)[0].ravel())[1:].tolist())


def test_diagonal_neighbours_are_parts_and_diagonal_gaps_are_holes():
    assert [len(parts) for parts in outlines(np.eye(2, dtype=int)).values()] == [2]
    plate = np.ones((4, 4), int)
    plate[1, 1] = plate[2, 2] = 0
    ((part,),) = outlines(plate).values()
    assert [len(ring) for ring in part] == [4, 4, 4]


def test_geometry_types_and_rings():
    labels = np.zeros((6, 8), int)
    labels[1:5, 1:5], labels[2:4, 2:4], labels[0, 7], labels[5, 7] = 1, 0, 2, 2
    one, two = measure.as_geojson(labels, measure.measure(labels))["features"]
    assert one["geometry"]["type"] == "Polygon"
    outer, hole = one["geometry"]["coordinates"]
    assert outer[0] == outer[-1]
    assert {tuple(vertex) for vertex in outer} == {(1, 1), (5, 1), (5, 5), (1, 5)}
    assert {tuple(vertex) for vertex in hole} == {(2, 2), (4, 2), (4, 4), (2, 4)}
    assert two["geometry"]["type"] == "MultiPolygon"
    assert len(two["geometry"]["coordinates"]) == 2


def test_features_as_qupath_reads_them():
    labels = np.pad(np.ones((3, 3), np.int32), 1)
    table = measure.measure(labels, densities=np.full((2, 5, 5), np.nan), mpp=0.25)
    (feature,) = measure.as_geojson(labels, table, classes=["Tumor"])["features"]
    properties = feature["properties"]
    assert feature["type"] == "Feature"
    assert properties["objectType"] == "detection"
    assert properties["classification"] == {"name": "Tumor", "color": [200, 0, 0]}
    assert properties["measurements"]["area_um2"] == 0.5625
    assert not {"id", "eosin_mean"} & set(properties["measurements"])
    assert all(type(value) is float for value in properties["measurements"].values())


def test_identifiers_are_fixed_and_differ():
    labels = np.array([[1, 0, 2]])
    table = measure.measure(labels)
    first, again, other = (
        [feature["id"] for feature in measure.as_geojson(labels, table, name=name)["features"]]
        for name in ("a", "a", "b")
    )
    assert first == again
    assert len({*first, *other}) == 4
    assert {uuid.UUID(name).version for name in first} == {5}


def test_rows_and_objects_must_match():
    labels = np.array([[1, 0, 2]])
    with pytest.raises(ValueError, match="found 2 objects and 1 rows"):
        measure.as_geojson(labels, measure.measure(labels).iloc[:1])


def test_a_thousand_nuclei_are_measured_and_outlined_one_by_one():
    labels = np.zeros((1000, 1000), np.int32)
    nucleus = np.hypot(*np.mgrid[-13:13, -13:13]) < 12
    for number in range(1000):
        y, x = 30 * np.array(divmod(number, 33))
        labels[y + 2 : y + 28, x + 2 : x + 28][nucleus] = number + 1
    start = time.process_time()
    table = measure.measure(labels, densities=np.ones((2, 1000, 1000), np.float32), mpp=0.25)
    measured = time.process_time()
    outlined = measure.as_geojson(labels, table)["features"]
    assert measured - start < 2
    assert time.process_time() - measured < 2
    areas = [Polygon(feature["geometry"]["coordinates"][0]).area for feature in outlined]
    assert len(table) == 1000
    assert areas == [nucleus.sum()] * 1000


# --- the stage


def stained(shape, seed=0):
    """RGB of two stains, hematoxylin on the left."""
    rng = np.random.default_rng(seed)
    amounts = rng.gamma(2, 0.2, (*shape, 2))
    half = shape[1] // 2
    amounts[:, :half, 1] *= 0.05
    amounts[:, half:, 0] *= 0.05
    return np.rint(255 * np.exp(-amounts @ MATRIX)).astype(np.uint8)


@pytest.fixture
def batch(tmp_path):
    """Segmentations and images of two samples."""
    labels = np.zeros((64, 64), np.int32)
    labels[5:20, 5:20], labels[30:50, 40:60] = 1, 2
    rgb = {"a": stained(labels.shape), "grey": np.full((64, 64, 3), 128, np.uint8)}
    for name, image in rgb.items():
        images.write(tmp_path / "segmentations/instances" / f"{name}.tif", labels)
        images.write(tmp_path / "images" / f"{name}.tif", images.as_channels_first(image))
    return tmp_path


def export(batch, **options):
    folder = batch / "objects"
    export_objects(OPTIONS, batch / "segmentations", batch / "images", folder, **options)
    return folder, {path.stem: pd.read_csv(path, sep="\t") for path in folder.glob("*.tsv")}


def test_a_batch_is_exported(batch, caplog):
    with caplog.at_level(logging.WARNING):
        folder, tables = export(batch)
    assert sorted(path.name for path in folder.iterdir()) == [
        "a.geojson",
        "a.tsv",
        "grey.geojson",
        "grey.tsv",
    ]
    left, right = tables["a"].to_dict("records")
    assert left["hematoxylin_mean"] > 5 * left["eosin_mean"]
    assert right["eosin_mean"] > 5 * right["hematoxylin_mean"]
    assert left["area_um2"] == 15**2 / 16
    assert tables["grey"]["eosin_mean"].isna().all()
    assert tables["grey"]["red_mean"].tolist() == [128, 128]
    assert "grey: stain densities are left empty" in caplog.text
    labels = read_labels(folder / "a.geojson", (64, 64))
    assert (labels == images.read(batch / "segmentations/instances/a.tif")).all()


def test_export_is_the_same_twice(batch):
    first = {path.name: path.read_bytes() for path in export(batch)[0].iterdir()}
    assert first == {path.name: path.read_bytes() for path in export(batch)[0].iterdir()}


def test_the_profile_that_an_image_had_tells_the_stains(batch):
    """What `normalize_stain` keeps of each image is read, not its report, which is for readers."""
    target = batch / "target.json"
    profile = stain.fit_target(stained((64, 64), 5), "spcn")
    target.write_text(json.dumps({"target": "t", "profile": profile.as_json()}))
    normalize_batch({"fallback": "target"}, target, batch / "images", batch / "stains")
    kept = batch / "stains/profiles/a.json"
    found = stain.profile_from_json(json.loads(kept.read_text()))
    assert found.warnings == stain.fit(images.read(batch / "images/a.tif")).warnings
    _, fitted = export(batch)
    (batch / "stains/a.json").write_text("{}")
    _, told = export(batch, stains=batch / "stains")
    assert told["a"]["eosin_mean"].tolist() == pytest.approx(fitted["a"]["eosin_mean"].tolist(), rel=1e-3)
    swapped = found.as_json() | {"stain_matrix": found.stain_matrix[::-1].tolist()}
    kept.write_text(json.dumps(swapped))
    _, told = export(batch, stains=batch / "stains")
    hematoxylin = fitted["a"]["hematoxylin_mean"].tolist()
    assert told["a"]["eosin_mean"].tolist() == pytest.approx(hematoxylin, rel=1e-2)


def test_a_segmentation_without_objects_is_told(batch):
    with pytest.raises(FileNotFoundError, match=r"set segment\.kind to one that finds objects"):
        export_objects(OPTIONS, batch / "images", batch / "images", batch / "objects")
    assert not (batch / "objects").exists()


def test_sizes_must_agree(batch):
    images.write(batch / "images/a.tif", np.zeros((3, 60, 64), np.uint8))
    with pytest.raises(ValueError, match=r"image of shape \(60, 64, 3\), expected \(64, 64, 3\)"):
        export(batch)


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="MICROTOME_DATA has no monuseg2018")
def test_monuseg_round_trip(scratch):
    labels = images.read(DATA / "train/labels/TCGA-NH-A8F7-01A-01-TS1.png").astype(np.int32)
    table = measure.measure(labels, mpp=0.25)
    scratch.write_text(json.dumps(measure.as_geojson(labels, table)))
    assert (read_labels(scratch, labels.shape) == labels).all()
    assert 10 < table["area_um2"].median() < 60
    assert label(labels, connectivity=2).max() >= len(table)
