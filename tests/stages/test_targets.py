# SPDX-License-Identifier: MIT
"""From labels of objects to their class maps, numbers and markers."""

import json

import numpy as np
import pytest
from PIL import Image

from microtome.config.modalities.objects import Targets
from microtome.io import images
from microtome.objects import markers
from microtome.stages.targets import rasterize_targets
from microtome.tables.inputs import Inputs
from microtome.tables.parts.left_out import note
from tests.synthetic_nuclei import nuclei

SIZE = 72
CLASSES = [("background", 0), ("nucleus", 1)]
KINDS = (".", "instances", "shape_markers", "centre_markers", "separated_masks")
SQUARES = {1: (4, 4, 12, 14), 2: (20, 30, 33, 41), 3: (50, 3, 60, 20)}
"""Rows and columns of the first and behind the last pixel of each object."""


@pytest.fixture
def files(tmp_path):
    """Images and labels of objects, with a number that is left out."""
    labels = nuclei(SIZE, seed=3)
    labels[labels == 2] = 0
    for name, array in (("a", labels), ("b", labels.T[: SIZE - 9])):
        Image.fromarray(np.zeros((*array.shape, 3), np.uint8)).save(tmp_path / f"{name}.png")
        Image.fromarray(array.astype(np.uint16)).save(tmp_path / f"{name}-label.png")
    return tmp_path, {"a": labels, "b": labels.T[: SIZE - 9]}


def rows(*names, label="{}-label.png"):
    return [
        {
            "sample": name,
            "image": f"{name}.png",
            "label": label and label.format(name),
            "page": 0,
            "mpp": 0.25,
        }
        for name in names
    ]


def rasterize(folder, chosen, **options):
    targets = Targets(kind="instances", **options).model_dump() | {"classes": CLASSES}
    rasterize_targets(chosen, folder, folder / "out", targets=targets)
    return folder / "out"


def test_every_object_image_gets_five_maps(files):
    folder, labels = files
    out = rasterize(folder, rows("a", "b"))
    assert {path.name for path in out.iterdir()} == {"a.tif", "b.tif", *KINDS[1:]}
    for name, expected in labels.items():
        found = {kind: images.read(out / kind / f"{name}.tif") for kind in KINDS}
        assert np.array_equal(found["instances"], expected), "numbers stay as they are"
        assert np.array_equal(found["."], expected > 0)
        assert np.array_equal(found["shape_markers"], markers.shape_markers(expected, element="octagon"))
        assert np.array_equal(found["centre_markers"], markers.centre_markers(expected, radius=3))
        assert [found[kind].dtype for kind in KINDS] == [np.uint8, np.int32, np.uint8, np.uint8, np.uint8]
        assert np.array_equal(found["separated_masks"], (expected > 0) & ~markers.between(expected))
        for kind in KINDS[2:]:
            assert set(np.unique(found[kind])) == {0, 1}
        assert all(images.header(out / kind / f"{name}.tif").mpp == pytest.approx(0.25) for kind in KINDS)


@pytest.mark.parametrize(
    ("options", "kind", "make"),
    [
        ({"marker_element": "disk"}, "shape_markers", lambda n: markers.shape_markers(n, element="disk")),
        ({"gap": 2}, "separated_masks", lambda n: (n > 0) & ~markers.between(n, 2)),
        ({"centre_radius": 1}, "centre_markers", lambda n: markers.centre_markers(n, radius=1)),
    ],
)
def test_markers_are_made_as_the_study_says(files, options, kind, make):
    folder, labels = files
    found = images.read(rasterize(folder, rows("a"), **options) / f"{kind}/a.tif")
    assert np.array_equal(found, make(labels["a"]))
    other = images.read(rasterize(folder, rows("a")) / f"{kind}/a.tif")
    assert not np.array_equal(found, other)


def polygons(number, box):
    (top, left, bottom, right) = box
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def xml(shift=0.0):
    regions = "".join(
        f'<Region Id="{number}"><Vertices>'
        + "".join(f'<Vertex X="{x + shift}" Y="{y + shift}"/>' for x, y in polygons(number, box))
        + "</Vertices></Region>"
        for number, box in SQUARES.items()
    )
    return f'<Annotations><Annotation Id="1"><Regions>{regions}</Regions></Annotation></Annotations>'


