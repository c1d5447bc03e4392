# SPDX-License-Identifier: MIT
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab

from microtome.stain import StainError, colours
from microtome.stain.matrix import optical_density, weighted_percentile
from tests.stain.synthetic import image

RNG = np.random.default_rng(0)


def pixels(count=300, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 3)).astype(np.uint8)


@pytest.mark.parametrize("limit", [10, 10**6])
def test_colours_and_counts(monkeypatch, limit):
    """By sorting, and by a table of all colours for large images."""
    monkeypatch.setattr(colours, "SORTED_PIXELS", limit)
    rgb = np.concatenate([pixels(50), pixels(50)[::2], np.full((3, 1, 3), 255, np.uint8)])
    found = colours.distinct(rgb)
    expected, counts = np.unique(rgb.reshape(-1, 3), axis=0, return_counts=True)
    assert np.array_equal(np.stack(found.channels, axis=1), expected)
    assert np.array_equal(found.counts, counts)
    assert found.pixels == len(rgb)
    assert found.keys.dtype == np.uint32


@pytest.mark.parametrize("block", [1, 100, 10**6])
def test_spread_and_recolour_put_values_back(monkeypatch, block):
    monkeypatch.setattr(colours, "BLOCK_PIXELS", block)
    rgb = image(side=30)
    found = colours.distinct(rgb)
    assert np.array_equal(colours.spread(rgb, found, found.keys), colours.pack(rgb))
    same = colours.recolour(rgb, found, np.stack(found.channels))
    assert np.array_equal(same, rgb)
    assert same is not rgb


def test_views_of_any_memory_order():
    rgb = image(side=30)
    turned = rgb[::-1, ::2].transpose(1, 0, 2)
    found = colours.distinct(turned)
    assert np.array_equal(colours.recolour(turned, found, np.stack(found.channels)), turned)


def test_luminosity_is_that_of_cie_lab():
    rgb = pixels(2000)
    found = colours.luminosity(colours.pack(rgb)[:, 0])
    assert np.allclose(found, rgb2lab(rgb)[:, 0, 0], atol=1e-2)


def marked(colour):
    return colours.regions(
        colours.distinct(np.full((1, 1, 3), colour, np.uint8)),
        brightest=0.9,
        exclude_black=True,
        exclude_ink=True,
    )


@pytest.mark.parametrize(
    ("colour", "kind"),
    [
        ((255, 255, 255), None),
        ((240, 235, 243), None),
        ((150, 100, 170), "tissue"),
        ((230, 130, 180), "tissue"),
        ((60, 30, 90), "tissue"),
        ((45, 30, 75), "tissue"),
        ((200, 40, 50), "tissue"),
        ((0, 0, 0), "black"),
        ((20, 25, 22), "black"),
        ((50, 48, 52), "black"),
        ((40, 150, 90), "ink"),
        ((100, 170, 140), "ink"),
        ((40, 90, 190), "ink"),
        ((30, 60, 150), "ink"),
    ],
)
def test_what_a_colour_is(colour, kind):
    found = marked(colour)
    kinds = {name for name in ("tissue", "black", "ink") if getattr(found, name)[0]}
    assert kinds == ({kind} if kind else set())


def test_black_and_ink_can_count_as_tissue():
    rgb = np.array([[[0, 0, 0], [40, 150, 90]]], np.uint8)
    found = colours.regions(colours.distinct(rgb), brightest=0.9, exclude_black=False, exclude_ink=False)
    assert found.tissue.all()
    assert not (found.black | found.ink).any()


def test_hardly_any_tissue_is_taken_for_ink():
    for seed in range(3):
        found = colours.distinct(image(noise=4, seed=seed))
        kinds = colours.regions(found, brightest=0.9, exclude_black=True, exclude_ink=True)
        assert found.fraction(kinds.ink | kinds.black) < 0.002


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ([[1]], "found list"),
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\), expected"),
        (np.zeros((4, 4, 4), np.uint8), r"with alpha.*rgb\[\.\.\., :3\]"),
        (np.zeros((3, 4, 5), np.uint8), "channels first.*moveaxis"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4, 4, 3), np.uint16), "uint16, expected uint8.*257"),
        (np.zeros((4, 4, 3), np.float32), "float32.*255"),
        (np.zeros((4, 4, 3), bool), "bool"),
    ],
)
def test_other_arrays_are_refused(array, message):
    with pytest.raises(StainError, match=message):
        colours.check_rgb(array)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 9)), min_size=1, max_size=40),
    st.floats(0.1, 100),
)
def test_weighted_percentile_is_that_of_repeats(pairs, percentile):
    values, counts = (np.array(part) for part in zip(*pairs, strict=True))
    expected = np.percentile(np.repeat(values, counts), percentile)
    assert weighted_percentile(values, counts, percentile) == pytest.approx(expected, abs=1e-9)


def test_weighted_percentile_of_many_values_and_of_none():
    values, counts = RNG.gamma(1, 1, 30_000), RNG.integers(0, 4, 30_000)
    expected = np.percentile(np.repeat(values, counts), 99)
    assert weighted_percentile(values, counts, 99) == pytest.approx(expected, abs=1e-12)
    assert weighted_percentile(values, counts * 0, 99) == 0


def test_optical_densities():
    keys = colours.pack(np.array([[[255, 0, 127]]], np.uint8))[0]
    assert optical_density(keys, "log1p")[:, 0] == pytest.approx(np.log(255 / np.array([256, 1, 128])))
    assert optical_density(keys, "floor")[:, 0] == pytest.approx([1e-6, np.log(255), np.log(255 / 127)])
