# SPDX-License-Identifier: MIT
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter

from microtome.metrics import boundaries
from tests.reference import boundaries as reference

FIELDS = ("rand_split", "rand_merge", "v_rand", "info_split", "info_merge", "v_info")
MASKS = arrays(bool, st.tuples(st.integers(2, 9), st.integers(2, 9))).filter(lambda mask: mask.any())


def grid(pattern):
    return np.array([[character == "#" for character in row] for row in pattern.split()])


def texture(seed, shape=(14, 17)):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.2)
    return (noise - noise.min()) / np.ptp(noise)


@st.composite
def maps(draw):
    cells = draw(MASKS)
    tenths = draw(arrays(np.int64, cells.shape, elements=st.integers(0, 10)))
    return cells, (tenths / 10).astype(np.float64)


@pytest.mark.parametrize("seed", range(12))
def test_equals_definition_at_every_threshold(seed):
    cells, probability = texture(seed) > 0.45, np.clip(texture(seed) + 0.3 * texture(seed + 99) - 0.15, 0, 1)
    scores = boundaries.boundary_scores(cells, probability)
    for index, threshold in enumerate(scores.thresholds):
        pairs = reference.partitions(cells, probability, threshold)
        expected = reference.rand_scores(pairs) + reference.info_scores(pairs)
        assert [getattr(scores, field)[index] for field in FIELDS] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(maps())
def test_equals_definition_on_any_map(case):
    cells, probability = case
    scores = boundaries.boundary_scores(cells, probability, [0.5])
    pairs = reference.partitions(cells, probability, 0.5)
    expected = reference.rand_scores(pairs) + reference.info_scores(pairs)
    assert [getattr(scores, field)[0] for field in FIELDS] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_thinned_lines_equal_flooding(mask):
    expected = reference.flood(mask)
    found = boundaries.thinned_regions(mask.astype(float), 0.5)
    assert {pixel: int(found[pixel]) for pixel in expected} == expected


