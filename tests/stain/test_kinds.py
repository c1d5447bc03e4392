# SPDX-License-Identifier: MIT
"""Grey, nearly grey, faded, even, black-bordered and inked images, by every method of normalization."""

import numpy as np
import pytest

from microtome import stain
from microtome.stain import StainError
from tests.stain.synthetic import BLUER, VECTORS, amounts, angles, image
from tests.stain.test_external import stand_in  # noqa: F401

SIDE = 120
METHODS = {
    "spcn": ("spcn", {}),
    "authors": ("spcn", {"preset": "authors"}),
    "staintools preset": ("spcn", {"preset": "staintools"}),
    "macenko": ("macenko", {}),
    "reinhard": ("reinhard", {}),
    "staintools": ("staintools", {}),
}
UNLIMITED = ("authors", "staintools preset", "staintools")
LIMIT = 4
pytestmark = [pytest.mark.usefixtures("stand_in"), pytest.mark.parametrize("method", METHODS)]


def target_of(method):
    name, options = METHODS[method]
    return stain.fit_target(image(BLUER, haematoxylin=1.2, side=SIDE, seed=3), name, **options)


def noise(*shape, sd, seed=5):
    return np.random.default_rng(seed).normal(0, sd, shape)


def rounded(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def grey(*, colour=(0, 0, 0), sd=0.0):
    """A structure in shades of grey, tinted, with noise of its own in each channel."""
    structure = amounts(SIDE).sum(0)
    shades = 120 + 25 * (structure - structure.mean()) / structure.std()
    return rounded(shades[..., None] + np.array(colour) + noise(SIDE, SIDE, 3, sd=sd))


def even(colour, sd=2.0):
    return rounded(np.array(colour) + noise(SIDE, SIDE, 3, sd=sd))


def words(report):
    return " ".join(filter(None, [report["fallback"], *report["warnings"]]))


GREYS = {
    "grey": grey(),
    "rounding": grey(sd=1),
    "noise": grey(sd=4),
    "much noise": grey(sd=16),
    "tint": grey(colour=(3, -3, 3), sd=2),
    "tint and noise": grey(colour=(6, -8, 6), sd=6),
}


@pytest.mark.parametrize("name", GREYS)
def test_grey_and_nearly_grey_images_keep_their_structure(method, name):
    target, rgb = target_of(method), GREYS[name]
    normalized, report = stain.apply(rgb, target)
    assert report["fallback"].startswith("no colour: ")
    assert "of the fallback profile" in report["fallback"]
    assert report["gain"] in (None, [1, 1])
    assert normalized.std(axis=(0, 1)).max() < 1.25 * rgb.std(axis=(0, 1)).max()
    with pytest.raises(StainError, match=r"no colour.*choose another image"):
        stain.fit_target(rgb, METHODS[method][0], **METHODS[method][1])


@pytest.mark.parametrize("colour", [(230, 180, 210), (120, 90, 170), (200, 110, 180), (225, 212, 222)])
@pytest.mark.parametrize("sd", [2.0, 4.0])
def test_noise_of_one_colour_is_no_second_stain(method, colour, sd):
    rgb = even(colour, sd)
    normalized, report = stain.apply(rgb, target_of(method))
    largest = normalized.std(axis=(0, 1)).max() / rgb.std(axis=(0, 1)).max()
    assert largest < (2.5 if "without a limit" in words(report) else 1.5) * LIMIT
    if method == "reinhard":
        assert "limited to 4 (max_gain)" in words(report)
    else:
        assert report["fallback"].startswith(("one stain only", "no tissue", "no colour"))


@pytest.mark.parametrize("strength", [0.5, 0.3, 0.1, 0.03])
def test_faded_images_gain_within_a_limit_or_with_a_word(method, strength):
    rgb = image(haematoxylin=strength, eosin=strength, side=SIDE)
    normalized, report = stain.apply(rgb, target_of(method))
    assert normalized.shape == rgb.shape
    largest = max(report["gain"] or [1])
    if method in UNLIMITED:
        assert (largest > LIMIT) == ("without a limit (max_gain), on the noise too" in words(report))
    else:
        assert largest <= LIMIT
    if strength <= 0.1:
        assert report["fallback"] or "max_gain" in words(report)
    if strength == 0.03:
        assert report["fallback"].startswith("no tissue")
        assert normalized.std(axis=(0, 1)).max() < 1.5 * rgb.std(axis=(0, 1)).max()


@pytest.mark.parametrize("stain_left", ["haematoxylin", "eosin"])
def test_one_faded_stain(method, stain_left):
    rgb = image(**{"haematoxylin": 0.05, "eosin": 0.05} | {stain_left: 1}, side=SIDE)
    _, report = stain.apply(rgb, target_of(method))
    if report["gain"] and max(report["gain"]) > LIMIT:
        assert method in UNLIMITED
        assert "without a limit" in words(report)


def bordered():
    rgb = image(side=SIDE)
    rgb[:, :40] = np.random.default_rng(1).integers(0, 20, (SIDE, 40, 3))
    rgb[:20] = 0
    return rgb, rgb[20:, 40:]


def inked(ink):
    rgb = image(side=SIDE)
    clean = np.concatenate([rgb[:30], rgb[55:]])
    rgb[30:55] = rounded(np.array(ink) + noise(25, SIDE, 3, sd=2))
    return rgb, clean


MARKED = {
    "border": bordered(),
    "green": inked((40, 150, 90)),
    "blue": inked((40, 80, 190)),
    "black": inked((20, 20, 20)),
}


@pytest.mark.parametrize("name", MARKED)
def test_borders_and_ink_change_nothing_else_or_are_named(method, name):
    """Where black and ink are left out, the tissue looks as it would alone; where not, it is said."""
    target, (rgb, clean) = target_of(method), MARKED[name]
    normalized, report = stain.apply(rgb, target)
    kind = "black" if name in ("border", "black") else "ink"
    assert kind in words(report)
    if method in UNLIMITED:
        assert f"count as tissue (exclude_{kind}: false)" in words(report)
        return
    alone, _ = stain.apply(clean, target)
    tissue = normalized[20:, 40:] if name == "border" else np.concatenate([normalized[:30], normalized[55:]])
    assert np.abs(tissue.astype(int) - alone).mean() < 1.5


def test_an_image_with_stains_has_no_fallback(method):
    """The rules above do not touch what can be told, noisy, dark or pale."""
    target = target_of(method)
    for options in ({}, {"noise": 8}, {"haematoxylin": 1.5, "eosin": 1.5}, {"vectors": BLUER}):
        _, report = stain.apply(image(side=SIDE, **options), target)
        assert report["fallback"] is None
        if report["angle_degrees"] and not options:
            assert angles(np.array(report["source"]["stain_matrix"]), VECTORS).max() < 6
