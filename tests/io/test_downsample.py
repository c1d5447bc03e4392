# SPDX-License-Identifier: MIT
"""Images and labels with fewer pixels against scikit-image and exact fractions, by bands."""

import tracemalloc
from fractions import Fraction

import numpy as np
import tifffile
from PIL import Image
from pytest import fixture, mark, raises
from skimage.transform import downscale_local_mean

from microtome.io import downsample, images
from microtome.io.raster import ArraySource
from tests.io.volumes import mat, write_nrrd

SHAPE = (3, 101, 75)


@fixture
def bands(monkeypatch):
    """Bands of few rows, so that small images have several."""
    monkeypatch.setattr(downsample, "BAND_BYTES", 4000)


def noise(dtype, shape=SHAPE):
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def exact(array, factor):
    """Means over squares in whole numbers of any size, rounded half up."""
    channels, height, width = array.shape[0], array.shape[1] // factor, array.shape[2] // factor
    cut = array[:, : height * factor, : width * factor].astype(object)
    sums = cut.reshape(channels, height, factor, width, factor).sum((2, 4))
    rounded = [int((Fraction(one, factor**2) + Fraction(1, 2)).__floor__()) for one in sums.ravel()]
    return np.array(rounded).reshape(channels, height, width)


@mark.parametrize("factor", [2, 3, 4, 16, 17])
@mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32"])
def test_means_of_whole_numbers_are_exact(dtype, factor, bands, tmp_path):
    array = noise(dtype)
    downsample.write_reduced(tmp_path / "a.tif", ArraySource(array), factor, name="a", mpp=0.5)
    found = images.as_channels_first(images.read(tmp_path / "a.tif"))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, exact(array, factor))
    assert images.header(tmp_path / "a.tif").mpp == 0.5 * factor


@mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_brightest_squares_stay_the_brightest(dtype):
    for factor in (2, 16, 17, 64):
        white = np.full((1, 2 * factor, factor), np.iinfo(dtype).max, dtype)
        assert downsample.mean_of_squares(white, factor).tolist() == [[[np.iinfo(dtype).max]] * 2]


@mark.parametrize("dtype", ["float32", "uint8"])
def test_means_are_those_of_scikit_image(dtype, bands, tmp_path):
    array = noise(dtype)
    downsample.write_reduced(tmp_path / "a.tif", ArraySource(array), 4, name="a")
    expected = downscale_local_mean(array[:, :100, :72].astype(float), (1, 4, 4))
    found = images.as_channels_first(images.read(tmp_path / "a.tif"))
    np.testing.assert_allclose(found, expected, atol=0.5 if dtype == "uint8" else 1e-6)


def files(folder, label):
    """The same label in each format and layout."""
    Image.fromarray(label).save(folder / "a.png")
    tifffile.imwrite(folder / "plain.tif", label)
    tifffile.imwrite(folder / "tiled.tif", label, tile=(16, 32), compression="zlib")
    tifffile.imwrite(folder / "strips.tif", label, rowsperstrip=7, compression="zlib")
    turned = [(274, "H", 1, 6, True)]  # stored as it looks after a quarter turn
    tifffile.imwrite(folder / "turned.tif", np.rot90(label), tile=(16, 32), extratags=turned)
    write_nrrd(folder / "raw.nrrd", label)
    write_nrrd(folder / "packed.nrrd", label, packed=True)
    (folder / "a.mat").write_bytes(mat({"label": label}))
    (folder / "packed.mat").write_bytes(mat({"label": label}, packed=True))
    return sorted(folder.iterdir())


@mark.parametrize("factor", [2, 3, 4])
def test_every_format_gives_the_same_pixels(factor, bands, tmp_path):
    label = noise("uint8", SHAPE[1:])
    for path in files(tmp_path, label):
        source = images.open_source(path, palette="index", cache_bytes=0)
        found = downsample.read_reduced(source, factor, name=path)[0]
        rows, columns = (np.arange(length // factor) * factor + factor // 2 for length in label.shape)
        np.testing.assert_array_equal(found, label[np.ix_(rows, columns)], err_msg=path.name)
        downsample.write_reduced(tmp_path / "out.ome", source, factor, name=path)
        np.testing.assert_array_equal(
            images.read(tmp_path / "out.ome"), exact(label[None], factor)[0], path.name
        )


def test_each_tile_is_decoded_once(tmp_path, monkeypatch):
    label = noise("uint8", (1000, 700))
    tifffile.imwrite(tmp_path / "a.tif", label, tile=(48, 48), compression="zlib")
    source = images.open_source(tmp_path / "a.tif", cache_bytes=0)
    decoded = []
    own = source._decoded
    monkeypatch.setattr(
        source, "_decoded", lambda data, number, index: decoded.append(index) or own(data, number, index)
    )
    monkeypatch.setattr(downsample, "BAND_BYTES", 1)
    downsample.read_reduced(source, 4, name="a")
    assert len(decoded) == len(set(decoded)) == 21 * 15


def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(downsample, "BAND_BYTES", 2**16)
    peaks = []
    for rows in (2000, 8000):
        write_nrrd(tmp_path / "a.nrrd", np.zeros((rows, 1000), np.uint8), packed=True)
        source = images.open_source(tmp_path / "a.nrrd")
        tracemalloc.start()
        downsample.write_reduced(tmp_path / "a.tif", source, 4, name="a")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0] + 2**20, peaks


def test_what_is_smaller_than_a_square_is_refused(tmp_path):
    source = ArraySource(np.ones((1, 3, 9), np.uint8))
    with raises(images.ImageError, match=r"b\.png: found 3 x 9 pixels, expected at least 4 x 4"):
        downsample.read_reduced(source, 4, name="b.png")
    with raises(images.ImageError, match=r"b\.png: found 3 x 9 pixels"):
        downsample.write_reduced(tmp_path / "a.tif", source, 4, name="b.png")
    assert not list(tmp_path.iterdir())


def test_values_that_are_no_numbers_are_named_by_their_place(bands, tmp_path):
    array = np.ones((1, 101, 75), np.float32)
    array[0, 60, 7] = np.nan
    with raises(
        images.ImageError, match="1 values that are no finite numbers, the first in row 60, column 7"
    ):
        downsample.write_reduced(tmp_path / "a.tif", ArraySource(array), 4, name="b.tif")
    assert not list(tmp_path.iterdir())
