# SPDX-License-Identifier: MIT
"""Distances of boundaries against every pair of pixels, SciPy and MONAI."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist, directed_hausdorff

from microtome.metrics import surface
from microtome.metrics.families import surface as family
from microtome.metrics.families._context import Context


def blobs(seed, shape=(40, 48), margin=4):
    """A mask of blobs that keeps away from the border of the image."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(0, 1, shape), 3)
    mask = np.zeros(shape, bool)
    inner = tuple(slice(margin, side - margin) for side in shape)
    mask[inner] = field[inner] > np.quantile(field, 0.6)
    return mask


def edge_of(mask, valid):
    """The boundary, pixel after pixel."""
    found = []
    for y, x in zip(*np.nonzero(mask & valid), strict=True):
        beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        inside = [(a, b) for a, b in beside if 0 <= a < mask.shape[0] and 0 <= b < mask.shape[1]]
        if any(valid[place] and not mask[place] for place in inside):
            found.append((y, x))
    return np.array(found, float)


def brute(truth, found, valid, tolerance):
    every = cdist(edge_of(truth, valid), edge_of(found, valid))
    missed, extra = every.min(1), every.min(0)
    recall, precision = (missed <= tolerance).mean(), (extra <= tolerance).mean()
    hd95 = max(np.percentile(missed, 95), np.percentile(extra, 95))
    f = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    return max(missed.max(), extra.max()), hd95, np.concatenate([missed, extra]).mean(), f


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ignored", [False, True])
def test_distances_are_those_of_all_pairs_of_pixels(seed, ignored):
    truth, found = blobs(seed, margin=0), blobs(seed + 10, margin=0)
    valid = np.ones_like(truth)
    if ignored:
        valid[:, 20:27] = False
    result = surface.compare(truth, found, valid=valid, tolerance=1.5)
    expected = brute(truth, found, valid, 1.5)
    assert (result.hausdorff, result.hd95, result.average, result.f) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_largest_distance_is_that_of_scipy(seed):
    truth, found = blobs(seed), blobs(seed + 10)
    places = [edge_of(mask, np.ones_like(mask)) for mask in (truth, found)]
    expected = max(directed_hausdorff(*places)[0], directed_hausdorff(*places[::-1])[0])
    assert surface.compare(truth, found).hausdorff == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # MONAI's own, of what it calls itself
@pytest.mark.parametrize("seed", range(3))
def test_away_from_the_border_of_the_image_distances_are_those_of_monai(seed):
    metrics = pytest.importorskip("monai.metrics", reason="MONAI is not installed")
    torch = pytest.importorskip("torch")
    truth, found = blobs(seed), blobs(seed + 10)
    pair = [torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (found, truth)]
    result = surface.compare(truth, found)
    hd95 = metrics.compute_hausdorff_distance(*pair, include_background=True, percentile=95)
    assert result.hd95 == pytest.approx(float(hd95), rel=1e-5)
    hausdorff = metrics.compute_hausdorff_distance(*pair, include_background=True)
    assert result.hausdorff == pytest.approx(float(hausdorff), rel=1e-5)


def test_the_frame_of_an_image_is_no_boundary():
    truth, found = np.ones((6, 8), bool), np.ones((6, 8), bool)
    truth[:, :2], found[:, :4] = False, False
    result = surface.compare(truth, found)
    assert (result.hausdorff, result.hd95, result.average, result.f) == (2.0, 2.0, 2.0, 1.0)
    assert surface.compare(truth, found, tolerance=1.9).f == 0.0


def test_a_missed_mask_costs_the_diagonal_and_nothing_against_nothing_is_undefined():
    truth, found = np.zeros((4, 5), bool), np.zeros((4, 5), bool)
    assert np.isnan([*vars(surface.compare(truth, found)).values()]).all()
    truth[1, 1] = True
    for pair in ((truth, found), (found, truth)):
        result = surface.compare(*pair)
        assert (result.hausdorff, result.hd95, result.average, result.f) == (5.0, 5.0, 5.0, 0.0)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match=r"masks of \(2, 2\) bool and \(2, 3\) bool; expected two of bool"):
        surface.compare(np.zeros((2, 2), bool), np.zeros((2, 3), bool))


def context(mpp=None, **more):
    truth, found = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    truth[5:15, 5:15], found[5:15, 8:18] = 1, 1
    truth[0, :], found[0, 0] = 255, 1
    return Context(truth, np.zeros((1, 20, 20)), found, ["tissue", "cell", "none"], mpp=mpp, **more)


def values(measures):
    return {(m.class_name, m.metric): m.value for m in measures}


def test_each_class_in_pixels_and_micrometres():
    found = values(family.measure(context(mpp=0.5, tolerance=2.9)))
    assert found["cell", "hd95"] == 3
    assert found["cell", "hd95_um"] == 1.5
    assert found["cell", "surface_distance_um"] == pytest.approx(found["cell", "surface_distance"] / 2)
    assert np.isnan(found["none", "hd95"])
    assert found["all", "mean_hd95"] == pytest.approx((found["cell", "hd95"] + found["tissue", "hd95"]) / 2)
    assert 0 < found["cell", "boundary_f"] < 1
    assert values(family.measure(context(tolerance=3.0)))["cell", "boundary_f"] == 1


def test_without_the_pixel_size_micrometres_are_undefined():
    found = values(family.measure(context()))
    assert np.isnan(found["cell", "hd95_um"])
    assert found["cell", "hd95"] == 3


def test_means_are_over_the_classes_of_the_study():
    found = values(family.measure(context(mean_classes=["cell"])))
    assert found["all", "mean_hd95"] == found["cell", "hd95"]
