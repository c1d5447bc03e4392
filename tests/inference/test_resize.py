# SPDX-License-Identifier: MIT
"""Resizing: pixel centres stay where they are, sides are rounded, ramps stay ramps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.inference.resize import restored, zoomed


def bilinear(image, size):
    """By the definition: an output pixel lies at ((i + ½)·in/out - ½), clamped to the image."""
    for axis, length in enumerate(size):
        place = (np.arange(length) + 0.5) * image.shape[axis] / length - 0.5
        place = place.clip(0, image.shape[axis] - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, image.shape[axis] - 1)
        part = (place - low).reshape([-1, 1] if axis == 0 else [1, -1])
        image = image.take(low, axis) * (1 - part) + image.take(high, axis) * part
    return image


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 12), width=st.integers(1, 12), zoom=st.floats(0.3, 2.5), seed=st.integers(0, 99))
def test_zoomed_is_bilinear_at_pixel_centres(height, width, zoom, seed):
    image = np.random.default_rng(seed).random((2, 3, height, width))
    before = image.copy()
    found = zoomed(torch.from_numpy(image), zoom)
    size = [max(1, round(height * zoom)), max(1, round(width * zoom))]
    assert found.shape == (2, 3, *size)
    expected = np.stack([[bilinear(channel, size) for channel in sample] for sample in image])
    assert np.allclose(found, expected, atol=1e-12)
    assert np.array_equal(image, before)


@pytest.mark.parametrize(("side", "zoom", "expected"), [(1000, 0.992, 992), (125, 0.992, 124), (3, 0.01, 1)])
def test_sides_are_rounded(side, zoom, expected):
    assert zoomed(torch.zeros(1, 1, side, 5), zoom).shape[2] == expected


def test_there_and_back_keeps_a_ramp_but_at_the_border():
    ramp = np.add.outer(np.arange(50), 2 * np.arange(60)).astype(np.float32)[None]
    back = restored(zoomed(torch.from_numpy(ramp)[None], 0.8)[0].numpy(), (50, 60))
    assert (back.shape, back.dtype) == ((1, 50, 60), np.float32)
    assert np.allclose(back[:, 2:-2, 2:-2], ramp[:, 2:-2, 2:-2], atol=1e-3)


@given(value=st.floats(0, 1, width=32), height=st.integers(1, 9), width=st.integers(1, 9))
def test_restored_maps_have_the_size_asked_for_and_stay_probabilities(value, height, width):
    found = restored(np.full((2, 4, 3), value, np.float32), (height, width))
    assert found.shape == (2, height, width)
    assert np.allclose(found, value, atol=1e-6)
