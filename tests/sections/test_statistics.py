# SPDX-License-Identifier: MIT
"""The largest region at each threshold equals labelling the map once for each."""

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import mark, raises
from scipy import ndimage

from microtome.provenance import section_calls
from microtome.slides.segments import segments_of, touching
from microtome.slides.statistics import AREA_COLUMNS, RegionAreas, areas_table, largest_regions

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
STRUCTURES = {4: ndimage.generate_binary_structure(2, 1), 8: ndimage.generate_binary_structure(2, 2)}


def labelled(probability, thresholds=THRESHOLDS, connectivity=8):
    """Pixels of the largest region at each threshold, by SciPy's labels."""
    found = (ndimage.label(probability >= t, STRUCTURES[connectivity])[0] for t in thresholds)
    return [int(np.bincount(labels.ravel())[1:].max(initial=0)) for labels in found]


def blobs(seed, shape, sigma):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), sigma)
    return ((noise - noise.min()) / max(np.ptp(noise), 1e-9)).astype(np.float32)


maps = st.builds(
    blobs,
    st.integers(0, 2**16),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from((0.0, 0.5, 1.0, 3.0)),
)


@settings(deadline=None, max_examples=150)
@given(probability=maps, cuts=st.lists(st.integers(1, 12), max_size=30), connectivity=st.sampled_from((4, 8)))
def test_bands_of_any_height_give_what_labels_give(probability, cuts, connectivity):
    found, row = RegionAreas(THRESHOLDS, connectivity=connectivity), 0
    for height in [*cuts, len(probability)]:
        if row < len(probability):
            found.add(probability[row : row + height])
            row += height
    assert found.pixels.tolist() == labelled(probability, connectivity=connectivity)
    assert found.greatest == probability.max()


@mark.parametrize("steps", [2, 3, 11])
def test_values_that_equal_a_threshold_reach_it(steps):
    thresholds = tuple(np.linspace(0.1, 0.9, steps).tolist())
    values = np.random.default_rng(steps).choice(np.array(thresholds, np.float32), (50, 50))
    assert largest_regions(values, thresholds).pixels.tolist() == labelled(values, thresholds)


@mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_thresholds_are_compared_in_the_type_of_the_map(kind):
    values = np.full((3, 3), 0.7, kind)
    assert largest_regions(values, (0.7,)).pixels.tolist() == [9] == labelled(values, (0.7,))


def test_a_region_that_winds_through_many_bands_is_one():
    spiral = np.zeros((41, 41), np.float32)
    for ring in range(0, 20, 2):
        spiral[ring, ring : 41 - ring] = spiral[ring : 41 - ring, 40 - ring] = 0.9
        spiral[40 - ring, ring : 41 - ring] = spiral[ring + 2 : 41 - ring, ring] = 0.9
        spiral[ring + 2, ring : ring + 3] = 0.6
    found = RegionAreas((0.5, 0.8), connectivity=4)
    for row in spiral:
        found.add(row[None])
    assert found.pixels.tolist() == labelled(spiral, (0.5, 0.8), 4)


def test_a_section_that_comes_in_bands_takes_the_memory_of_a_band():
    band = np.concatenate(
        [blobs(1, (64, 256), 3.0), np.zeros((8, 256), np.float32), blobs(2, (56, 256), 3.0)]
    )
    peaks = []
    for count in (3, 24):
        found = RegionAreas(THRESHOLDS)
        tracemalloc.start()
        for _ in range(count):
            found.add(band)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_areas_are_those_of_the_pixels():
    found = largest_regions(np.array([[0.9, 0.9, 0.1, 0.4]]), (0.3, 0.5), pixel_area=2.5)
    assert found.areas.tolist() == [5.0, 5.0]


def test_nothing_is_found_below_the_lowest_threshold():
    found = largest_regions(np.full((5, 5), 0.2, np.float32), (0.5, 0.9))
    assert found.areas.tolist() == [0.0, 0.0]
    assert found.greatest == np.float32(0.2)


def test_the_table_has_the_columns_that_others_read():
    table = areas_table(
        {1: largest_regions(np.ones((2, 2)), (0.5,)), 2: largest_regions(np.zeros((2, 2)), (0.5,))}
    )
    assert AREA_COLUMNS == section_calls.AREA_COLUMNS == tuple(table.columns)
    assert table["section"].tolist() == [1, 2]
    assert table["area"].tolist() == [4.0, 0.0]


@mark.parametrize(
    ("band", "said"),
    [
        (np.full((2, 3), np.nan), "no numbers"),
        (np.zeros((2, 3, 1)), "shape"),
        (np.zeros((2, 3), np.uint8), "uint8"),
        (np.zeros((0, 3)), "shape"),
        (np.zeros((2, 4)), "4 columns after bands of 3"),
    ],
)
def test_what_is_no_band_is_refused(band, said):
    found = RegionAreas((0.5,))
    found.add(np.zeros((1, 3)))
    with raises(ValueError, match=said):
        found.add(band)


@mark.parametrize("thresholds", [(), (0.5, 0.5), (0.6, 0.5), tuple(np.linspace(0, 1, 300))])
def test_thresholds_ascend(thresholds):
    with raises(ValueError, match="ascending"):
        RegionAreas(thresholds)


def test_connectivity_is_4_or_8():
    with raises(ValueError, match="4 or 8"):
        RegionAreas((0.5,), connectivity=6)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**16), height=st.integers(1, 9), width=st.integers(1, 9), diagonal=st.booleans())
def test_segments_touch_where_their_pixels_do(seed, height, width, diagonal):
    levels = np.random.default_rng(seed).integers(0, 4, (height, width)).astype(np.uint8)
    segments = segments_of(levels)
    pairs, before = set(), 0
    for level in (1, 2, 3):
        labels, count = ndimage.label(levels >= level, [[0, 0, 0], [1, 1, 1], [0, 0, 0]])
        here = np.flatnonzero(segments.level == level)
        assert segments.length[here].tolist() == np.bincount(labels.ravel(), minlength=count + 1)[1:].tolist()
        wide = np.pad(labels, 1)
        steps = (-1, 0, 1) if diagonal else (0,)
        for y, x in np.argwhere(wide[:-2] > 0).tolist():
            below = {int(wide[y + 1, x + step]) for step in steps} - {0}
            pairs |= {(before + int(wide[y, x]) - 1, before + other - 1) for other in below}
        before += count
    found = touching(segments, diagonal=diagonal)
    assert set(zip(*(part.tolist() for part in found), strict=True)) == pairs
