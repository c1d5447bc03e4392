# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from microtome import stain
from microtome.stain import SpcnSettings, StainError, StainProfile
from tests.stain.synthetic import BLUER, VECTORS, angles, image


@pytest.mark.parametrize("vectors", [VECTORS, BLUER])
@pytest.mark.parametrize("noise", [0, 1, 3])
def test_finds_known_vectors(vectors, noise):
    profile = stain.fit(image(vectors, noise=noise))
    assert angles(profile.stain_matrix, vectors).max() < 2
    assert np.linalg.norm(profile.stain_matrix, axis=1) == pytest.approx([1, 1])
    assert profile.converged
    assert profile.fallback is None
    assert profile.warnings == ()


def test_scales_are_percentiles_of_the_concentrations():
    rgb = image()
    profile = stain.fit(rgb)
    found = stain.concentrations(rgb, profile)
    assert found.shape == (2, *rgb.shape[:2])
    assert found.dtype == np.float32
    assert profile.concentration_p99 == pytest.approx(np.percentile(found, 99, axis=(1, 2)), rel=1e-6)
    over_tissue = stain.fit(rgb, percentile_over="tissue")
    assert (over_tissue.concentration_p99 > profile.concentration_p99).all()
    assert np.array_equal(over_tissue.concentration_p99, profile.concentration_p99_tissue)
    assert (stain.fit(rgb, percentile=90).concentration_p99 < profile.concentration_p99).all()


def test_concentrations_are_the_codes_of_each_pixel():
    rgb = image(side=40)
    profile = stain.fit(rgb)
    density = np.log(255) - np.log(np.moveaxis(rgb, -1, 0) + 1.0)
    expected = stain.codes(density, profile.stain_matrix, 0.02)
    assert np.allclose(stain.concentrations(rgb, profile), expected, atol=1e-6)


def test_two_runs_are_byte_identical():
    rgb = image(noise=6)
    first, second = (stain.fit(rgb, subsample=500) for _ in range(2))
    assert first.as_json() == second.as_json()
    target = stain.fit(image(BLUER, seed=5))
    results = [stain.normalize(rgb, profile, target).tobytes() for profile in (first, second)]
    assert results[0] == results[1]


def test_the_order_of_pixels_does_not_matter():
    rgb = image(noise=3)
    mixed = np.random.default_rng(0).permutation(rgb.reshape(-1, 3)).reshape(rgb.shape)
    for other in (mixed, rgb[::-1], rgb.transpose(1, 0, 2)):
        assert stain.fit(other) == stain.fit(rgb)


def test_a_sample_tells_what_all_pixels_tell():
    rgb = image(noise=4)
    whole = stain.fit(rgb, subsample=None)
    sampled = stain.fit(rgb, subsample=2000)
    assert np.array_equal(stain.fit(rgb, subsample=10**7).stain_matrix, whole.stain_matrix)
    assert not np.array_equal(sampled.stain_matrix, whole.stain_matrix)
    assert angles(sampled.stain_matrix, whole.stain_matrix).max() < 0.5
    other = stain.fit(rgb, subsample=2000, seed=1)
    assert not np.array_equal(other.stain_matrix, sampled.stain_matrix)
    assert angles(sampled.stain_matrix, other.stain_matrix).max() < 0.5


def test_normalized_image_has_vectors_and_scales_of_the_target():
    target = stain.fit(image(BLUER, haematoxylin=1.2, seed=3))
    rgb = image(VECTORS, eosin=1.3, seed=4)
    normalized = stain.normalize(rgb, stain.fit(rgb), target)
    after = stain.fit(normalized)
    assert normalized.dtype == np.uint8
    assert normalized.shape == rgb.shape
    assert angles(after.stain_matrix, target.stain_matrix).max() < 2
    assert after.concentration_p99 == pytest.approx(target.concentration_p99, rel=0.06)


def test_structure_is_preserved():
    rgb, target = image(noise=0), stain.fit(image(BLUER, seed=3))
    source = stain.fit(rgb)
    before = stain.concentrations(rgb, source)
    after = stain.concentrations(stain.normalize(rgb, source, target), target)
    for first, second in zip(before, after, strict=True):
        assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.99


def test_formula_by_hand():
    """Scaled codes, target vectors, Beer–Lambert, rounding; one pixel at a time."""
    rgb = image(side=20, noise=5)
    settings = SpcnSettings(encode_lambda=0.05)
    common = {"tissue_fraction": 1, "settings": settings}
    source = StainProfile(
        stain_matrix=VECTORS, concentration_p99=[1, 2], concentration_p99_tissue=[1, 2], **common
    )
    target = StainProfile(
        stain_matrix=BLUER, concentration_p99=[1.5, 1], concentration_p99_tissue=[1.5, 1], **common
    )
    found = stain.normalize(rgb, source, target)
    density = np.log(255 / (np.moveaxis(rgb, -1, 0) + 1.0))
    codes = stain.codes(density, VECTORS, 0.05) * np.array([1.5, 0.5])[:, None, None]
    expected = np.rint(255 * np.exp(-np.einsum("shw,sc->hwc", codes, BLUER)))
    assert np.array_equal(found, expected.astype(np.uint8))
    truncated = replace(source, settings=settings.model_copy(update={"rounding": "truncate"}))
    below = stain.normalize(rgb, truncated, target).astype(int) - expected
    assert set(np.unique(below)) == {-1, 0}


