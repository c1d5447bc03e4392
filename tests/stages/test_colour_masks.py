# SPDX-License-Identifier: MIT
"""Labels that are drawn in colours: every way to store them, and what is said of each that cannot be used."""

import numpy as np
import tifffile
import yaml
from imagecodecs import png_encode
from PIL import Image
from pytest import fixture, mark, raises

from microtome.class_maps import IGNORE
from microtome.config.study import Data
from microtome.faults import ConfigurationError
from microtome.io import images
from microtome.stages.targets import rasterize_targets
from microtome.study.headers import check_files
from microtome.study.sample import Sample
from tests.config.studies import load_study
from tests.workflow.workspace import own_study

COLORS = {"background": "#000000", "tumor": "#ff0000", "stroma": "#70309f"}
RGB = np.array([[[0, 0, 0], [255, 0, 0]], [[112, 48, 159], [255, 255, 255]]], np.uint8)
"""One pixel of each class, and one that is ignored."""
CLASSES = [[0, 1], [2, IGNORE]]
OPAQUE = np.full((2, 2, 1), 255, np.uint8)
TABLE = np.zeros((3, 256), np.uint16)
TABLE[:, :4] = RGB.reshape(4, 3).T.astype(np.uint16) * 257


def write_tiff(path, array, **options):
    tifffile.imwrite(path, array, **options)


def palette(path):
    picture = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2), mode="P")
    picture.putpalette(RGB.tobytes())
    picture.save(path)


WAYS = {
    "rgb.png": lambda path: Image.fromarray(RGB).save(path),
    "rgba.png": lambda path: Image.fromarray(np.dstack([RGB, OPAQUE])).save(path),
    "palette.png": palette,
    "deep.png": lambda path: path.write_bytes(png_encode(RGB.astype(np.uint16) * 257)),
    "rgb.bmp": lambda path: Image.fromarray(RGB).save(path),
    "rgb.tif": lambda path: write_tiff(path, RGB, photometric="rgb"),
    "planes.tif": lambda path: write_tiff(
        path, np.moveaxis(RGB, 2, 0), photometric="rgb", planarconfig="separate"
    ),
    "rgba.tif": lambda path: write_tiff(
        path, np.dstack([RGB, OPAQUE]), photometric="rgb", extrasamples=["unassalpha"]
    ),
    "palette.tif": lambda path: write_tiff(
        path, np.arange(4, dtype=np.uint8).reshape(2, 2), photometric="palette", colormap=TABLE
    ),
}


@fixture
def data():
    classes = list(COLORS)
    return Data(source="files", samples="s.tsv", classes=classes, colors=COLORS, ignore_colors=["#FFFFFF"])


def rasterize(folder, label, colors=COLORS, ignore=("#ffffff",)):
    targets = {"kind": "semantic", "colors": list(colors.items()), "ignore_colors": ignore}
    row = {"sample": "s", "image": "i.png", "label": label, "page": 0, "mpp": None}
    rasterize_targets([row], folder, folder / "out", targets=targets)
    return images.read(folder / "out" / "s.tif")


def at_dry_run(folder, label, data):
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(folder / "i.png")
    sample = Sample("s", f"{folder}/i.png", label=f"{folder}/{label}", row=2)
    return [str(fault) for fault in check_files([sample], folder / "s.tsv", data)]


@mark.parametrize("name", WAYS)
def test_every_way_to_store_colours_gives_the_same_classes(name, tmp_path, data):
    WAYS[name](tmp_path / name)
    assert at_dry_run(tmp_path, name, data) == []
    assert rasterize(tmp_path, name).tolist() == CLASSES


def test_a_list_of_classes_is_numbered(data):
    assert data.classes == {"background": 0, "tumor": 1, "stroma": 2}
    assert data.ignore_colors == ("#ffffff",), "capital letters are the same colour"


