# SPDX-License-Identifier: MIT
"""The EM phantom: truth that fits its pixels, likeness to the ISBI 2012 stack, determinism."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from microtome.config.phantoms.em import EMPhantomData
from microtome.io import images
from microtome.phantoms._noise import smooth_noise
from microtome.phantoms.em import geometry
from microtome.phantoms.em.geometry import cut, grow_tubes, interface_distance
from microtome.phantoms.em.simulation import simulate


@pytest.fixture(scope="module")
def volume():
    return simulate(EMPhantomData(slices={"train": 4}, size=160, seed=5))


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def test_shapes_types_and_values(volume):
    for array, dtype in ((volume.images, np.uint8), (volume.labels, np.uint8), (volume.cells, np.int32)):
        assert array.shape == (4, 160, 160)
        assert array.dtype == dtype
    assert set(np.unique(volume.labels)) == {0, 255}
    np.testing.assert_array_equal(volume.labels == 0, volume.cells == 0)


def test_cells_are_parted_by_membrane(volume):
    """No two neurites touch, so that connected cells are whole neurites."""
    for cells in volume.cells:
        for a, b in ((cells[1:], cells[:-1]), (cells[:, 1:], cells[:, :-1])):
            assert not ((a != b) & (a > 0) & (b > 0)).any()
        pieces, count = ndimage.label(cells > 0)
        for piece in range(1, count + 1):
            assert len(np.unique(cells[pieces == piece])) == 1


def test_membrane_is_about_as_frequent_as_in_the_challenge():
    fractions = [
        (simulate(EMPhantomData(slices={"train": 1}, seed=seed)).labels == 0).mean() for seed in range(6)
    ]
    assert 0.18 < np.mean(fractions) < 0.27


def test_neighbouring_sections_are_alike_and_distant_ones_are_not():
    labels = simulate(EMPhantomData(slices={"train": 10}, seed=2)).labels
    near = np.mean([correlation(labels[i], labels[i + 1]) for i in range(9)])
    far = np.mean([correlation(labels[i], labels[i + 8]) for i in range(2)])
    assert 0.15 < near < 0.6
    assert far < near / 1.5


def test_equal_settings_give_equal_stacks_and_seeds_differ(volume):
    again = simulate(EMPhantomData(slices={"train": 4}, size=160, seed=5))
    other = simulate(EMPhantomData(slices={"train": 4}, size=160, seed=6))
    for field in dataclasses.fields(volume):
        np.testing.assert_array_equal(getattr(volume, field.name), getattr(again, field.name))
    assert (volume.labels != other.labels).any()


def test_the_global_random_state_plays_no_part():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    simulate(EMPhantomData(slices={"train": 1}, size=64))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def separation(volume):
    """How well grey values, smoothed over a few pixels, tell membrane from cell (d prime)."""
    smooth = np.stack([ndimage.gaussian_filter(i.astype(float), 1) for i in volume.images])
    cell, membrane = smooth[volume.labels == 255], smooth[volume.labels == 0]
    return (cell.mean() - membrane.mean()) / np.sqrt((cell.var() + membrane.var()) / 2)


def test_difficulty_makes_membranes_harder_to_see():
    options = [EMPhantomData(slices={"train": 2}, seed=1, difficulty=d) for d in (0.0, 0.5, 1.0, 2.0)]
    found = [separation(simulate(one)) for one in options]
    assert found == sorted(found, reverse=True)
    assert found[0] > 1.5 * found[-1]


def test_membranes_are_darker_but_grey_values_do_not_suffice(volume):
    cell, membrane = volume.images[volume.labels == 255], volume.images[volume.labels == 0]
    assert 25 < cell.mean() - membrane.mean() < 80
    darkest = volume.images < np.quantile(volume.images, (volume.labels == 0).mean())
    overlap = 2 * (darkest & (volume.labels == 0)).sum() / (darkest.sum() + (volume.labels == 0).sum())
    assert 0.3 < overlap < 0.75


def test_interface_distance_against_brute_force():
    rng = np.random.default_rng(0)
    owner = ndimage.zoom(rng.integers(0, 3, (4, 5)), 4, order=0).astype(np.int32)
    edge = []
    for y, x in np.ndindex(owner.shape):
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            inside = 0 <= y + dy < owner.shape[0] and 0 <= x + dx < owner.shape[1]
            if inside and owner[y + dy, x + dx] != owner[y, x]:
                edge.append((y, x))
    points = np.array(edge)
    brute = [np.hypot(*(points - p).T).min() + 0.5 for p in np.ndindex(owner.shape)]
    np.testing.assert_allclose(interface_distance(owner).ravel(), brute, rtol=1e-6)
    assert interface_distance(np.zeros((4, 6), np.int32)).min() >= 6


def test_the_coarse_search_overlooks_no_tube(monkeypatch):
    tubes = grow_tubes(3, (96, 128), 26.5, 1.0, np.random.default_rng(3))
    fast = [cut(tubes, depth) for depth in (0.0, 0.64, 2.36)]
    monkeypatch.setattr(geometry, "SLACK", 1e6)
    for depth, owner in zip((0.0, 0.64, 2.36), fast, strict=True):
        np.testing.assert_array_equal(owner, cut(tubes, depth))


def test_smooth_noise_has_unit_spread_and_its_wavelength():
    noise = smooth_noise((200, 200), 10, np.random.default_rng(0))
    assert noise.std() == pytest.approx(1, abs=1e-3)
    assert correlation(noise[:, 2:], noise[:, :-2]) > 0.9
    assert abs(correlation(noise[:, 60:], noise[:, :-60])) < 0.2


@pytest.mark.parametrize("size", [32, 77])
def test_small_and_odd_sizes(size):
    assert simulate(EMPhantomData(slices={"train": 1}, size=size)).images.shape == (1, size, size)


def test_sides_below_the_smallest_are_refused():
    with pytest.raises(ValueError, match="greater than or equal to 32"):
        EMPhantomData(size=8)


@pytest.mark.realdata
def test_grey_values_resemble_the_challenge():
    folder = os.environ.get("MICROTOME_DATA")
    if not folder:
        pytest.skip("MICROTOME_DATA is not set: no real slices to compare with")
    real = images.read(Path(folder) / "isbi2012_em/train/images/15.png")
    stack = simulate(EMPhantomData(slices={"train": 3}, seed=5)).images
    np.testing.assert_allclose(stack.mean(), real.mean(), atol=25)
    np.testing.assert_allclose(stack.std(), real.std(), rtol=0.25)
    lags = (1, 2, 3, 5)
    for lag in lags:
        assert correlation(stack[..., lag:], stack[..., :-lag]) == pytest.approx(
            correlation(real[:, lag:], real[:, :-lag]), abs=0.15
        )
