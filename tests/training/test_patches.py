# SPDX-License-Identifier: MIT
"""The windows of the patch index."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from microtome.class_maps import IGNORE
from microtome.training.patches import index_patches, origins

relaxed = settings(deadline=None, max_examples=80)


@relaxed
@given(st.integers(1, 60), st.integers(1, 20), st.data())
def test_windows_cover_a_length_and_stay_inside(length, size, data):
    stride = data.draw(st.integers(1, size))
    starts = origins(length, size, stride)
    covered = np.zeros(length, int)
    for start in starts:
        covered[start : start + size] += 1
    assert covered.min() >= 1
    assert starts == sorted(set(starts))
    assert starts[-1] + size == max(length, size)
    assert all(b - a <= stride for a, b in pairwise(starts))
    assert len(starts) == max(-(-(length - size) // stride), 0) + 1, "no more windows than needed"


@relaxed
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 9), st.data())
def test_index_covers_every_pixel(height, width, size, data):
    stride = data.draw(st.integers(1, size))
    target = np.random.default_rng(height * 20 + width).integers(0, 3, (height, width)).astype(np.uint8)
    index = index_patches("a", target, ["x", "y", "z"], size=size, stride=stride)
    covered = np.zeros(target.shape, bool)
    for row in index.itertuples():
        window = target[row.y : row.y + size, row.x : row.x + size]
        covered[row.y : row.y + size, row.x : row.x + size] = True
        shares = [row.fraction_x, row.fraction_y, row.fraction_z]
        assert shares == approx([(window == k).mean() for k in range(3)])
    assert covered.all()
    assert not index.duplicated(["y", "x"]).any()


@relaxed
@given(least=st.sampled_from([0.0, 0.01, 0.5, 1.0]), seed=st.integers(0, 9))
def test_windows_with_few_labels_are_left_out(least, seed):
    generator = np.random.default_rng(seed)
    target = np.where(generator.random((23, 17)) < generator.random((23, 17)) ** 3, 1, IGNORE).astype(
        np.uint8
    )
    target[:8, :8] = 0
    every, some = (
        index_patches("a", target, ["x", "y"], size=8, stride=5, labelled=share) for share in (0.0, least)
    )
    shares = [(target[r.y : r.y + 8, r.x : r.x + 8] != IGNORE).mean() for r in every.itertuples()]
    assert len(every) == 12
    expected = every[np.array(shares) >= least].reset_index(drop=True)
    assert some.equals(expected)
    assert len(some) >= 1


def test_columns_of_the_index():
    index = index_patches("a", np.zeros((4, 6), np.uint8), ["cell", "membrane"], size=4, stride=4)
    assert list(index) == ["sample", "y", "x", "size", "level", "fraction_cell", "fraction_membrane"]
    assert index[["y", "x"]].to_numpy().tolist() == [[0, 0], [0, 2]]
    assert set(index["sample"]) == {"a"}