def geojson():
    features = [
        {
            "type": "Feature",
            "properties": {},
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        }
        for ring in (polygons(number, box) for number, box in SQUARES.items())
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


@pytest.mark.parametrize(("suffix", "text"), [("xml", xml()), ("geojson", geojson())])
def test_outlines_are_drawn_at_the_size_of_the_image(files, suffix, text):
    folder, _ = files
    (folder / f"a.{suffix}").write_text(text, encoding="utf-8")
    found = images.read(rasterize(folder, rows("a", label=f"{{}}.{suffix}")) / "instances/a.tif")
    expected = np.zeros((SIZE, SIZE), np.int32)
    for number, (top, left, bottom, right) in SQUARES.items():
        expected[top:bottom, left:right] = number
    assert np.array_equal(found, expected)


def test_the_convention_decides_where_outlines_lie(files):
    """MATLAB's first pixel is at (1, 1): at a quarter of a pixel, an object lies one pixel up and left."""
    folder, _ = files
    (folder / "a.xml").write_text(xml(shift=0.75), encoding="utf-8")
    chosen = rows("a", label="{}.xml")
    matlab = images.read(rasterize(folder, chosen, convention="matlab") / "instances/a.tif")
    centre = images.read(rasterize(folder, chosen) / "instances/a.tif")
    assert centre.any()
    assert np.array_equal(matlab[:-1, :-1], centre[1:, 1:])


def test_images_without_a_label_are_passed_over(files):
    folder, _ = files
    out = rasterize(folder, [*rows("a"), *rows("b", label=None)])
    assert {path.name for path in out.iterdir()} == {"a.tif", *KINDS[1:]}
    with pytest.raises(ValueError, match="nothing was written"):
        rasterize(folder, rows("b", label=None))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.zeros((5, 6), np.uint16), r"b-label\.png: found 5 rows x 6 columns, expected 72 x 72"),
        (np.full((SIZE, SIZE), 255, np.uint8), r"b-label\.png: found a mask \(only the value 255"),
    ],
)
def test_a_label_that_does_not_fit_leaves_nothing(files, label, message):
    folder, _ = files
    Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save(folder / "b.png")
    Image.fromarray(label).save(folder / "b-label.png")
    with pytest.raises(ValueError, match=message):
        rasterize(folder, rows("a", "b"))
    assert not [path for path in folder.iterdir() if path.is_dir()]


def outline(rows, columns, **properties):
    ring = [[columns[0], rows[0]], [columns[1], rows[0]], [columns[1], rows[1]], [columns[0], rows[1]]]
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def test_outlines_that_are_no_objects_are_counted_and_said(files, caplog):
    folder, _ = files
    found = [outline((0, SIZE), (0, SIZE)), *(outline((r, b), (c, d)) for r, c, b, d in SQUARES.values())]
    (folder / "a-label.geojson").write_text(json.dumps(found), encoding="utf-8")
    out = rasterize(folder, rows("a", label="{}-label.geojson"))
    assert np.unique(images.read(out / "instances/a.tif")).tolist() == [0, 2, 3, 4]
    table = (out / "left_out.tsv").read_text(encoding="utf-8")
    assert table == "sample\treason\toutlines\na\tencloses others\t1\n"
    assert "a: 1 outlines are left out (encloses others)" in caplog.text
    assert note(Inputs(files={"labels": [out, out]})) == (
        "Outlines that are no labels: 2 (encloses others, in 2 images)."
    )
    assert note(Inputs(files={"labels": [folder]})) == ""


def test_an_object_on_half_of_the_image_is_suspicious(files, caplog):
    folder, labels = files
    rasterize(folder, rows("a"))
    assert "is it an object" not in caplog.text
    whole = labels["a"].copy()
    whole[: SIZE // 2 + 8] = 99
    Image.fromarray(whole.astype(np.uint16)).save(folder / "a-label.png")
    rasterize(folder, rows("a"))
    assert "a: object 99 of 'a-label.png' covers 61 % of the image; is it an object" in caplog.text