def test_a_target_normalized_to_itself_stays():
    rgb = image(noise=1)
    profile = stain.fit(rgb, train_lambda=0.001, encode_lambda=0)
    change = stain.normalize(rgb, profile, profile).astype(int) - rgb
    assert np.abs(change).mean() < 2
    assert np.abs(change).max() <= 12
    default = stain.fit(rgb)
    assert np.abs(stain.normalize(rgb, default, default).astype(int) - rgb).mean() < 5


def test_inputs_are_not_changed():
    rgb = image(side=60)
    rgb[0, 0] = 0
    copy = rgb.copy()
    profile = stain.fit(rgb)
    stain.normalize(rgb, profile, profile)
    stain.concentrations(rgb, profile)
    assert np.array_equal(rgb, copy)


@pytest.mark.parametrize("preset", stain.PRESETS)
def test_every_preset_finds_the_stains(preset):
    rgb = image(noise=1)
    profile = stain.fit(rgb, preset=preset)
    assert profile.preset == preset
    assert angles(profile.stain_matrix).max() < (6 if preset == "staintools" else 2)
    assert stain.normalize(rgb, profile, profile).shape == rgb.shape


def test_parameters_of_the_presets():
    chosen = ("train_lambda", "encode_lambda", "luminosity", "density", "order", "unit_rows", "rounding")
    table = {name: [getattr(settings, key) for key in chosen] for name, settings in stain.PRESETS.items()}
    assert table == {
        "recommended": [0.02, 0.02, 0.9, "log1p", "green", True, "round"],
        "authors": [0.02, 0.02, 0.9, "log1p", "green", False, "round"],
        "staintools": [0.1, 0.01, 0.8, "floor", "red", True, "truncate"],
    }
    assert {(p.percentile, p.percentile_over) for p in stain.PRESETS.values()} == {(99.0, "all")}
    assert [p.max_gain for p in stain.PRESETS.values()] == [4.0, None, None]


def test_parameters_are_used_and_kept():
    rgb = image(noise=2)
    profile = stain.fit(rgb, train_lambda=0.1, encode_lambda=None, max_gain=None)
    assert profile.parameters["train_lambda"] == 0.1
    assert profile.parameters["encode_lambda"] == 0.02
    assert profile.parameters["max_gain"] is None
    assert not np.array_equal(profile.stain_matrix, stain.fit(rgb).stain_matrix)
    assert stain.fit(rgb, luminosity=0.7).tissue_fraction < profile.tissue_fraction
    assert stain.fit(rgb, max_iterations=1).iterations == 1


def test_stopping_early_is_said():
    profile = stain.fit(image(), max_iterations=2)
    assert not profile.converged
    assert "stopped after 2 iterations" in profile.warnings[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "vahadane"}, "preset: found 'vahadane', expected one of recommended, authors"),
        ({"lam": 0.1}, "unknown parameter lam, expected some of .*train_lambda"),
        ({"train_lambda": -1}, "train_lambda: found -1; .* or equal to 0"),
        ({"train_lambda": float("nan")}, "train_lambda: found nan"),
        ({"luminosity": 0}, "luminosity: found 0; .* greater than 0"),
        ({"percentile": 101}, "percentile: found 101"),
        ({"percentile_over": "white"}, "percentile_over: found white; .* 'all' or 'tissue'"),
        ({"max_gain": 0.5}, "max_gain: found 0.5"),
        ({"subsample": 0}, "subsample: found 0"),
        ({"max_iterations": 0}, "max_iterations: found 0"),
    ],
)
def test_bad_parameters_are_named(changes, message):
    with pytest.raises(StainError, match=message):
        stain.fit(image(side=30), **changes)


def test_haematoxylin_comes_first_whatever_it_started_as():
    from microtome.stain.matrix import ordered

    for order in ("green", "red"):
        assert np.array_equal(ordered(VECTORS[::-1], order), VECTORS)
        assert np.array_equal(ordered(VECTORS, order), VECTORS)
    odd = np.array([[0.5, 0.8, 0.1], [0.4, 0.7, 0.6]])  # the two rules differ
    assert np.array_equal(ordered(odd, "red"), odd)
    assert np.array_equal(ordered(odd, "green"), odd[::-1])
