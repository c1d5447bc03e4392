# SPDX-License-Identifier: MIT
"""Band selection against scikit-learn, spectral and brute force."""

import numpy as np
import pytest
import spectral
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from microtome.cubes import band_selection


def cube(seed=0, count=12, size=(30, 41), dtype=np.float32):
    rng = np.random.default_rng(seed)
    base = rng.gamma(2, 1, size)
    return np.stack([base * w + rng.normal(0, 1 - w, size) for w in np.linspace(0.1, 0.9, count)]).astype(
        dtype
    )


@pytest.mark.parametrize("bins", [2, 16, 256])
def test_mutual_information_equals_scikit_learn(bins):
    data = cube()
    reference = band_selection.principal_component(data).score
    want = [
        mutual_info_score(band_selection.quantize(b, bins), band_selection.quantize(reference, bins))
        for b in data
    ]
    np.testing.assert_allclose(band_selection.mutual_information(data, reference, bins), want, atol=1e-9)


def test_bins_are_equal_and_the_tails_fall_into_the_outermost():
    image = np.concatenate([[-1000.0], np.linspace(0, 1, 5000), [1000.0]])[None]
    codes = band_selection.quantize(image, 4)
    assert codes.min() == 0
    assert codes.max() == 3
    assert np.ptp(np.bincount(codes)) <= 20


def test_the_component_is_that_of_spectral():
    data = cube(3, 20)
    ours = band_selection.principal_component(data)
    theirs = spectral.principal_components(np.moveaxis(data, 0, -1).astype(np.float64))
    vector = theirs.eigenvectors[:, 0]
    assert abs(vector @ ours.loading) >= 1 - 1e-9
    score = np.sign(vector @ ours.loading) * ((np.moveaxis(data, 0, -1) - theirs.mean) @ vector)
    np.testing.assert_allclose(ours.score, score, atol=1e-3 * np.abs(score).max())
    assert ours.loading.sum() >= 0
    assert ours.explained == pytest.approx(theirs.eigenvalues[0] / theirs.eigenvalues.sum(), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.data())
def test_the_window_is_the_best_and_the_first_of_equals(scores, data):
    width = data.draw(st.integers(1, len(scores)))
    found = band_selection.best_window([float(s) for s in scores], width)
    sums = [sum(scores[i : i + width]) for i in range(len(scores) - width + 1)]
    assert found == range(sums.index(max(sums)), sums.index(max(sums)) + width)


def test_a_copy_of_a_band_is_not_taken_twice():
    data = cube(1, 4)
    data = np.concatenate([data, data[3:]])
    reference = band_selection.principal_component(data).score
    scores = band_selection.mutual_information(data, reference, 32)
    assert band_selection.top_bands(scores, 2) == [3, 4]
    assert band_selection.top_bands(scores, 2, band_selection.shared_information(data, 32)) != [3, 4]


def test_a_band_without_variation_tells_nothing():
    data = cube()
    data[2] = 0.5
    found = band_selection.mutual_information(data, data[5])
    assert found[2] == 0
    assert found.argmax() == 5


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.integers(0, 99), st.sampled_from([1, 3, 1000]))
def test_percentiles_are_exact(size, seed, levels):
    """Against NumPy, also where many pixels share a value."""
    flat = np.random.default_rng(seed).integers(0, levels, size).astype(np.float32)
    last = size - 1
    want = [np.sort(flat)[round(last * q / 100)] for q in band_selection.RANGE]
    assert list(band_selection._percentiles(flat)) == want


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: band_selection.mutual_information(np.ones((2, 3, 3)), np.ones((3, 4))), "one size"),
        (
            lambda: band_selection.mutual_information(np.full((2, 3, 3), np.nan), np.ones((3, 3))),
            "not finite",
        ),
        (lambda: band_selection.principal_component(np.ones((1, 3, 3))), "two bands"),
        (lambda: band_selection.principal_component(np.full((2, 3, 3), np.inf)), "not finite"),
        (lambda: band_selection.best_window([1.0, 2.0], 3), "window of 3 bands"),
        (lambda: band_selection.best_window([1.0, np.nan], 1), "finite"),
        (lambda: band_selection.top_bands([1.0, 2.0], 1, np.ones((3, 3))), "shared information"),
    ],
)
def test_faults_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
