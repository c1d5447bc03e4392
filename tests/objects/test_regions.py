# SPDX-License-Identifier: MIT
"""Regions by watershed on the probability of the boundary, against a flood by hand."""

import numpy as np
import pytest
from scipy import ndimage

from microtome.config.prediction import BoundaryWatershed
from microtome.metrics.boundaries import boundary_scores
from microtome.objects.regions import separate_regions

STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def smooth(seed, shape=(30, 36), sigma=2.0):
    """A smooth map from 0 to 1 in which no two values are equal."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), sigma)
    return ((field - field.min()) / np.ptp(field)).astype(np.float32)


def depths(heights):
    """The depth of each minimum but the deepest: how far it lies below the pass to a deeper one.

    Pixels rise from the lowest; where two floods meet, that of the shallower minimum ends.
    """
    owner, found = {}, {}

    def root(place):
        while owner[place] != place:
            place = owner[place]
        return place

    for place in sorted(np.ndindex(heights.shape), key=lambda place: heights[place]):
        near = [(place[0] + y, place[1] + x) for y, x in STEPS]
        roots = sorted({root(one) for one in near if one in owner}, key=lambda one: heights[one])
        owner[place] = roots[0] if roots else place
        for shallower in roots[1:]:
            owner[shallower] = roots[0]
            found[shallower] = heights[place] - heights[shallower]
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("h", [0.0, 0.05, 0.15, 0.4])
def test_there_is_a_region_for_each_minimum_that_is_deep_enough(seed, h):
    heights = smooth(seed)
    regions = separate_regions(heights, BoundaryWatershed(h=h, sigma=0))
    deep = [place for place, depth in depths(heights).items() if depth > h]
    assert regions.max() == len(deep) + 1
    inside = [regions[place] for place in [*deep, np.unravel_index(heights.argmin(), heights.shape)]]
    assert sorted(inside) == list(range(1, len(deep) + 2)), "one in each"


@pytest.mark.parametrize("threshold", [None, 0.6])
def test_regions_are_whole_and_never_touch_by_an_edge(threshold):
    heights = smooth(7)
    regions = separate_regions(heights, BoundaryWatershed(h=0.1, sigma=0, threshold=threshold))
    for one, other in ((regions[1:], regions[:-1]), (regions[:, 1:], regions[:, :-1])):
        assert not ((one > 0) & (other > 0) & (one != other)).any()
    for number in range(1, regions.max() + 1):
        assert ndimage.label(regions == number)[1] == 1
    if threshold is not None:
        assert (regions[heights > threshold] == 0).all()


def walls(gap):
    """Probability of the wall between two cells, weakest in a gap."""
    wall = np.full((40, 41), 0.05, np.float32)
    wall[:, 20] = 0.95
    wall[18:22, 20] = gap
    return wall


def test_a_gap_in_a_wall_is_closed():
    """Where thresholding merges two cells, the flood has a line; V_Rand says so."""
    wall, truth = walls(0.3), np.ones((40, 41), bool)
    truth[:, 20] = False
    merged = boundary_scores(truth, 1 - wall, [0.5]).v_rand[0]
    regions = separate_regions(wall, BoundaryWatershed(h=0.2, sigma=0))
    closed = boundary_scores(truth, (regions > 0).astype(np.float32), [0.5]).v_rand[0]
    assert (regions.max(), closed) == (2, 1)
    assert merged < 0.7
    assert separate_regions(wall, BoundaryWatershed(h=0.3, sigma=0)).max() == 1, "less deep than it has to be"


def test_smoothing_takes_noise_for_no_region():
    noisy = np.clip(walls(0.9) + np.random.default_rng(0).normal(0, 0.12, (40, 41)), 0, 1).astype(np.float32)
    assert separate_regions(noisy, BoundaryWatershed(h=0.1, sigma=0)).max() > 20
    assert separate_regions(noisy, BoundaryWatershed(h=0.1, sigma=1.5)).max() == 2


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_a_flat_map_is_one_region(value):
    regions = separate_regions(np.full((5, 6), value, np.float32))
    assert np.array_equal(regions, np.ones((5, 6), np.int32))
    assert regions.dtype == np.int32


def test_what_is_no_probability_map_is_refused():
    with pytest.raises(ValueError, match=r"the boundary map holds 2\.0 at row 0, column 1"):
        separate_regions(np.float32([[0, 2]]))