@settings(max_examples=60, deadline=None)
@given(maps())
def test_range_and_perfect_prediction(case):
    cells, probability = case
    scores = boundaries.boundary_scores(cells, probability)
    for field in FIELDS:
        values = getattr(scores, field)
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()
    perfect = boundaries.boundary_scores(cells, cells.astype(float), [0.5])
    assert perfect.v_rand[0] == 1
    assert perfect.v_info[0] == pytest.approx(1, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(maps(), st.permutations(list(range(1, 90))))
def test_relabelling_the_truth_changes_nothing(case, numbers):
    cells, probability = case
    labels = boundaries._objects(cells)
    renamed = np.array([0, *numbers])[labels] * 1000
    if labels.max() == 1:
        return
    first = boundaries.boundary_scores(cells, probability)
    second = boundaries.boundary_scores(renamed, probability)
    for field in FIELDS:
        assert getattr(second, field) == pytest.approx(getattr(first, field), abs=1e-12)


def test_one_merge_by_hand():
    cells = grid("####.#### ####.####")
    merged = np.where(grid("####.#### #########"), 1.0, 0.0)  # a hole in the membrane
    scores = boundaries.boundary_scores(cells, merged, [0.5])
    assert (scores.rand_split[0], scores.rand_merge[0]) == (1.0, pytest.approx((64 + 64) / 256))
    assert scores.v_rand[0] == pytest.approx(2 * 128 / (128 + 256))
    assert scores.v_info[0] == 0  # a single region tells nothing


def test_one_split_by_hand():
    cells = grid("#########")
    split = np.where(grid("####.####"), 1.0, 0.0)
    scores = boundaries.boundary_scores(cells, split, [0.5])
    both = 16 + 16 + 1  # the line pixel is a region of its own
    assert (scores.rand_split[0], scores.rand_merge[0]) == (pytest.approx(both / 81), 1.0)
    assert scores.v_rand[0] == pytest.approx(2 * both / (81 + both))
    assert (scores.info_split[0], scores.info_merge[0], scores.v_info[0]) == (0, 1, 0)


def test_split_of_one_of_two_cells_by_hand():
    cells = grid("####.#####")  # 4 and 5 pixels
    proposal = np.where(grid("####.##.##"), 1.0, 0.0)
    scores = boundaries.boundary_scores(cells, proposal, [0.5])
    truth = -(4 / 9 * math.log(4 / 9) + 5 / 9 * math.log(5 / 9))
    found = -(4 / 9 * math.log(4 / 9) + 2 * 2 / 9 * math.log(2 / 9) + 1 / 9 * math.log(1 / 9))
    assert scores.info_merge[0] == pytest.approx(1)
    assert scores.info_split[0] == pytest.approx(truth / found)
    assert scores.v_info[0] == pytest.approx(2 * truth / (truth + found))


def test_thick_borders_and_dead_ends_are_thinned():
    cells = grid("####.#### ####.#### ####.####")
    thick = np.where(grid("##.....## ##.....## ##.....##"), 1.0, 0.0)
    spur = np.where(grid("####.#### #..#.#### ####.####"), 1.0, 0.0)
    for probability in (thick, spur):
        scores = boundaries.boundary_scores(cells, probability, [0.5])
        assert (scores.v_rand[0], scores.v_info[0]) == (1, 1)


def test_splits_lower_split_scores_and_merges_lower_merge_scores():
    cells = texture(3, (40, 40)) > 0.45
    sizes = np.unique(boundaries._objects(cells), return_counts=True)[1][1:]
    few = boundaries.boundary_scores(cells, np.ones(cells.shape), [0.5])
    assert few.rand_split[0] == 1
    assert few.rand_merge[0] == pytest.approx((sizes.astype(float) ** 2).sum() / cells.sum() ** 2)
    assert few.info_split[0] == 1


def test_all_border_is_one_region_and_no_border_too():
    cells = grid("##.## ##.##")
    for value in (0.0, 1.0):
        scores = boundaries.boundary_scores(cells, np.full(cells.shape, value), [0.5])
        assert (scores.v_rand[0], scores.v_info[0]) == (pytest.approx(2 / 3), 0)


def test_identical_single_regions_score_one():
    whole = np.ones((4, 4), bool)
    scores = boundaries.boundary_scores(whole, np.ones((4, 4)))
    assert scores.v_rand.max() == scores.v_info.max() == 1


def test_the_order_of_thresholds_is_no_matter():
    cells = texture(5) > 0.4
    probability = texture(5)
    scores = boundaries.boundary_scores(cells, probability)
    again = boundaries.boundary_scores(cells, probability, scores.thresholds[::-1])
    assert np.array_equal(again.v_rand, scores.v_rand)


def test_threshold_is_exclusive():
    cells = grid("##.##")
    probability = np.array([[0.6, 0.6, 0.5, 0.6, 0.6]])
    assert boundaries.boundary_scores(cells, probability, [0.5]).v_rand[0] == 1
    assert boundaries.boundary_scores(cells, probability, [0.4]).v_rand[0] < 1


def test_pixel_error():
    cells = np.array([[True, True, False, False]])
    probability = np.array([[0.9, 0.3, 0.2, 0.1]])
    assert boundaries.pixel_error(cells, probability) == 0.25
    assert boundaries.pixel_error(cells.astype(int) * 7, probability) == 0.25
    assert boundaries.best_pixel_error(cells, probability) == (0.0, 0.2)


@pytest.mark.parametrize(
    ("cells", "probability", "thresholds", "message"),
    [
        (np.ones((2, 3), bool), np.ones((3, 2)), [0.5], "pass one slice"),
        (np.ones((1, 2, 2), bool), np.ones((1, 2, 2)), [0.5], "pass one slice"),
        (np.ones((2, 2)), np.ones((2, 2)), [0.5], "bool mask or integer labels"),
        (-np.ones((2, 2), int), np.ones((2, 2)), [0.5], "minimum -1"),
        (np.zeros((2, 2), bool), np.ones((2, 2)), [0.5], "no cell"),
        (np.array([[255, 0, 255]]), np.ones((1, 3)), [0.5], "looks like|as a mask"),
        (np.ones((2, 2), bool), np.full((2, 2), 3.0), [0.5], "apply the sigmoid"),
        (np.ones((2, 2), bool), np.full((2, 2), np.nan), [0.5], "nan"),
        (np.ones((2, 2), bool), np.ones((2, 2)), [], "at least one"),
        (np.ones((2, 2), bool), np.ones((2, 2)), [1.5], "thresholds"),
    ],
)
def test_bad_input_is_named(cells, probability, thresholds, message):
    with pytest.raises(ValueError, match=message):
        boundaries.boundary_scores(cells, probability, thresholds)


@pytest.mark.realdata
def test_perfect_on_a_real_slice():
    root = os.environ.get("MICROTOME_DATA")
    if not root:
        pytest.skip("MICROTOME_DATA is not set")
    from skimage.io import imread

    cells = imread(Path(root) / "isbi2012_em/train/labels/00.png") > 127
    scores = boundaries.boundary_scores(cells, cells.astype(np.float32), [0.5])
    assert scores.v_rand[0] == 1
    assert scores.v_info[0] == pytest.approx(1, abs=1e-12)
    shifted = boundaries.boundary_scores(cells, np.roll(cells, 40, axis=0).astype(np.float32), [0.5])
    assert shifted.v_rand[0] < 0.9
