# SPDX-License-Identifier: MIT
"""Marker watershed tile by tile: the same numbers as of the whole image, in memory that goes by the tile."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from microtome.config.prediction import Watershed
from microtome.io import images
from microtome.io.images import ArraySource
from microtome.objects.watershed import separate, separate_tiled
from microtome.objects.watershed.tiles import number_components
from tests.objects.test_watershed import EIGHT, noise, tissue

TILED = Watershed(flooding="rings", reach=24, tile=32)


def changed(settings, **changes):
    return Watershed(**settings.model_dump() | changes)


@given(st.integers(0, 10**6), st.integers(1, 70), st.data())
@settings(max_examples=25, deadline=None)
def test_tiles_equal_the_whole_image(seed, tile, data):
    """Random maps, tiles of any size, steps that look near or far: objects lie on every seam."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(8, 70, 2))
    tile = max(tile, max(shape) // 6)
    mask, marker = noise(rng, shape, rng.uniform(1, 4)), noise(rng, shape, rng.uniform(1, 3))
    chosen = Watershed(
        mask_threshold=rng.uniform(0.1, 0.6),
        marker_threshold=rng.uniform(0.5, 0.75),
        min_mask_area=data.draw(st.integers(0, 12)),
        min_marker_area=data.draw(st.integers(0, 8)),
        min_object_area=data.draw(st.integers(0, 12)),
        max_hole_area=data.draw(st.integers(0, 14)),
        dilation_radius=data.draw(st.integers(0, 2)),
        scope=data.draw(st.sampled_from(["image", "component"])),
        markers=data.draw(st.sampled_from(["predicted", "eroded"])),
        flooding="rings",
        reach=data.draw(st.integers(1, 30)),
    )
    whole = separate(mask, marker, chosen)
    assert np.array_equal(separate(mask, marker, changed(chosen, tile=tile)), whole)


@pytest.mark.parametrize("tile", [17, 32, 50, 200])
@pytest.mark.parametrize("markers", ["predicted", "eroded"])
def test_touching_objects_on_seams(tile, markers):
    mask, marker, _ = tissue(1, shape=(130, 170), cells=70)
    chosen = changed(TILED, tile=tile, markers=markers)
    whole = separate(mask, marker, changed(chosen, tile=None))
    assert whole.max() > 10
    assert np.array_equal(separate(mask, marker, chosen), whole)


def test_an_object_across_all_tiles_has_one_number():
    mask = np.zeros((70, 90), np.float32)
    mask[10:60:12, 3:87] = mask[10:60, 40:46] = 0.9
    mask = ndimage.maximum_filter(mask, 3)
    found = separate(mask, mask * 0, changed(TILED, tile=16))
    assert set(np.unique(found)) == {0, 1}


@pytest.mark.parametrize("tile", [1, 2, 3, 5, 8, 30])
@pytest.mark.parametrize("density", [0.0, 0.2, 0.4, 0.6, 1.0])
def test_components_are_numbered_as_in_the_whole(tile, density):
    binary = np.random.default_rng(int(density * 10)).random((19, 23)) < density
    numbers = np.full(binary.shape, -1, np.int32)
    count = number_components(binary, numbers, tile)
    expected, objects = ndimage.label(binary, EIGHT)
    assert count == objects
    assert np.array_equal(numbers, expected)


def test_a_file_is_read_by_windows_and_the_result_lies_in_the_scratch_folder(tmp_path):
    mask, marker, _ = tissue(4)
    images.write(tmp_path / "map.tif", np.stack((mask, marker)))
    found = separate_tiled(images.open_source(tmp_path / "map.tif"), TILED, scratch=tmp_path)
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, separate(mask, marker, TILED))


class Endless:
    """A tall image that repeats one tile of tissue, made when it is read."""

    def __init__(self, repeats):
        self.block = np.stack(tissue(2, shape=(64, 128), cells=30)[:2])
        self.shape, self.dtype = (2, 64 * repeats, 128), self.block.dtype

    def read(self, y, x, height, width):
        return np.take(self.block, np.arange(y, y + height) % 64, axis=1)[..., x : x + width]


def peak_of(source, chosen, folder):
    folder.mkdir()
    tracemalloc.start()
    found = separate_tiled(source, chosen, scratch=folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, int(found.max())


def test_memory_does_not_grow_with_the_image(tmp_path):
    chosen = changed(TILED, reach=16, tile=128)
    low, few = peak_of(Endless(8), chosen, tmp_path / "low")
    high, many = peak_of(Endless(32), chosen, tmp_path / "high")
    assert many > 3 * few
    assert high < 1.3 * low


def test_a_value_that_is_no_probability_is_placed_in_the_image():
    maps = np.full((2, 80, 80), 0.5, np.float32)
    maps[0, 70, 40] = np.nan
    with pytest.raises(ValueError, match="mask map holds nan at row 70, column 40"):
        separate_tiled(ArraySource(maps), TILED)


def test_missing_marker_and_missing_tile_are_named():
    with pytest.raises(ValueError, match="set markers to eroded"):
        separate_tiled(ArraySource(np.full((1, 9, 9), 0.5)), TILED)
    with pytest.raises(ValueError, match="tile is None"):
        separate_tiled(ArraySource(np.full((2, 9, 9), 0.5)), Watershed())
