# SPDX-License-Identifier: MIT
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from microtome.stain import StainError, codes
from microtome.stain.lasso import BLOCK, learn
from tests.reference import stain as reference
from tests.stain.synthetic import VECTORS

LARGEST_DENSITY = np.log(256)
PRECISE = 1e-6


def densities(count, seed=0):
    return np.random.default_rng(seed).uniform(-0.004, LARGEST_DENSITY, (3, count))


def random_matrix(seed):
    return np.random.default_rng(seed).uniform(0, 1, (2, 3))


LAMBDAS = (0, 0.01, 0.02, 0.1, 1)
OTHERS = (VECTORS[::-1] * 0.7, *map(random_matrix, range(5)))


@pytest.mark.parametrize(
    ("matrix", "lam"),
    [*((VECTORS, lam) for lam in LAMBDAS), *zip(OTHERS, (0.02, *LAMBDAS), strict=True)],
)
def test_optimal_on_every_pixel(matrix, lam):
    density = densities(2 * BLOCK + 17)
    found = codes(density, matrix, lam)
    assert found.shape == (2, density.shape[1])
    assert found.dtype == np.float64
    assert reference.kkt_residual(density, matrix, found, lam) <= PRECISE


@pytest.mark.parametrize("lam", [0, 0.02, 0.5])
def test_equals_a_generic_solver(lam):
    for seed in range(8):
        density, matrix = densities(60, seed), random_matrix(seed)
        expected = reference.codes(density, matrix, lam)
        assert np.allclose(codes(density, matrix, lam), expected, atol=1e-9)


def test_no_grid_point_is_better():
    density, lam = densities(40, 3), 0.05
    best = reference.objective(density, VECTORS, codes(density, VECTORS, lam), lam)
    for first in np.linspace(0, 8, 50):
        for second in np.linspace(0, 8, 50):
            other = np.tile([[first], [second]], (1, 40))
            assert (reference.objective(density, VECTORS, other, lam) >= best - 1e-12).all()


positive = st.floats(0, 1)


@settings(deadline=None)
@given(
    hnp.arrays(float, (2, 3), elements=positive).filter(lambda w: (np.linalg.norm(w, axis=1) > 0.05).all()),
    hnp.arrays(float, (3, 5), elements=st.floats(-0.01, LARGEST_DENSITY)),
    st.floats(0, 1),
)
def test_optimal_for_any_vectors(matrix, density, lam):
    found = codes(density, matrix, lam)
    assert np.isfinite(found).all()
    scale = max(1.0, np.abs(found).max())
    assert reference.kkt_residual(density, matrix, found, lam) <= PRECISE * scale


@pytest.mark.parametrize("turn", [0.0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
def test_optimal_for_nearly_equal_vectors(turn):
    matrix = np.stack([VECTORS[0], VECTORS[0] + turn * np.array([1, -0.5, 0.2])])
    density = densities(500)
    found = codes(density, matrix, 0.02)
    assert reference.kkt_residual(density, matrix, found, 0.02) <= PRECISE


def test_keeps_the_shape_of_an_image_and_the_input():
    density = densities(12).reshape(3, 3, 4)
    copy = density.copy()
    found = codes(density, VECTORS, 0.02)
    assert found.shape == (2, 3, 4)
    assert np.array_equal(found[:, 1, 2], codes(density[:, 1, 2], VECTORS, 0.02))
    assert np.array_equal(density, copy)


@pytest.mark.parametrize(
    ("density", "matrix", "lam", "message"),
    [
        (np.zeros((4, 2)), VECTORS, 0.1, r"\(4, 2\), expected \(3, \.\.\.\)"),
        (np.zeros((3, 2)), VECTORS.T, 0.1, r"\(3, 2\), expected \(2, 3\)"),
        (np.zeros((3, 2)), -VECTORS, 0.1, "rows ≥ 0"),
        (np.zeros((3, 2)), VECTORS * [[1], [0]], 0.1, "none of them zero"),
        (np.zeros((3, 2)), VECTORS * np.nan, 0.1, "finite"),
        (np.zeros((3, 2)), VECTORS, -0.1, "lam: found -0.1"),
        (np.zeros((3, 2)), VECTORS, np.nan, "lam: found nan"),
    ],
)
def test_bad_input_is_named(density, matrix, lam, message):
    with pytest.raises(StainError, match=message):
        codes(density, matrix, lam)


def mixture(seed=0, count=400):
    rng = np.random.default_rng(seed)
    true = rng.gamma(1, 0.5, (2, count)) * rng.integers(0, 2, (2, count))
    return VECTORS.T @ true + rng.normal(0, 0.01, (3, count)), rng.integers(1, 5, count).astype(float)


START = np.array([[0.6, 0.6, 0.5], [0.3, 0.9, 0.3]])
START = START / np.linalg.norm(START, axis=1, keepdims=True)


@pytest.mark.parametrize("lam", [0.02, 0.1])
def test_learns_a_minimum(lam):
    density, weights = mixture()
    learnt = learn(density, weights, START, lam=lam, max_iterations=500, tolerance=1e-9)
    assert learnt.converged
    best = reference.mean_objective(density, weights, learnt.matrix, lam)
    rng = np.random.default_rng(0)
    for _ in range(60):
        other = np.maximum(learnt.matrix + rng.normal(0, 1e-3, (2, 3)), 0)
        other = other / np.maximum(1, np.linalg.norm(other, axis=1, keepdims=True))
        assert reference.mean_objective(density, weights, other, lam) >= best - 1e-9


def test_learnt_vectors_are_not_negative_and_not_long():
    density, weights = mixture(2)
    matrix = learn(density, weights, START, lam=0.02, max_iterations=200, tolerance=1e-6).matrix
    assert (matrix >= 0).all()
    assert (np.linalg.norm(matrix, axis=1) <= 1 + 1e-12).all()


def test_weights_are_repeats():
    density, weights = mixture(3)
    again = np.repeat(density, weights.astype(int), axis=1)
    options = {"lam": 0.02, "max_iterations": 300, "tolerance": 1e-10}
    found = learn(density, weights, START, **options).matrix
    assert np.allclose(found, learn(again, np.ones(again.shape[1]), START, **options).matrix, atol=1e-8)


def test_stops_and_says_so():
    density, weights = mixture(4)
    learnt = learn(density, weights, START, lam=0.02, max_iterations=3, tolerance=1e-12)
    assert (learnt.iterations, learnt.converged) == (3, False)


def test_a_stain_no_pixel_has_stays():
    density = VECTORS[1][:, None] * np.linspace(0.1, 1, 50)
    learnt = learn(density, np.ones(50), VECTORS, lam=0.02, max_iterations=50, tolerance=1e-9)
    assert np.allclose(learnt.matrix, VECTORS, atol=1e-3)
