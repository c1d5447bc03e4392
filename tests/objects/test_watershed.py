# SPDX-License-Identifier: MIT
"""Marker watershed on whole images."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import watershed

from microtome.config.prediction import Watershed
from microtome.metrics.instances import aji
from microtome.objects.watershed import separate
from microtome.objects.watershed.flood import queue_lines, ring_lines
from tests.reference import watershed as reference

RINGS = Watershed(flooding="rings")
EIGHT = np.ones((3, 3))


def noise(rng, shape, sigma):
    """A smooth random map, 0 to 1."""
    values = ndimage.gaussian_filter(rng.normal(size=shape), sigma)
    values -= values.min()
    return (values / values.max()).astype(np.float32)


def tissue(seed, shape=(90, 110), cells=25):
    """Maps of touching discs with markers, as a network would give them, and the discs."""
    rng = np.random.default_rng(seed)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    labels, inner = np.zeros(shape, np.int32), np.zeros(shape, bool)
    for number in range(1, cells + 1):
        y, x, radius = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(6, 10)
        squared = (rows - y) ** 2 + (columns - x) ** 2
        labels[(squared <= radius**2) & (labels == 0)] = number
        inner |= (squared <= (radius - 4) ** 2) & (labels == number)
    mask = 0.9 * ndimage.gaussian_filter((labels > 0).astype(np.float32), 1)
    marker = 0.9 * ndimage.gaussian_filter(inner.astype(np.float32), 0.7)
    return mask, marker, labels


def touching(gap=1):
    """Two squares in one rectangle, with markers so many pixels apart; the mask and the marker map."""
    mask, marker = np.zeros((24, 50), np.float32), np.zeros((24, 50), np.float32)
    mask[4:20, 5:45] = 0.9
    marker[8:16, 10 : 25 - gap] = marker[8:16, 25:40] = 0.9
    return mask, marker


@pytest.mark.parametrize("seed", range(20))
def test_equals_the_published_program_line_by_line(seed):
    rng = np.random.default_rng(seed)
    if seed % 2:
        mask, marker, _ = tissue(seed)
    else:
        shape = (60, 70)
        mask, marker = noise(rng, shape, 2) * 0.25, noise(rng, shape, 2) * 0.17
    found = separate(mask, marker)
    assert found.dtype == np.int32
    assert found.max() > 1
    assert np.array_equal(found, reference.published(mask, marker))


@given(st.integers(0, 10**6), st.integers(2, 12), st.sampled_from([None, 0.3]))
@settings(max_examples=30, deadline=None)
def test_rings_equal_their_definition(seed, count, outside):
    rng = np.random.default_rng(seed)
    markers = np.zeros((13, 16), np.int32)
    markers[rng.integers(0, 13, count), rng.integers(0, 16, count)] = 1
    markers = ndimage.label(markers, EIGHT)[0].astype(np.int32)
    domain = None if outside is None else (rng.random(markers.shape) > outside) | (markers > 0)
    lines = ring_lines(markers, np.ones(markers.shape, bool), domain=domain)
    inside = markers if domain is None else np.where(domain, markers, -1)
    expected = reference.rings(inside) == -1
    assert np.array_equal(lines, expected if domain is None else expected & domain)


@pytest.mark.parametrize("seed", range(8))
def test_queue_is_the_watershed_of_a_constant(seed):
    markers = ndimage.label(noise(np.random.default_rng(seed), (80, 90), 3) > 0.62, EIGHT)[0]
    flat = watershed(np.ones(markers.shape), markers, connectivity=2, watershed_line=True)
    assert np.array_equal(queue_lines(markers), flat == 0)


@pytest.mark.parametrize("seed", range(8))
def test_rings_differ_from_the_queue_by_ties_alone(seed):
    """Lines shift by a pixel at most; the objects are the same."""
    mask, marker, _ = tissue(seed)
    markers = ndimage.label(marker > 0.1, EIGHT)[0].astype(np.int32)
    lines, others = ring_lines(markers, mask > 0.1), queue_lines(markers) & (mask > 0.1)
    near = ndimage.binary_dilation(queue_lines(markers), EIGHT, iterations=2)
    assert not (lines & ~near).any()
    assert lines.sum() == pytest.approx(others.sum(), rel=0.1)
    assert aji(separate(mask, marker), separate(mask, marker, RINGS)) > 0.97


@pytest.mark.parametrize("seed", range(6))
def test_rings_leave_no_two_zones_in_touch(seed):
    markers = ndimage.label(noise(np.random.default_rng(seed), (70, 80), 2) > 0.7, EIGHT)[0].astype(np.int32)
    lines = ring_lines(markers, np.ones(markers.shape, bool))
    zones, _ = ndimage.label(~lines, EIGHT)
    for zone in ndimage.find_objects(zones):
        inside = zones[zone] == zones[zone][tuple(np.argwhere(zones[zone])[0])]
        assert len(set(markers[zone][inside].tolist()) - {0}) <= 1
    assert not (lines & (markers > 0)).any()


def test_an_even_gap_is_cut_in_its_middle():
    markers = np.zeros((5, 9), np.int32)
    markers[:, 1], markers[:, 7] = 1, 2
    expected = np.zeros((5, 9), bool)
    expected[:, 4] = True
    everywhere = np.ones((5, 9), bool)
    assert np.array_equal(queue_lines(markers), expected)
    assert np.array_equal(ring_lines(markers, everywhere), expected)
    assert not ring_lines(markers, everywhere, reach=2).any()
    assert np.array_equal(ring_lines(markers, everywhere, reach=3), expected)


@pytest.mark.parametrize("flooding", ["queue", "rings"])
def test_two_markers_split_and_the_larger_number_takes_the_line(flooding):
    labels = separate(*touching(gap=3), Watershed(flooding=flooding))
    assert sorted(np.unique(labels)) == [0, 1, 2]
    assert (labels[10, 5:45] > 0).all()
    undilated = separate(*touching(gap=3), Watershed(flooding=flooding, dilation_radius=0))
    line = np.flatnonzero(undilated[10, 5:45] == 0) + 5
    assert len(line) == 1
    assert labels[10, line[0]] == 2


@pytest.mark.parametrize("scope", ["image", "component"])
def test_one_marker_or_none_splits_nothing(scope):
    chosen = Watershed(scope=scope, dilation_radius=0)
    mask, marker = touching()
    one = np.where(np.arange(50) < 22, marker, 0)
    for markers in (one, marker * 0):
        found = separate(mask, markers, chosen)
        assert np.array_equal(found > 0, mask > 0)
        assert found.max() == 1


def test_a_component_between_two_markers_is_cut_in_the_image_and_whole_in_itself():
    mask, marker = np.zeros((30, 60), np.float32), np.zeros((30, 60), np.float32)
    mask[10:20, 2:14] = mask[10:20, 24:36] = mask[10:20, 46:58] = 0.9
    marker[12:18, 4:12] = marker[12:18, 48:56] = 0.9
    for flooding in ("queue", "rings"):
        in_image = separate(mask, marker, Watershed(flooding=flooding))
        in_itself = separate(mask, marker, Watershed(flooding=flooding, scope="component"))
        assert (in_image.max(), in_itself.max()) == (4, 3)


@pytest.mark.parametrize("surface", ["intensity", "distance"])
@pytest.mark.parametrize("scope", ["image", "component"])
def test_other_surfaces_cut_at_the_neck(surface, scope):
    rows, columns = np.ogrid[:40, :80]
    discs = np.maximum(14 - np.hypot(rows - 20, columns - 24), 14 - np.hypot(rows - 20, columns - 46))
    mask = np.clip(discs / 14, 0, 1)
    marker = np.zeros(mask.shape)
    marker[15:25, 16:22] = marker[15:25, 44:49] = 0.9  # off the middle: a flat landscape cuts elsewhere
    settings_of = {
        name: Watershed(surface=name, scope=scope, dilation_radius=0) for name in ("flat", surface)
    }
    flat, found = (separate(mask, marker, each) for each in settings_of.values())
    assert found.max() == flat.max() == 2
    neck = np.flatnonzero(found[20] == 0)
    assert np.abs(neck[(neck > 20) & (neck < 50)] - 35).max() <= 1
    assert not np.array_equal(found, flat)


def test_distance_markers_separate_discs_without_a_marker_map():
    mask = np.zeros((50, 90))
    rows, columns = np.ogrid[:50, :90]
    mask[np.hypot(rows - 25, columns - 25) <= 16] = 0.9
    mask[np.hypot(rows - 25, columns - 54) <= 16] = 0.9
    assert separate(mask, settings=Watershed(markers="distance", h=2)).max() == 2
    assert separate(mask, settings=Watershed(markers="distance", h=30)).max() == 1


def test_eroded_markers_separate_a_thin_bridge():
    mask = np.zeros((50, 90))
    rows, columns = np.ogrid[:50, :90]
    mask[np.hypot(rows - 25, columns - 22) <= 14] = 0.9
    mask[np.hypot(rows - 25, columns - 62) <= 14] = 0.9
    mask[23:28, 30:60] = 0.9
    assert separate(mask, settings=Watershed(markers="eroded")).max() == 2


@pytest.mark.parametrize(("quantize", "kept"), [(True, False), (False, True)])
def test_quantized_thresholds_cut_8_bit_values_off(quantize, kept):
    """0.1015 is 25.88 of 255: above 0.1, but cut off to 25 not above 25.5."""
    mask = np.full((12, 12), 0.1015)
    found = separate(mask, mask, Watershed(quantize=quantize))
    assert bool(found.any()) is kept
    assert separate(np.full((12, 12), 26.001 / 255), mask, Watershed(quantize=quantize)).any()


@pytest.mark.parametrize(("area", "kept"), [(49, False), (50, True)])
def test_areas_count_from_the_stated_size(area, kept):
    mask = np.zeros((20, 20), np.float32)
    mask.ravel()[20 * 5 : 20 * 5 + area % 20] = 0.9
    for row in range(area // 20):
        mask[6 + row] = 0.9
    assert bool(separate(mask, mask * 0).any()) is kept


@pytest.mark.parametrize(("side", "filled"), [(9, True), (10, False)])
def test_holes_below_the_stated_size_are_filled(side, filled):
    mask = np.zeros((40, 40), np.float32)
    mask[5:35, 5:35] = 0.9
    mask[15 : 15 + side, 15 : 15 + side] = 0
    found = separate(mask, mask * 0, Watershed(dilation_radius=0))
    assert bool(found[15 + side // 2, 15 + side // 2]) is filled


def test_a_hole_open_at_a_corner_is_not_filled():
    """Background is 8-connected: else a diagonal watershed line would count as many holes and be filled."""
    mask = np.zeros((30, 30), np.float32)
    mask[5:25, 5:25] = 0.9
    mask[np.arange(15), np.arange(15)] = 0
    found = separate(mask, mask * 0, Watershed(dilation_radius=0))
    assert not found[np.arange(5, 15), np.arange(5, 15)].any()


def test_empty_and_full_masks():
    nothing, everything = np.zeros((40, 40), np.float32), np.ones((40, 40), np.float32)
    marker = nothing.copy()
    marker[5:15, 5:15] = marker[5:15, 25:35] = 1
    for chosen in (Watershed(), RINGS, Watershed(scope="component")):
        assert not separate(nothing, nothing, chosen).any()
        assert not separate(nothing, marker, chosen).any()
        assert (separate(everything, nothing, chosen) == 1).all()
    lasting = Watershed(flooding="rings", max_hole_area=0)
    assert separate(everything, marker, lasting).max() == 2
    distances = Watershed(markers="distance")
    assert (separate(everything, settings=distances) == 1).all()
    assert not separate(nothing, settings=distances).any()


def test_the_caller_keeps_its_maps():
    mask, marker, _ = tissue(3)
    copies = mask.copy(), marker.copy()
    separate(mask, marker)
    separate(mask, marker, Watershed(flooding="rings", scope="component"))
    assert np.array_equal(mask, copies[0])
    assert np.array_equal(marker, copies[1])


def test_numbers_go_in_raster_order_without_gaps():
    mask, marker, _ = tissue(5)
    undilated = separate(mask, marker, Watershed(dilation_radius=0))
    numbers, first = np.unique(undilated[undilated > 0], return_index=True)
    assert np.array_equal(numbers, np.arange(1, numbers.size + 1))
    assert (np.diff(first) > 0).all()


FINE = np.full((4, 5), 0.5, np.float32)


@pytest.mark.parametrize(
    ("mask", "marker", "message"),
    [
        (FINE, None, "mask map alone.*eroded or distance"),
        (FINE, FINE[:, :4], r"marker map is \(4, 4\), expected \(4, 5\)"),
        (
            np.where(np.arange(20).reshape(4, 5) == 12, np.nan, FINE),
            FINE,
            "mask map holds nan at row 2, column 2",
        ),
        (FINE * 3, FINE, "mask map holds 1.5 at row 0, column 0.*sigmoid"),
        (FINE, FINE - 1, "marker map holds -0.5"),
        ((FINE * 255).astype(np.uint8), FINE, "mask map is uint8.*divide 8-bit maps by 255"),
        (FINE, FINE > 0, "marker map is bool"),
        (FINE[None], FINE[None], r"shape \(1, 4, 5\)"),
        (FINE[:0], FINE[:0], "not empty"),
    ],
)
def test_maps_that_are_no_probabilities_are_named(mask, marker, message):
    with pytest.raises(ValueError, match=message):
        separate(mask, marker)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flooding": "rings", "surface": "distance"}, "flooding\n  queue, as surface is not flat"),
        ({"reach": 5}, "reach\n  null, as flooding is not rings"),
        ({"tile": 64}, "tile\n  null; or flooding: rings, a reach"),
        ({"tile": 64, "flooding": "rings"}, "tile\n  null; or flooding"),
        ({"tile": 64, "flooding": "rings", "reach": 9, "markers": "distance"}, "markers not distance"),
    ],
)
def test_settings_that_cannot_be_are_named(options, message):
    with pytest.raises(ValueError, match=re.compile(message)):
        Watershed(**options)
