# SPDX-License-Identifier: MIT
"""Networks that return a coarser map: stitched there, as if the image had been reduced first."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from microtome.inference import predict
from tests.inference.test_inference import Ramp


class Reduced(nn.Module):
    """Mean of `factor` x `factor` pixels, then a network that depends on the place in the window."""

    def __init__(self, factor):
        super().__init__()
        self.pool, self.then = nn.AvgPool2d(factor), Ramp()

    def forward(self, windows):
        return self.then(self.pool(windows))


def pooled(image, factor):
    channels, height, width = image.shape
    return image.reshape(channels, height // factor, factor, width // factor, factor).mean((2, 4))


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    side=st.integers(1, 6),
    factor=st.sampled_from([1, 2, 4]),
    shared=st.integers(0, 5),
    kind=st.sampled_from(["constant", "trapezoid", "gaussian"]),
    dropped=st.sets(st.integers(0, 30), max_size=12),
)
def test_equals_the_prediction_of_the_reduced_image(size, side, factor, shared, kind, dropped):
    size = tuple(max(length, side) for length in size)  # smaller images are mirrored before or after reducing
    image = np.random.default_rng(0).random((1, size[0] * factor, size[1] * factor), np.float32)
    shared = min(shared, side - 1)
    options = {"weights": kind, "activation": "none", "classes": 3, "fill": -1.0}

    def wanted(y, x, height, width):
        return (7 * (y // factor) + x // factor) % 31 not in dropped

    fine = predict(
        Reduced(factor).eval(),
        image,
        window=side * factor,
        overlap=shared * factor,
        reduction=factor,
        wanted=wanted,
        **options,
    )
    coarse = predict(
        Ramp().eval(),
        pooled(image, factor),
        window=side,
        overlap=shared,
        wanted=lambda y, x, height, width: wanted(y * factor, x * factor, height * factor, width * factor),
        **options,
    )
    assert fine.shape == (3, *size)
    np.testing.assert_allclose(fine, coarse, atol=1e-5)


def test_bands_of_a_sink_count_pixels_of_the_map():
    image, bands = np.random.default_rng(0).random((1, 203, 90), np.float32), {}
    predict(
        Reduced(4).eval(),
        image,
        window=32,
        reduction=4,
        activation="none",
        sink=lambda y, b: bands.update({y: b}),
    )
    assert [*bands] == [*np.cumsum([0, *(band.shape[1] for band in bands.values())])[:-1]]
    assert np.concatenate([*bands.values()], axis=1).shape == (3, 51, 23)


@pytest.mark.parametrize(("window", "reduction"), [(30, 4), (32, 0)])
def test_unfit_reductions_are_refused(window, reduction):
    with pytest.raises(ValueError, match="expected"):
        predict(Reduced(4).eval(), np.zeros((1, 64, 64)), window=window, reduction=reduction)


def test_a_network_that_does_not_reduce_as_said_is_refused():
    with pytest.raises(ValueError, match="the network returned"):
        predict(nn.Identity().eval(), torch.zeros(1, 64, 64).numpy(), window=32, reduction=4)
