# SPDX-License-Identifier: MIT
"""The temperature against a minimum that SciPy finds on the likelihood itself."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from microtome.inference import temperature
from microtome.inference.temperature import Temperature


def example(classes, sharpness, seed=0, count=4000):
    """Probabilities whose logits are so many times too large, and truths drawn by the right ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (classes, count))
    right = softmax(logits, axis=0)
    truth = (right.cumsum(0) < rng.random(count)).sum(0).clip(0, classes - 1)
    return softmax(sharpness * logits, axis=0), truth


def likelihood(shares, truth, value):
    scaled = log_softmax(np.log(shares) / value, axis=0)
    return -scaled[truth, np.arange(truth.size)].mean()


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("sharpness", [0.5, 1, 3])
def test_it_has_the_least_likelihood_and_finds_what_was_done(classes, sharpness):
    shares, truth = example(classes, sharpness)
    shares = shares.clip(1e-6, 1)
    found = temperature.fit(lambda: [(shares, truth)])
    least = minimize_scalar(lambda t: likelihood(shares, truth, t), bounds=(0.05, 20), method="bounded")
    assert found.temperature == pytest.approx(least.x, rel=1e-3)
    assert found.temperature == pytest.approx(sharpness, rel=0.12)
    assert found.nll_after == pytest.approx(likelihood(shares, truth, found.temperature))
    assert found.nll_before == pytest.approx(likelihood(shares, truth, 1))
    assert found.pixels == truth.size


def test_parts_count_as_the_whole():
    shares, truth = example(3, 2)
    whole = temperature.fit(lambda: [(shares, truth)])
    parts = temperature.fit(lambda: ((shares[:, at::3], truth[at::3]) for at in range(3)))
    assert parts.temperature == pytest.approx(whole.temperature, rel=1e-5)


@pytest.mark.parametrize(("flip", "expected"), [(False, 0.05), (True, 20)])
def test_what_lies_beyond_the_ends_is_an_end(flip, expected):
    truth = np.array([0, 1, 0, 1])
    sure = np.where(truth == 0, 0.9, 0.1)
    shares = np.stack([1 - sure, sure] if flip else [sure, 1 - sure])
    assert temperature.fit(lambda: [(shares, truth)]).temperature == pytest.approx(expected)


def test_maps_are_scaled_as_logits_are_divided():
    shares, _ = example(4, 1, count=12)
    maps, found = shares.reshape(4, 3, 4), Temperature(2.5, 1, 1.0, 1.0)
    scaled = temperature.apply(found, maps.astype(np.float32), activation="softmax")
    np.testing.assert_allclose(scaled, softmax(np.log(maps) / 2.5, axis=0), rtol=1e-4)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled.argmax(0), maps.argmax(0))
    alone = temperature.apply(found, maps[:2], activation="sigmoid")
    np.testing.assert_allclose(alone[0], 1 / (1 + (1 / maps[0] - 1) ** (1 / 2.5)), rtol=1e-5)
    np.testing.assert_array_equal(alone[1], maps[1].astype(np.float32))


def test_it_survives_json():
    found = temperature.fit(lambda: [example(2, 2)], floor=1 / 510)
    assert Temperature.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert found.floor == 1 / 510


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"coefficients": [1]}, "a temperature has"),
        ({"temperature": "x", "pixels": 1, "nll_before": 1, "nll_after": 1, "floor": 0.1}, "holds numbers"),
        ({"temperature": 30, "pixels": 1, "nll_before": 1, "nll_after": 1, "floor": 0.1}, "expected 0.05 to"),
    ],
)
def test_what_is_no_temperature_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Temperature.from_dict(values)


def test_one_class_alone_is_refused():
    shares = np.full((2, 3), 0.5)
    with pytest.raises(ValueError, match="3 labelled pixels of 1 classes; a temperature needs two classes"):
        temperature.fit(lambda: [(shares, np.zeros(3, int))])
