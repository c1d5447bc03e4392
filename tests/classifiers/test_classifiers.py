# SPDX-License-Identifier: MIT
"""Pixel classifiers against scikit-learn, SPy and brute force."""

import numpy as np
import pytest
import spectral
from pydantic import ValidationError
from scipy.optimize import minimize_scalar
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier

from microtome import classifiers

BANDS, SIDE = 6, 12
TREES = {"name": "boosted_trees", "iterations": 8, "least": 5}
CHOSEN = {"sam": {"name": "sam"}, "lda": {"name": "lda"}, "boosted_trees": TREES}


def spectra(count, classes=2, seed=0, noise=0.2):
    """Pixels of classes whose spectra slope differently, and their numbers."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    slopes = np.linspace(-0.4, 0.4, classes)[labels, None] * np.linspace(-1, 1, BANDS)
    bright = rng.uniform(0.5, 1.5, (count, 1))
    return (bright * (1 + slopes + noise * rng.standard_normal((count, BANDS)))).astype(np.float32), labels


def image_of(values):
    """Pixels (n, C) as an image (C, 1, n)."""
    return values.T[:, None]


def fitted_to(options, values, labels, seed=0):
    return classifiers.fit(options, values, labels, classes=labels.max() + 1, seed=seed)


def asked(options, fitted, values):
    """Probabilities (n, K) of single pixels."""
    return classifiers.predict(options, fitted, image_of(values))[:, 0].T


def test_these_are_all():
    assert classifiers.names() == ("boosted_trees", "lda", "sam")


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("shrinkage", ["auto", 0.3, None])
def test_lda_is_that_of_scikit_learn(classes, shrinkage):
    values, labels = spectra(300, classes)
    new, _ = spectra(50, classes, seed=1)
    options = {"name": "lda", "shrinkage": shrinkage}
    peer = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(values.astype(float), labels)
    found = asked(options, fitted_to(options, values, labels), new)
    np.testing.assert_allclose(found, peer.predict_proba(new.astype(float)), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("more", [{}, {"depth": 2, "leaves": 4, "l2": 1.0, "learning_rate": 0.3}])
def test_trees_are_followed_as_scikit_learn_does(classes, more):
    values, labels = spectra(400, classes)
    new, _ = spectra(200, classes, seed=1)
    options = TREES | more
    peer = HistGradientBoostingClassifier(
        max_iter=8,
        min_samples_leaf=5,
        early_stopping=False,
        max_depth=options.get("depth", 6),
        max_leaf_nodes=options.get("leaves", 31),
        l2_regularization=options.get("l2", 0.0),
        learning_rate=options.get("learning_rate", 0.1),
    ).fit(values.astype(float), labels)
    found = asked(options, fitted_to(options, values, labels), new)
    np.testing.assert_allclose(found, peer.predict_proba(new.astype(float)), atol=1e-6)


def test_a_value_at_a_threshold_goes_left_as_in_training():
    values = np.repeat(np.float32([[0], [1], [2], [3]]), 30, axis=0)
    labels = (values[:, 0] > 1).astype(int)
    options = {"name": "boosted_trees", "iterations": 20}
    fitted = fitted_to(options, values, labels)
    assert asked(options, fitted, np.float32([[1], [2]])).argmax(1).tolist() == [0, 1]


@pytest.mark.parametrize("classes", [2, 4])
def test_sam_takes_the_smallest_angle_of_spy(classes):
    values, labels = spectra(200, classes)
    new, _ = spectra(64, classes, seed=1)
    means = np.stack([values[labels == number].mean(0) for number in range(classes)])
    angles = spectral.spectral_angles(new.reshape(8, 8, BANDS).astype(float), means.astype(float))
    found = asked({"name": "sam"}, fitted_to({"name": "sam"}, values, labels), new)
    np.testing.assert_array_equal(found.argmax(1), angles.reshape(64, classes).argmin(1))
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


def test_the_factor_of_angles_is_the_most_likely_one():
    values, labels = spectra(500, noise=0.6)
    fitted = fitted_to({"name": "sam"}, values, labels)
    means = np.stack([values[labels == number].astype(float).mean(0) for number in range(2)])
    angles = spectral.spectral_angles(values[None].astype(float), means)[0]

    def loss(factor):
        exponents = np.exp(-factor * angles)
        return -np.log(exponents[np.arange(500), labels] / exponents.sum(1)).sum()

    best = minimize_scalar(loss, bounds=(1, 200), method="bounded").x
    assert 1 < best < 199
    assert fitted["factor"][0] == pytest.approx(best, rel=1e-3)


def test_sam_looks_past_brightness():
    values, labels = spectra(100)
    fitted = fitted_to({"name": "sam"}, values, labels)
    np.testing.assert_allclose(
        asked({"name": "sam"}, fitted, 7 * values), asked({"name": "sam"}, fitted, values), atol=1e-4
    )
    assert np.isfinite(asked({"name": "sam"}, fitted, np.zeros((1, BANDS), np.float32))).all()


@pytest.mark.parametrize("side", [3, 5])
def test_a_neighbourhood_is_mean_and_spread_of_what_lies_around(side):
    pixels = np.random.default_rng(0).random((BANDS, 7, 9)).astype(np.float32)
    around = np.pad(pixels, ((0, 0), *[(side // 2,) * 2] * 2), mode="symmetric").astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(around, (side, side), (1, 2))
    mean, spread = windows.mean((3, 4)), windows.std((3, 4))
    found = classifiers.describe({"name": "lda", "neighbourhood": side}, pixels)
    np.testing.assert_allclose(found, np.concatenate([pixels, mean, spread]), atol=1e-5)
    found = classifiers.describe({"name": "sam", "neighbourhood": side}, pixels)
    np.testing.assert_allclose(found, mean, atol=1e-6)


@pytest.mark.parametrize("name", ["sam", "lda", "boosted_trees"])
def test_a_pixel_alone_is_its_spectrum(name):
    pixels = np.random.default_rng(0).random((BANDS, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(classifiers.describe({"name": name}, pixels), pixels)


@pytest.mark.parametrize("name", list(CHOSEN))
def test_maps_of_images_are_those_of_their_pixels(name, monkeypatch):
    monkeypatch.setattr(classifiers, "PART", 50)
    values, labels = spectra(200, 3)
    fitted = fitted_to(CHOSEN[name], values, labels)
    pixels = spectra(SIDE * SIDE, 3, seed=1)[0]
    found = classifiers.predict(CHOSEN[name], fitted, pixels.T.reshape(BANDS, SIDE, SIDE))
    assert (found.shape, found.dtype) == ((3, SIDE, SIDE), np.float32)
    np.testing.assert_array_equal(found.reshape(3, -1).T, asked(CHOSEN[name], fitted, pixels))
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-6)
    assert (found.argmax(0).ravel() == np.arange(SIDE * SIDE) % 3).mean() > 0.6


@pytest.mark.parametrize("name", list(CHOSEN))
def test_fitting_again_gives_the_same(name):
    values, labels = spectra(200)
    one, other = (fitted_to(CHOSEN[name], values, labels, seed=4) for _ in range(2))
    assert one.keys() == other.keys()
    for key, array in one.items():
        np.testing.assert_array_equal(array, other[key])


def test_what_does_not_fit_is_refused():
    values, labels = spectra(20)
    with pytest.raises(ValueError, match="no training pixel of class 2"):
        classifiers.fit({"name": "lda"}, values, labels, classes=3, seed=0)
    fitted = fitted_to({"name": "lda"}, values, labels)
    with pytest.raises(ValueError, match="found 5 values of each pixel, expected 6"):
        classifiers.predict({"name": "lda"}, fitted, np.ones((5, 2, 2)))
    with pytest.raises(ValueError, match="There is no classifier called 'lba'; expected 'lda'"):
        classifiers.describe({"name": "lba"}, np.ones((5, 2, 2)))
    with pytest.raises(ValidationError, match="an odd number, such as 1, 3 or 5"):
        classifiers.describe({"name": "lda", "neighbourhood": 4}, np.ones((5, 2, 2)))
