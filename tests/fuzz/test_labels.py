# SPDX-License-Identifier: MIT
"""Labels of classes, broken at random: masks in colours, outlines, stacks of NumPy, maps of MATLAB."""

import io
import json

import numpy as np
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from microtome.class_maps import IGNORE, colour_target
from microtome.config.features import Features
from microtome.datasets.consep import MAPS
from microtome.io import images
from microtome.io.annotations import AnnotationError, read_names
from microtome.io.errors import CubeError, ImageError
from microtome.io.matlab import read_maps
from microtome.io.stacks import open_stack, whole
from microtome.objects.features import load_classes, load_objects
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import as_json, edited, reshaped
from tests.io.test_annotations import HOLE, OUTER, feature

COLORS = {"background": "#000000", "tumor": "#ff0000"}
CLASSES = ["background", "tumor", "stroma"]
SHAPE = (24, 40)


def _bytes(save, *content, **options):
    file = io.BytesIO()
    save(file, *content, **options)
    return file.getvalue()


def _masks():
    """PNG with colours, with a table and transparency, and with alpha; TIFF with colours and with a table."""
    index = np.eye(9, dtype=np.uint8)
    rgb = np.stack([255 * index, 0 * index, 0 * index], -1)
    table = Image.fromarray(index, mode="P")
    table.putpalette([0, 0, 0, 255, 0, 0])
    pictures = [Image.fromarray(rgb), table, Image.fromarray(rgb).convert("RGBA")]
    png = [_bytes(lambda file, one: one.save(file, format="PNG"), one) for one in pictures]
    colormap = np.zeros((3, 256), np.uint16)
    colormap[0, 1] = 65535
    tiff = [
        _bytes(tifffile.imwrite, rgb, photometric="rgb"),
        _bytes(tifffile.imwrite, index, photometric="palette", colormap=colormap),
    ]
    return [*png, *tiff]


MASKS = _masks()
STACKS = [
    _bytes(np.save, array) for array in (np.ones((2, 3, 3, 6)), np.array(["a", "b"]), np.eye(3, dtype="<i4"))
]
PICKLED = _bytes(np.save, np.array([{}, None], dtype=object), allow_pickle=True)
INSTANCES, TYPES = np.arange(12.0).reshape(3, 4), np.ones((3, 4), np.uint8)
MATS = [
    _bytes(savemat, {"inst_map": INSTANCES, "type_map": TYPES}, do_compression=packed)
    for packed in (False, True)
]
TREES = (
    [
        feature(objectType="annotation", classification={"name": "tumor"}),
        feature(
            "MultiPolygon", [[OUTER, HOLE]], objectType="annotation", classification={"names": ["stroma"]}
        ),
        feature(objectType="detection", classification={"name": "Region*"}),
    ],
    {"type": "FeatureCollection", "features": [feature(object_type="cell", classification="stroma")]},
)
NAMES = (
    "properties",
    "classification",
    "name",
    "names",
    "objectType",
    "object_type",
    "id",
    "geometry",
    "coordinates",
)
ODD = (
    "tumor",
    "Region*",
    "PathCellObject",
    "annotation",
    ["tumor"],
    {"name": "tumor"},
    {"names": ["a", None]},
)


def test_the_seeds_are_sound(folder):
    path = folder / "x"
    for content in MASKS:
        path.write_bytes(content)
        assert colour_target(images.read(path, palette="colours"), COLORS).sum() == 9
    for content, dimensions in zip(STACKS, (4, 1, 2), strict=True):
        path.write_bytes(content)
        assert open_stack(path, dimensions=dimensions).size
    for content in MATS:
        path.write_bytes(content)
        assert read_maps(path, MAPS)["inst_map"].sum() == 66
    for tree in TREES:
        path.write_text(json.dumps(tree), encoding="utf-8")
        assert np.unique(_drawn(path)).size > 1


@fuzzed
@given(content=edited(MASKS, (b"PLTE", b"tRNS", b"IHDR", b"IDAT")))
def test_colour_masks_are_read_or_refused(content, folder):
    path = folder / "mask"
    path.write_bytes(content)
    with bounded(ImageError, ValueError):
        pixels = images.read(path, palette="colours")
        assert pixels.dtype == np.uint8
        assert pixels.shape[2:] == (3,)
        target = colour_target(pixels, COLORS, ignore=["#ffffff"])
        assert set(np.unique(target)) <= {0, 1, IGNORE}


def _drawn(path):
    """The class map of outlines by all ways to choose and to draw them."""
    read_names(path)
    chosen = Features(unclassified="skip", names={"a": "tumor"})
    load_objects(path, SHAPE, chosen, classes=CLASSES)
    options = {"classes": CLASSES, "outside": IGNORE}
    return load_classes(path, SHAPE, chosen, order="area", **options)[0]


@fuzzed
@given(
    content=st.one_of(
        edited([*map(as_json, TREES)], (b'"name": "tumor",',)), reshaped(TREES, NAMES, ODD).map(as_json)
    )
)
def test_classes_of_outlines_are_drawn_or_refused(content, folder):
    path = folder / "a.geojson"
    path.write_bytes(content)
    with bounded(AnnotationError):
        target = _drawn(path)
        assert target.shape == SHAPE
        assert set(np.unique(target)) <= {0, 1, 2, IGNORE}


@fuzzed
@given(content=edited([*STACKS, PICKLED], (b"'|O'", b"'<f8'", b"(2, 3,", b"True", b"\x80\x04", b"'<U9'")))
def test_stacks_are_opened_or_refused(content, folder):
    path = folder / "a.npy"
    path.write_bytes(content)
    with bounded(ImageError):
        array = open_stack(path, dimensions=4)
        assert array.ndim == 4
        assert array.dtype != object
        if array.dtype.kind in "buif":
            assert whole(path, np.asarray(array[0]), most=9).max() <= 9


@fuzzed
@given(content=edited(MATS, (b"inst_map", b"type_map", b"MATLAB 5.0 MAT-file", b"\x0e\0\0\0")))
def test_maps_of_matlab_are_read_or_refused(content, folder):
    path = folder / "a.mat"
    path.write_bytes(content)
    with bounded(CubeError):
        found = read_maps(path, MAPS)
        assert {array.shape for array in found.values()} == {found["inst_map"].shape}
