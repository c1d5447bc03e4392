# SPDX-License-Identifier: MIT
"""Rendering against known chromaticities and the analytic observer of Wyman et al."""

import numpy as np
import pytest

from microtome.cubes.cie1931 import D65, OBSERVER, START, STEP, STOP
from microtome.cubes.rgb import colour_weights, covers_visible, encode, render, three_bands
from microtome.io.envi import cube_of

VISIBLE = np.arange(380.0, 781, 10)
INFRARED = [550 + 7.5 * band for band in range(60)]


def lobe(waves, peak, below, above):
    return np.exp(-0.5 * ((waves - peak) * np.where(waves < peak, below, above)) ** 2)


def analytic(waves):
    """Wyman, Sloan and Shirley 2013, Journal of Computer Graphics Techniques 2(2), table 1."""
    x = 1.056 * lobe(waves, 599.8, 1 / 37.9, 1 / 31.0) + 0.362 * lobe(waves, 442.0, 1 / 16.0, 1 / 26.7)
    x -= 0.065 * lobe(waves, 501.1, 1 / 20.4, 1 / 26.2)
    y = 0.821 * lobe(waves, 568.8, 1 / 46.9, 1 / 40.5) + 0.286 * lobe(waves, 530.9, 1 / 16.3, 1 / 31.1)
    z = 1.217 * lobe(waves, 437.0, 1 / 11.8, 1 / 36.0) + 0.681 * lobe(waves, 459.0, 1 / 26.0, 1 / 13.8)
    return np.stack([x, y, z], axis=1)


def test_the_observer_is_that_of_the_analytic_fit():
    waves = np.arange(START, STOP + 1, STEP)
    assert len(OBSERVER) == len(D65) == len(waves)
    np.testing.assert_allclose(OBSERVER, analytic(waves), atol=0.06)
    np.testing.assert_allclose(np.sum(OBSERVER, 0) * STEP, [106.86, 106.86, 106.86], atol=0.15)


def test_daylight_has_its_chromaticity():
    white = np.array(D65) @ np.array(OBSERVER)
    np.testing.assert_allclose(white[:2] / white.sum(), [0.31272, 0.32903], atol=2e-4)


@pytest.mark.parametrize("waves", [VISIBLE, VISIBLE[::-1], VISIBLE[2::3], np.r_[VISIBLE, 900, 1000]])
def test_grey_stays_grey(waves):
    for level in (0.0, 0.18, 1.0):
        picture = render(cube_of(np.full((len(waves), 2, 3), level), wavelengths=waves))
        assert picture.shape == (2, 3, 3)
        assert (picture == encode(np.array(level))).all()


@pytest.mark.parametrize(("low", "high", "channel"), [(600, 700, 0), (500, 570, 1), (420, 480, 2)])
def test_filters_have_their_colour(low, high, channel):
    passes = ((low <= VISIBLE) & (high >= VISIBLE)).astype(np.float32)
    colour = render(cube_of(passes[:, None, None], wavelengths=VISIBLE))[0, 0]
    assert colour.argmax() == channel
    assert np.delete(colour, channel).max() < 0.75 * colour[channel]


def test_order_scale_and_step():
    rng = np.random.default_rng(0)
    values = rng.random((41, 6, 8))
    picture = render(cube_of(values, wavelengths=VISIBLE))
    falling = render(cube_of(values[::-1], wavelengths=VISIBLE[::-1]))
    np.testing.assert_array_equal(picture, falling)
    stored = cube_of(np.rint(values * 10000).astype(np.uint16), wavelengths=VISIBLE)
    assert np.abs(render(stored, scale=10000).astype(int) - picture).max() <= 1
    small = cube_of(values.reshape(41, 3, 2, 4, 2).mean((2, 4)), wavelengths=VISIBLE)
    assert np.abs(render(stored, scale=10000, step=2).astype(int) - render(small)).max() <= 1
    assert render(stored, scale=10000, step=4).shape == (1, 2, 3)
    for wrong in ({"scale": 0}, {"step": 0}, {"step": 7}):
        with pytest.raises(ValueError, match="expected a positive scale and a step of 1 to 6"):
            render(stored, **wrong)


def test_coverage():
    assert covers_visible(VISIBLE)
    assert not covers_visible(INFRARED)
    assert not covers_visible(None)
    assert not covers_visible([400, 550, 700])
    assert not covers_visible(VISIBLE[(VISIBLE < 500) | (VISIBLE > 560)])
    with pytest.raises(ValueError, match=r"found bands from 550.*render three bands"):
        colour_weights(INFRARED)


@pytest.mark.parametrize("waves", [INFRARED, None])
def test_elsewhere_three_bands_are_stretched(waves):
    values = np.zeros((60, 20, 20), np.uint16)
    ramp = np.arange(400).reshape(20, 20)
    for band, factor in zip(three_bands(cube_of(values, wavelengths=waves)), (3, 2, 1), strict=True):
        values[band] = 100 + factor * ramp
    picture = render(cube_of(values, wavelengths=waves))
    assert (picture[0, :3] == 0).all()
    assert (picture[-1, -3:] == 255).all()
    assert np.ptp(picture, axis=-1).max() <= 1
    assert three_bands(cube_of(values, wavelengths=INFRARED[::-1])) == (9, 29, 49)


def test_flat_and_missing_values():
    assert not render(cube_of(np.full((5, 3, 3), 7.0))).any()
    values = np.random.default_rng(0).random((5, 9, 9))
    values[:, 4, 4] = np.nan
    assert render(cube_of(values)).shape == (9, 9, 3)
    assert not render(cube_of(np.full((5, 3, 3), np.nan))).any()
