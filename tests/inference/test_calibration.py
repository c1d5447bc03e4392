# SPDX-License-Identifier: MIT
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from microtome.inference import calibration

X = np.linspace(0, 1, 101)
FINE = np.linspace(0, 1, 20001)


def counts_of(frequency, pixels):
    """A histogram with these pixels and shares of positives, at bin centres."""
    centres = (np.arange(len(pixels)) + 0.5) / len(pixels)
    return calibration.Histogram(pixels, np.round(frequency * pixels).astype(np.int64), centres * pixels)


def loss(coefficients, counts):
    x = counts.sums / counts.pixels
    misfit = np.polynomial.polynomial.polyval(x, coefficients) - counts.positives / counts.pixels
    return np.average(misfit**2, weights=counts.pixels)


def sequential_programming(counts):
    """Independent optimum: cubic by SLSQP, slope >= 0 on a grid."""
    grid = np.linspace(0, 1, 201)
    slopes = np.stack([0 * grid, 1 + 0 * grid, 2 * grid, 3 * grid**2], axis=1)
    start = np.array([counts.positives.sum() / counts.pixels.sum(), 0.1, 0.0, 0.0])
    bound = {"type": "ineq", "fun": lambda c: slopes @ c, "jac": lambda c: slopes}
    result = minimize(
        lambda c: 1e3 * loss(c, counts), start, constraints=bound, options={"ftol": 1e-14, "maxiter": 500}
    )
    return result.x


@st.composite
def histograms(draw):
    bins = draw(st.integers(5, 24))
    pixels = draw(arrays(np.int64, bins, elements=st.integers(1, 5000)))
    shares = draw(arrays(np.float64, bins, elements=st.floats(0, 1)))
    counts = counts_of(shares, pixels)
    positives = counts.positives.copy()
    positives[0], positives[-1] = 0, pixels[-1]  # both classes occur
    return calibration.Histogram(pixels, positives, counts.sums)


@settings(max_examples=100, deadline=None)
@given(histograms())
def test_never_falls(counts):
    fitted = calibration.fit_histogram(counts)
    slope = np.polynomial.Polynomial(fitted.coefficients).deriv()
    assert slope(FINE).min() >= -1e-10
    assert fitted.lowest_slope <= slope(FINE).min() + 1e-12
    assert len(fitted.coefficients) == 4
    values = calibration.apply(fitted, X)
    assert (np.diff(values) >= -1e-7).all()
    assert ((values >= 0) & (values <= 1)).all()


