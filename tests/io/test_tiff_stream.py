# SPDX-License-Identifier: MIT
"""The streaming pyramid, against tifffile, OpenSlide and the writer of whole arrays."""

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import openslide
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.io import images
from microtome.io.tiff_stream import PyramidWriter
from microtome.io.tiff_writer import halve

TILE = 32
PEAK = """
import resource, sys
import numpy as np
from pathlib import Path
from microtome.io.tiff_stream import PyramidWriter
rows = int(sys.argv[2])
band = np.random.default_rng(0).integers(0, 255, (1, 256, 4096)).astype(np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with PyramidWriter(Path(sys.argv[1]), (1, rows, 4096), np.uint8, mpp=1.0) as writer:
    for y in range(0, rows, 256):
        writer.write(y, band)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def smooth(shape, dtype, seed=0):
    """A map with a background of one value and some structure."""
    values = np.random.default_rng(seed).random(shape)
    values[:, : shape[1] // 2, : shape[2] // 2] = 0
    return values.astype(dtype) if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype)


def write(path, array, parts, **options):
    with PyramidWriter(path, array.shape, array.dtype, tile=TILE, **options) as writer:
        for y, x, height, width in parts:
            writer.write(y, array[:, y : y + height, x : x + width], x)


def bands(shape, height):
    return [(y, 0, min(height, shape[1] - y), shape[2]) for y in range(0, shape[1], height)]


def levels_of(path):
    with tifffile.TiffFile(path) as tiff:
        return [level.asarray() for level in tiff.series[0].levels]


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 131, 77), (3, 64, 200), (2, 5, 7)])
def test_every_level_is_the_mean_of_the_one_before_or_every_second_label(tmp_path, dtype, shape, labels):
    array = smooth(shape, dtype)
    write(tmp_path / "map.tif", array, bands(shape, 19), labels=labels)
    expected = array
    for level in levels_of(tmp_path / "map.tif"):
        np.testing.assert_array_equal(level.reshape(expected.shape), expected)
        expected = halve(expected, labels=labels)
    assert max(level.shape[-2:]) <= TILE // 2


def test_header_channels_and_windows_are_what_was_written(tmp_path):
    array = smooth((2, 100, 140), "uint8")
    write(tmp_path / "map.tif", array, bands(array.shape, 100), mpp=0.92, channels=["tumor", "stroma"])
    header = images.header(tmp_path / "map.tif")
    assert (header.height, header.width, header.channels, header.mpp) == (100, 140, 2, 0.92)
    assert images.channel_names(tmp_path / "map.tif") == ("tumor", "stroma")
    source = images.open_source(tmp_path / "map.tif")
    np.testing.assert_array_equal(source.read(31, 17, 40, 90), array[:, 31:71, 17:107])


def test_origin_and_unequal_pixel_sizes_are_in_the_metadata(tmp_path):
    array = smooth((1, 100, 140), "uint8")
    write(tmp_path / "map.tif", array, bands(array.shape, 64), mpp=(0.5, 0.25), origin=(1600.5, 1000.0))
    with tifffile.TiffFile(tmp_path / "map.tif") as tiff:
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
        tags = [page.tags["XResolution"].value for page in (tiff.pages[0], *tiff.pages[0].pages)]
    assert (pixels["PhysicalSizeY"], pixels["PhysicalSizeX"]) == (0.5, 0.25)
    assert (pixels["Plane"]["PositionY"], pixels["Plane"]["PositionX"]) == (1600.5, 1000)
    assert [top / bottom for top, bottom in tags] == pytest.approx([40_000, 20_000, 10_000, 5_000, 2_500])


def test_openslide_reads_pixels_and_pixel_size(tmp_path):
    array = smooth((1, 300, 500), "uint8")
    write(tmp_path / "map.tif", array, bands(array.shape, 50), mpp=0.9)
    with openslide.OpenSlide(tmp_path / "map.tif") as slide:
        assert slide.dimensions == (500, 300)
        assert float(slide.properties[openslide.PROPERTY_NAME_MPP_X]) == pytest.approx(0.9, rel=1e-4)
        np.testing.assert_array_equal(np.asarray(slide.read_region((0, 0), 0, (500, 300)))[..., 0], array[0])


@given(cuts=st.lists(st.integers(1, 89), max_size=4), columns=st.integers(1, 99), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_parts_order_and_memory_do_not_matter(tmp_path_factory, cuts, columns, seed):
    array, folder = smooth((2, 90, 100), "uint8"), tmp_path_factory.mktemp("maps")
    rows = sorted({0, *cuts, 90})
    parts = [
        (y, x, stop - y, width)
        for y, stop in itertools.pairwise(rows)
        for x, width in ((0, columns), (columns, 100 - columns))
    ]
    np.random.default_rng(seed).shuffle(parts)
    write(folder / "parts.tif", array, parts, open_bytes=1)
    write(folder / "whole.tif", array, [(0, 0, 90, 100)])
    assert (folder / "parts.tif").read_bytes() == (folder / "whole.tif").read_bytes()


def test_what_is_not_written_is_fill_and_costs_nothing(tmp_path):
    with PyramidWriter(tmp_path / "map.tif", (1, 100_000, 50_000), np.uint8, mpp=0.5) as writer:
        writer.write(16_000, np.full((1, 700, 900), 200, np.uint8), 10_000)
    assert (tmp_path / "map.tif").stat().st_size < 15e6
    source = images.open_source(tmp_path / "map.tif")
    window = source.read(15_999, 9_999, 3, 3)[0]
    assert window.tolist() == [[0, 0, 0], [0, 200, 200], [0, 200, 200]]


def test_a_fill_of_its_own_reaches_the_coarse_levels(tmp_path):
    with PyramidWriter(tmp_path / "map.tif", (1, 100, 100), np.uint8, tile=TILE, fill=9) as writer:
        writer.write(0, np.full((1, 1, 100), 9, np.uint8))
    assert all((level == 9).all() for level in levels_of(tmp_path / "map.tif"))


def test_an_error_leaves_nothing_behind(tmp_path):
    def broken():
        with PyramidWriter(tmp_path / "map.tif", (1, 100, 100), np.uint8) as writer:
            writer.write(0, np.zeros((1, 10, 100), np.uint8))
            msg = "the network failed"
            raise ValueError(msg)

    with pytest.raises(ValueError, match="the network failed"):
        broken()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("y", "x", "part", "message"),
    [
        (0, 0, np.zeros((1, 10, 10), np.float32), "convert"),
        (95, 0, np.zeros((1, 10, 10), np.uint8), "inside"),
        (-1, 0, np.zeros((1, 10, 10), np.uint8), "inside"),
        (0, 0, np.zeros((2, 10, 10), np.uint8), "inside"),
        (0, 0, np.zeros((1, TILE, TILE), np.uint8), "once more"),
    ],
)
def test_wrong_parts_are_refused(tmp_path, y, x, part, message):
    with PyramidWriter(tmp_path / "map.tif", (1, 100, 100), np.uint8, tile=TILE) as writer:
        writer.write(0, np.zeros((1, 64, 64), np.uint8))
        with pytest.raises(images.ImageError, match=message):
            writer.write(y, part, x)


@pytest.mark.parametrize(
    ("shape", "dtype", "options"),
    [
        ((1, 10, 10), "int64", {}),
        ((1, 0, 10), "uint8", {}),
        ((1, 10, 10), "uint8", {"mpp": 0}),
        ((1, 10, 10), "uint8", {"channels": ["a", "b"]}),
        ((1, 10, 10), "uint8", {"tile": 100}),
    ],
)
def test_wrong_options_are_refused(tmp_path, shape, dtype, options):
    with pytest.raises(images.ImageError, match=r"map\.tif: found"):
        PyramidWriter(tmp_path / "map.tif", shape, dtype, **options)


def test_memory_does_not_grow_with_the_rows(tmp_path):
    def peak(rows):
        arguments = [sys.executable, "-c", PEAK, str(tmp_path / f"{rows}.tif"), str(rows)]
        return int(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)

    assert peak(32_768) < 1.1 * peak(8_192)


def test_the_same_pixels_are_the_same_bytes_under_any_name(tmp_path):
    array = smooth((1, 90, 100), "float32")
    for name in ("a.tif", "b.tif"):
        write(tmp_path / name, array, bands(array.shape, 30), mpp=0.5, channels=["tumor"])
    first, second = (hashlib.sha256((tmp_path / f"{n}.tif").read_bytes()).digest() for n in "ab")
    assert first == second
