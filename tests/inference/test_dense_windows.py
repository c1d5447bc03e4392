# SPDX-License-Identifier: MIT
"""Windows that lie close together, as the study of confocal mosaics lays them: stride 32, variance 128."""

import zlib

import numpy as np
import pytest
import torch
from torch import nn

from microtome import networks
from microtome.inference import optimize_for_inference, predict
from microtome.inference.axis import plan_axis
from microtome.inference.grid import Grid
from tests.reference import stitching

WINDOW, STRIDE, SIGMA = 256, 32, 128**0.5
STUDY = {"window": WINDOW, "overlap": 1 - STRIDE / WINDOW, "weights": "gaussian", "gaussian_sigma": SIGMA}
RNG = np.random.default_rng(8)


class RandomMaps(nn.Module):
    """Maps of classes that have nothing to do with those of the windows beside."""

    def forward(self, windows):
        maps = []
        for window in windows:
            generator = torch.Generator().manual_seed(zlib.crc32(window.numpy().tobytes()))
            maps.append((4 * torch.rand(6, WINDOW, WINDOW, generator=generator)).softmax(0))
        return torch.stack(maps)


class Without(nn.Module):
    """A network that cannot be asked for a part."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, windows):
        return self.network(windows)


def mednet(**options):
    """A small MED-Net with statistics that matter."""
    torch.manual_seed(2)
    network = networks.build("mednet", **{"width": 4, "classes": 6, **options})
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(4, 1, 64, 64))
    return network.eval()


@pytest.mark.parametrize(("size", "border"), [((150, 190), 128), ((97, 300), 128), ((300, 280), 0)])
def test_random_maps_equal_a_float64_brute_force(size, border):
    """Up to the border, where all windows but those around the image count."""
    image = RNG.random((1, *size), np.float32)
    found = predict(RandomMaps().eval(), image, **STUDY, border=border, activation="none")
    expected = stitching.stitch(
        stitching.as_function(RandomMaps()), image, window=(WINDOW, WINDOW), overlap=(224, 224),
        kind="gaussian", sigma=SIGMA, border=border,
    )  # fmt: skip
    assert found.shape == (6, *size)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_with_a_border_of_half_a_window_every_pixel_is_near_the_middle_of_one():
    axis, bare = (
        plan_axis(900, WINDOW, overlap=224, border=border, weights="constant", sigma=None)
        for border in (128, 0)
    )
    pixels = np.arange(900)[:, None] + 0.5
    nearest, without = (
        np.abs(pixels - (np.asarray(one.starts) + WINDOW / 2)).min(axis=1) for one in (axis, bare)
    )
    assert nearest.max() <= STRIDE / 2
    assert without.max() == WINDOW / 2 - 0.5
    assert (axis.starts[0], axis.starts[-1]) == (-128, 900 - 128)


@pytest.mark.parametrize("sigma", [3.0, SIGMA, 32.0])
@pytest.mark.parametrize("border", [0, 100, 128])
def test_what_lies_outside_the_part_that_is_seen_has_no_weight(sigma, border):
    axis = plan_axis(700, WINDOW, overlap=224, border=border, weights="gaussian", sigma=sigma)
    outside = np.ones(WINDOW, bool)
    outside[axis.seen] = False
    left_out = np.zeros(axis.length)
    for index in range(len(axis.starts)):
        inside = axis.inside(index)
        own = axis.weights_at(index, inside) / axis.total[inside]
        places = np.arange(inside.start, inside.stop) - axis.starts[index]
        left_out[inside] += np.where(outside[places], own, 0)
    assert left_out.max() < 1e-8
    assert (axis.seen == slice(0, WINDOW)) == (border == 0 or sigma == 32.0)


def test_windows_beside_skipped_ones_are_seen_whole():
    axis = plan_axis(400, WINDOW, overlap=224, border=128, weights="gaussian", sigma=SIGMA)
    mask = np.ones((len(axis.starts),) * 2, bool)
    assert Grid(axis, axis, mask, 4).seen == (axis.seen, axis.seen)
    mask[1, 2] = False
    assert Grid(axis, axis, mask, 4).seen == (slice(0, WINDOW), slice(0, WINDOW))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scales": 1, "inner_skips": True, "blocks": 1},
        {"scales": 2, "upsampling": "transposed", "gate": "product", "blocks": 3},
    ],
)
def test_asking_a_network_for_a_part_changes_nothing(options):
    image = RNG.random((1, 40, 60), np.float32)
    network, asked = mednet(**options), []
    within = network.within
    network.within = lambda windows, rows, columns: (
        asked.append((rows, columns)) or within(windows, rows, columns)
    )
    settings = {"window": 64, "overlap": 44, "gaussian_sigma": 3.0, "border": 32, "activation": "softmax"}
    found = predict(network, image, **settings)
    expected = predict(Without(network), image, **settings)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)
    assert {part.stop - part.start < 64 for both in asked for part in both} == {True}


def test_views_are_averaged_before_they_are_cut():
    image = RNG.random((1, 30, 40), np.float32)
    settings = {"window": 32, "overlap": 16, "gaussian_sigma": 2.0, "border": 16, "activation": "softmax"}
    network = mednet(scales=1, depth=2)
    found = predict(network, image, **settings, tta=("identity", "flip", "rot90"))
    single = [
        predict(network, image, **settings),
        predict(network, image[..., ::-1], **settings)[..., ::-1],
        np.rot90(predict(network, np.rot90(image, axes=(1, 2)), **settings), -1, axes=(1, 2)),
    ]
    np.testing.assert_allclose(found, np.mean(single, axis=0), atol=0.01)
    uncut = predict(Without(network), image, **settings, tta=("identity", "flip", "rot90"))
    np.testing.assert_allclose(found, uncut, rtol=0, atol=2e-5)


def test_folded_networks_can_be_asked_for_a_part():
    """In float64, as float32 rounds this network by more than folding may differ."""
    network, windows = mednet().double(), torch.rand(2, 1, 64, 64).double()
    folded = optimize_for_inference(network, sample=windows)
    assert not [part for part in folded.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    rows, columns = slice(11, 50), slice(20, 43)
    with torch.inference_mode():
        found, expected = folded.within(windows, rows, columns), network(windows)[..., rows, columns]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10 * float(expected.abs().max()))