def test_what_the_header_tells_stops_the_dry_run(tmp_path, data):
    Image.fromarray(RGB).save(tmp_path / "x.jpg")
    Image.fromarray(RGB[..., 0]).save(tmp_path / "grey.png")
    (jpeg,), (grey,) = at_dry_run(tmp_path, "x.jpg", data), at_dry_run(tmp_path, "grey.png", data)
    assert "a JPEG; expected PNG or TIFF, as JPEG changes colours" in jpeg
    assert "found 1 channel in" in grey
    assert "expected 3 or 4 channels, or a colour table, as data.colors is given" in grey
    values = Data(source="files", samples="s.tsv", classes={"a": 0, "b": 1})
    Image.fromarray(RGB).save(tmp_path / "rgb.png")
    (fault,) = at_dry_run(tmp_path, "rgb.png", values)
    assert "save the label as a grey image, or say in data.colors which colour is which class" in fault


def test_unknown_colours_are_counted_beside_the_nearest_known_one(tmp_path):
    pixels = RGB.copy()
    pixels[0] = (250, 1, 3)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    told = (
        r"label 'x.png' of sample s holds 2 colours on 75.00% of its pixels that no class has: "
        r"#fa0103 \(2 pixels, "
        r"nearest tumor #ff0000\), #ffffff \(1 pixel, nearest stroma #70309f\); known are background"
    )
    with raises(ValueError, match=told):
        rasterize(tmp_path, "x.png", ignore=())


def test_a_smoothed_mask_is_told(tmp_path):
    ramp = np.zeros((1, 40, 3), np.uint8)
    ramp[0, :, 0] = np.arange(40)
    Image.fromarray(ramp).save(tmp_path / "x.png")
    with raises(ValueError, match=r"and 31 more; .* Many colours come of smoothing, resizing or JPEG"):
        rasterize(tmp_path, "x.png")


@mark.parametrize(
    ("array", "options", "told"),
    [
        (np.dstack([RGB, OPAQUE // 2]), {"extrasamples": ["unassalpha"]}, "4 pixels that are not opaque"),
        (RGB.astype(np.uint16), {}, "colours of type uint16, expected 8 bits a channel"),
        (RGB.astype(np.float32), {}, "colours of type float32"),
    ],
)
def test_what_is_no_plain_colour_is_refused(array, options, told, tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", array, photometric="rgb", **options)
    with raises(ValueError, match=told):
        rasterize(tmp_path, "x.tif")


@mark.parametrize(
    ("data", "told"),
    [
        (
            {"colors": {"membrane": "#000000"}},
            "data.colors: found no colour of cell; expected one",
        ),
        (
            {"colors": {"membrane": "#000000", "cell": "#000000"}},
            "data.colors: found the colour #000000 twice; expected each colour once",
        ),
        (
            {"colors": {"membrane": "#000000", "cell": "#0000ff", "cel": "#0000fe"}},
            "data.colors.cel: found 'cel'; expected 'cell'?",
        ),
        (
            {"colors": {"membrane": "#000000", "cell": None}},
            'found null; expected a colour in quotes, such as "#ff0000" (without quotes, YAML',
        ),
        ({"colors": {"membrane": "black", "cell": "#0000ff"}}, "found 'black'; expected a colour in quotes"),
        (
            {"ignore_colors": ["#ffffff"]},
            "data.ignore_colors: found ignored colours alone; expected",
        ),
        (
            {"colors": {"membrane": "#000000", "cell": "#0000ff"}, "ignore": [7]},
            "data.ignore: found values that are ignored; expected data.ignore_colors",
        ),
        ({"classes": ["a", "a"]}, "data.classes: found ['a', 'a']; expected each class once"),
    ],
)
def test_colours_that_do_not_fit_the_classes_are_faults(data, told, tmp_path):
    study = own_study()
    study["data"] |= data
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    with raises(ConfigurationError) as error:
        load_study("x", "demo", folder=tmp_path)
    assert any(told in str(fault) for fault in error.value.faults), [*map(str, error.value.faults)]
