# SPDX-License-Identifier: MIT
"""Images that cannot tell their stains: an error that says why, or a fallback that is reported; never NaN."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from microtome import stain
from microtome.stain import StainError
from microtome.stain.matrix import gains
from tests.stain.synthetic import BLUER, VECTORS, angles, image

TARGET = stain.fit(image(BLUER, haematoxylin=1.2, seed=3))
RNG = np.random.default_rng(0)


def noisy(level, side=60, spread=2):
    values = RNG.normal(0, spread, (side, side, 1 if isinstance(level, int) else 3)) + level
    return np.clip(np.rint(np.broadcast_to(values, (side, side, 3))), 0, 255).astype(np.uint8)


def few_tissue(pixels, side=200):
    rgb = np.full((side, side, 3), 255, np.uint8)
    rgb.reshape(-1, 3)[:pixels] = image(side=100).reshape(-1, 3)[:pixels]
    return rgb


def applied(rgb, target=TARGET, **options):
    """The result and report of `apply`, after checks that hold for every image."""
    normalized, report = stain.apply(rgb, target, **options)
    assert normalized.shape == rgb.shape
    assert normalized.dtype == np.uint8
    json.dumps(report, allow_nan=False)
    return normalized, report


USELESS = {
    "white": (np.full((40, 40, 3), 255, np.uint8), "no tissue: found 0 .* the rest white"),
    "off-white": (noisy(244), "no tissue"),
    "black": (np.zeros((40, 40, 3), np.uint8), r"no tissue: .*100\.0% black"),
    "ink": (noisy((40, 150, 90)), r"no tissue: .*ink"),
    "a few pixels": (few_tissue(60), "no tissue: found .* of 40000"),
    "one pixel": (np.full((1, 1, 3), 100, np.uint8), "no tissue: found 1 tissue pixels of 1 "),
    "grey": (noisy(120, spread=30), "no colour"),
    "one colour": (np.full((40, 40, 3), (180, 90, 150), np.uint8), "one stain only"),
    "one stain, H": (image(eosin=0), "one stain only"),
    "one stain, E": (image(haematoxylin=0), "one stain only"),
}


@pytest.mark.parametrize("name", USELESS)
def test_no_target_can_be_made_of_it(name):
    rgb, message = USELESS[name]
    with pytest.raises(StainError, match=message):
        stain.fit(rgb)
    with pytest.raises(StainError, match="choose another image"):
        stain.fit_target(rgb)


@pytest.mark.parametrize("name", USELESS)
def test_as_an_image_the_fallback_is_reported(name):
    rgb, message = USELESS[name]
    _, report = applied(rgb)
    assert message.partition(":")[0] in report["fallback"]
    assert "of the fallback profile" in report["fallback"]


@pytest.mark.parametrize("name", ["white", "black", "ink", "a few pixels", "grey"])
def test_nothing_known_means_vectors_and_scales_of_the_target(name):
    rgb, _ = USELESS[name]
    normalized, report = applied(rgb)
    assert report["gain"] == [1, 1]
    assert report["source"]["stain_matrix"] == TARGET.stain_matrix.tolist()
    assert report["angle_degrees"]["H"] == report["angle_degrees"]["E"] == 0
    assert np.array_equal(normalized, stain.normalize(rgb, TARGET, TARGET))
    if name == "white":
        assert (normalized == 255).all()


@pytest.mark.parametrize(("present", "absent"), [("H", "E"), ("E", "H")])
def test_with_one_stain_the_other_is_the_targets(present, absent):
    row = "HE".index(present)
    rgb = image(**{"eosin" if present == "H" else "haematoxylin": 0})
    normalized, report = applied(rgb)
    assert f"vector and scale of {absent} are those of the fallback" in report["fallback"]
    found = np.array(report["source"]["stain_matrix"])
    assert angles(found[row : row + 1], VECTORS[row : row + 1])[0] < 1.5
    assert np.array_equal(found[1 - row], TARGET.stain_matrix[1 - row])
    assert report["gain"][1 - row] == 1
    amounts = stain.concentrations(normalized, TARGET)
    assert amounts[1 - row].mean() < 0.15 * amounts[row].mean()


def test_a_black_border_is_left_out():
    rgb = image()
    framed = rgb.copy()
    framed[:, :50] = RNG.integers(0, 20, (160, 50, 3))
    framed[:30] = 0
    inner = stain.fit(framed[30:, 50:])
    profile = stain.fit(framed)
    assert profile.black_fraction == pytest.approx(1 - 130 * 110 / 160**2, abs=1e-3)
    assert np.allclose(profile.stain_matrix, inner.stain_matrix, atol=1e-9)
    assert profile.concentration_p99 == pytest.approx(inner.concentration_p99)
    naive = stain.fit(framed, exclude_black=False)
    assert (naive.concentration_p99 > 1.5 * profile.concentration_p99).any()
    applied(framed)


@pytest.mark.parametrize("ink", [(40, 150, 90), (40, 80, 190), (20, 20, 20), (48, 46, 50)])
def test_pen_marks_are_left_out_and_reported(ink):
    rgb = image()
    marked = rgb.copy()
    marked[40:70] = noisy(ink, side=160)[:30]
    clean, profile = stain.fit(np.concatenate([rgb[:40], rgb[70:]])), stain.fit(marked)
    assert profile.ink_fraction + profile.black_fraction == pytest.approx(30 / 160, abs=0.005)
    assert angles(profile.stain_matrix, clean.stain_matrix).max() < 0.2
    assert profile.concentration_p99 == pytest.approx(clean.concentration_p99, rel=0.02)
    naive = stain.fit(marked, exclude_ink=False, exclude_black=False)
    off = angles(naive.stain_matrix, clean.stain_matrix).max()
    assert off > 2 or (naive.concentration_p99 > 1.2 * clean.concentration_p99).any()
    kind = "green or blue ink" if profile.ink_fraction > profile.black_fraction else "black"
    assert kind in applied(marked)[1]["warnings"][0]


def test_little_tissue_is_fitted_and_said():
    rgb = few_tissue(1500)
    profile = stain.fit(rgb)
    assert angles(profile.stain_matrix).max() < 3
    assert "percentile_over: tissue" in profile.warnings[0]
    _, report = applied(few_tissue(300))
    assert report["fallback"] is None
    assert "hardly any over all pixels, so scaled over tissue" in " ".join(report["warnings"])
    assert max(report["gain"]) <= 4


def test_background_does_not_change_scales_over_tissue():
    rgb = image()
    padded = np.concatenate([rgb, np.full((640, 160, 3), 255, np.uint8)])
    options = {"percentile_over": "tissue"}
    assert stain.fit(padded, **options).concentration_p99 == pytest.approx(
        stain.fit(rgb, **options).concentration_p99
    )
    assert (stain.fit(padded).concentration_p99 < stain.fit(rgb).concentration_p99).all()


def test_gain_is_limited():
    pale = image(haematoxylin=0.15, eosin=1.2, noise=0.5)
    limited, report = applied(pale, replace(TARGET, concentration_p99=TARGET.concentration_p99 * 3))
    assert report["gain"][0] == 4
    assert "limited to 4 (max_gain)" in " ".join(report["warnings"])
    free, other = applied(
        pale, replace(TARGET, concentration_p99=TARGET.concentration_p99 * 3), max_gain=None
    )
    assert other["gain"][0] > 4
    assert free.mean() < limited.mean()


def test_gain_of_a_stain_that_is_absent_is_one():
    empty = replace(TARGET, concentration_p99=[0, 1], concentration_p99_tissue=[0, 1])
    found = gains(empty, TARGET)
    assert found.values[0] == 1
    assert "H: none in the image" in found.remarks[0]
    assert np.isfinite(gains(TARGET, empty).values).all()


def test_noise_beyond_reason_gives_numbers():
    for rgb in (RNG.integers(0, 256, (80, 80, 3)).astype(np.uint8), image(noise=40)):
        applied(rgb)


@pytest.mark.parametrize("method", ["macenko", "reinhard"])
@pytest.mark.parametrize("name", ["white", "black", "ink", "a few pixels", "one pixel"])
def test_other_methods_do_the_same(method, name):
    rgb, _ = USELESS[name]
    with pytest.raises(StainError, match="no tissue"):
        stain.fit_target(rgb, method)
    _, report = applied(rgb, stain.fit_target(image(BLUER), method))
    assert "of the fallback profile" in report["fallback"]


def test_reinhard_of_one_colour():
    _, report = applied(USELESS["one colour"][0], stain.fit_target(image(BLUER), "reinhard"))
    assert any("no spread" in text for text in report["warnings"])


@pytest.mark.parametrize("method", ["spcn", "macenko", "reinhard"])
@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8), np.uint8),
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((8, 8, 3), np.uint16),
        np.zeros((8, 8, 3)),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_other_arrays_are_errors_everywhere(method, rgb):
    target = stain.fit_target(image(BLUER), method)
    for call in (lambda: stain.fit_target(rgb, method), lambda: stain.apply(rgb, target)):
        with pytest.raises(StainError, match="rgb: found"):
            call()
    for call in (lambda: stain.normalize(rgb, TARGET, TARGET), lambda: stain.concentrations(rgb, TARGET)):
        with pytest.raises(StainError, match="rgb: found"):
            call()


def test_memory_of_a_large_image_is_bounded():
    """A few tables of all colours and some bytes a pixel: 4000² stay far below 1 GB."""
    rgb = np.tile(image(side=250, noise=2), (10, 10, 1))
    tracemalloc.start()
    normalized, _ = stain.apply(rgb, TARGET)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(normalized[250:500, 750:1000], normalized[:250, :250])
    assert peak < 500e6