@pytest.mark.parametrize("seed", range(12))
def test_is_the_constrained_optimum(seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(1, 2000, 32)
    kinds = [
        X[:32] * 0 + np.linspace(0.1, 0.9, 32),
        np.linspace(0.9, 0.1, 32),
        np.sin(np.linspace(0, 7, 32)) / 2 + 0.5,
    ]
    counts = counts_of(np.clip(kinds[seed % 3] + rng.normal(0, 0.1, 32), 0, 1), pixels)
    fitted = calibration.fit_histogram(counts)
    reached, best = loss(fitted.coefficients, counts), loss(sequential_programming(counts), counts)
    assert reached <= best * (1 + 1e-5) + 1e-9
    assert fitted.residual == pytest.approx(np.sqrt(reached))


def test_recovers_a_rising_cubic_exactly():
    pixels = np.full(64, 10**9)
    truth = np.array([0.05, 0.2, 0.1, 0.5])
    centres = (np.arange(64) + 0.5) / 64
    fitted = calibration.fit_histogram(counts_of(np.polynomial.polynomial.polyval(centres, truth), pixels))
    assert fitted.coefficients == pytest.approx(truth, abs=1e-6)


def test_recovers_a_cubic_with_a_flat_point_inside():
    """Slope (x - 0.4)^2: allowed, but not a sum of rising Bernstein polynomials."""
    pixels = np.full(64, 10**9)
    truth = np.polynomial.Polynomial([0.16, -0.8, 1.0]).integ() + 0.3
    centres = (np.arange(64) + 0.5) / 64
    fitted = calibration.fit_histogram(counts_of(truth(centres), pixels))
    assert calibration.apply(fitted, X) == pytest.approx(truth(X), abs=5e-6)


def test_falling_frequencies_give_their_mean():
    counts = counts_of(np.linspace(1, 0, 16), np.full(16, 100))
    assert calibration.apply(calibration.fit_histogram(counts), X) == pytest.approx(0.5, abs=0.02)


def test_corrects_the_overrating_of_a_rare_class():
    """Balanced training multiplies the odds; calibration must bring the mean back to the true share."""
    rng = np.random.default_rng(0)
    honest = rng.beta(0.6, 2.0, 200_000)
    truth = rng.random(honest.size) < honest
    overrated = 4 * honest / (4 * honest + 1 - honest)
    fitted = calibration.fit(overrated, truth)
    mended = calibration.apply(fitted, overrated)
    assert abs(mended.mean() - truth.mean()) < 0.005 < 0.2 < overrated.mean() - truth.mean()
    assert np.abs(mended - honest).mean() < 0.03


def test_histograms_of_slices_add_up():
    rng = np.random.default_rng(1)
    values, truth = rng.random((2, 30, 30)), rng.random((2, 30, 30)) < 0.3
    parts = [calibration.histogram(v, t, 32) for v, t in zip(values, truth, strict=True)]
    total, whole = parts[0] + parts[1], calibration.histogram(values, truth, 32)
    for name in ("pixels", "positives", "sums"):
        assert getattr(total, name) == pytest.approx(getattr(whole, name))
    assert calibration.fit_histogram(total).coefficients == pytest.approx(
        calibration.fit(values, truth, bins=32).coefficients
    )
    assert whole.pixels.tolist() == np.histogram(values, 32, (0, 1))[0].tolist()
    with pytest.raises(ValueError, match="32 and 8 bins"):
        parts[0] + calibration.histogram(values, truth, 8)


def test_only_labelled_pixels_count():
    valid = np.array([True, False, True])
    counts = calibration.histogram(np.array([0.1, 0.1, 1.0]), np.array([False, True, True]), 4, valid=valid)
    assert (counts.pixels.tolist(), counts.positives.tolist()) == ([1, 0, 0, 1], [0, 0, 0, 1])


def test_round_trip_through_json():
    fitted = calibration.fit(X, X > 0.5)
    assert calibration.Calibration.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted
    with pytest.raises(ValueError, match="fit it again"):
        calibration.Calibration.from_dict({"coefficients": [0, 1]})
    with pytest.raises(ValueError, match=r"falls in \[0, 1\]"):
        calibration.Calibration((1.0, -1.0), 1, 0.0)
    with pytest.raises(ValueError, match="falls"):
        calibration.Calibration((0.0, 0.1, -1.0, 1.0), 1, 0.0)  # rises at both ends, falls between
    with pytest.raises(ValueError, match="finite"):
        calibration.Calibration((float("nan"), 1.0), 1, 0.0)


@pytest.mark.parametrize(
    ("values", "truth", "options", "message"),
    [
        (X * 3, X > 0.5, {}, "apply the softmax or sigmoid"),
        (X, (X > 0.5).astype(int), {}, "expected bool"),
        (X, X[:-1] > 0.5, {}, "expected bool"),
        (X, X > 2, {}, "needs both classes"),
        (X, X > -1, {}, "needs both classes"),
        (np.array([0.0, 1.0] * 5), np.array([False, True] * 5), {}, "2 occupied bins"),
        (X, X > 0.5, {"bins": 0}, "0 bins"),
    ],
)
def test_bad_input_is_named(values, truth, options, message):
    with pytest.raises(ValueError, match=message):
        calibration.fit(values, truth, **options)


def test_median_equals_a_plain_loop_over_the_disk():
    image = np.random.default_rng(0).random((2, 9, 8)).astype(np.float32)
    found = calibration.median_filter(image)
    padded = np.pad(image, ((0, 0), (2, 2), (2, 2)), mode="symmetric")
    disk = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if dy * dy + dx * dx <= 4]
    for channel, y, x in np.ndindex(image.shape):
        expected = np.median([padded[channel, y + 2 + dy, x + 2 + dx] for dy, dx in disk])
        assert found[channel, y, x] == expected
    assert np.array_equal(calibration.median_filter(image[0]), found[0])
    assert np.array_equal(calibration.median_filter(image, 0), image)
    with pytest.raises(ValueError, match="radius"):
        calibration.median_filter(image, -1)


@pytest.mark.parametrize(
    "values",
    [
        3,
        [],
        {"coefficients": None, "pixels": 1, "residual": 0.1},
        {"coefficients": [0, None], "pixels": 1, "residual": 0.1},
        {"coefficients": [0, 1], "pixels": None, "residual": 0.1},
        {"coefficients": [0, 1], "pixels": float("inf"), "residual": 0.1},
        {"coefficients": [0, 10**400], "pixels": 1, "residual": 0.1},
    ],
)
def test_what_is_no_calibration_is_refused(values):
    with pytest.raises(ValueError, match="fit it again"):
        calibration.Calibration.from_dict(values)
