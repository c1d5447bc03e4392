# SPDX-License-Identifier: MIT
"""Convolution and ReLU in one pass: where they are found, and that nothing but the time changes."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from microtome import networks
from microtome.inference import optimize_for_inference
from microtome.inference.fused_convolution import ConvolutionReLU, fuse_activations
from microtome.inference.overlap_tile import predict


def pair(**options):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3, **options), nn.ReLU()).eval()


def fused(network):
    found = copy.deepcopy(network)
    fuse_activations(found)
    return found


def kinds(network):
    return [type(part).__name__ for part in network]


@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": (2, 1)}],
    ids=str,
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_result_is_that_of_both_layers(options, layout):
    network, images = pair(**options), torch.randn(2, 3, 11, 9).to(memory_format=layout)
    together = fused(network).to(memory_format=layout)
    assert kinds(together) == ["ConvolutionReLU", "Identity"]
    with torch.inference_mode():
        found = together(images)
        assert together[0].packed is not None
        torch.testing.assert_close(found, network(images), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(together(images[:1]), network(images[:1]), rtol=1e-6, atol=1e-6)


def test_elsewhere_the_layers_follow_each_other():
    """With a gradient, in bf16 and in float64, where oneDNN's pass would not be the same."""
    network, images = pair(), torch.randn(1, 3, 8, 8)
    together = fused(network)
    together(images.requires_grad_()).sum().backward()
    assert images.grad.abs().sum() > 0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert together(images).dtype == torch.bfloat16
        torch.testing.assert_close(together(images), network(images))
    with torch.no_grad():
        wanted = copy.deepcopy(network).double()(images.double())
        torch.testing.assert_close(copy.deepcopy(together).double()(images.double()), wanted)
    assert together[0].packed is None


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_what_is_no_number_stays_so(layout):
    """Else the maps of a damaged image would look sound."""
    network, images = pair(padding=1), torch.randn(2, 3, 11, 9).to(memory_format=layout)
    images[0, 1, 4, 4] = torch.nan
    together = fused(network).to(memory_format=layout)
    with torch.inference_mode():
        found, wanted = together(images), network(images)
        assert together[0].packed is not None
    assert found.isnan().sum() == 5 * 9
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6, equal_nan=True)


def test_an_image_with_what_is_no_number_is_refused():
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1)).eval()
    image = np.zeros((1, 16, 16), np.float32)
    image[0, 7, 7] = np.nan
    with pytest.raises(ValueError, match="finite"):
        predict(optimize_for_inference(network), image, window=8, overlap=2)


@pytest.mark.parametrize("change", ["load", "cast", "copy", "pickle"])
def test_packed_weights_are_never_those_of_before(change):
    network, other, images = pair(), pair(), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        other[0].weight.mul_(-2)
    together = fused(network)
    with torch.inference_mode():
        together(images)
    if change == "load":
        together.load_state_dict(other.state_dict())
    elif change == "cast":
        together.double().float()
        other = network
    elif change == "copy":
        together, other = copy.deepcopy(together), network
    else:
        together, other = pickle.load(io.BytesIO(pickle.dumps(together))), network
    with torch.inference_mode():
        torch.testing.assert_close(together(images), other(images), rtol=1e-6, atol=1e-6)


class Shared(nn.Module):
    """The ReLU is used twice, and the convolution's output, too."""

    def __init__(self, *, twice):
        super().__init__()
        self.convolution, self.relu, self.twice = nn.Conv2d(3, 3, 1), nn.ReLU(), twice

    def forward(self, images):
        maps = self.convolution(images)
        return self.relu(self.relu(maps) + images) if self.twice else self.relu(maps) - maps


@pytest.mark.parametrize("twice", [True, False])
def test_what_others_use_stays(twice):
    network = fused(Shared(twice=twice).eval())
    assert type(network.convolution) is nn.Conv2d
    assert type(network.relu) is nn.ReLU


def test_what_is_more_than_a_convolution_stays():
    assert kinds(fused(pair(padding="same"))) == ["Conv2d", "ReLU"]
    assert kinds(fused(pair(padding=1, padding_mode="reflect"))) == ["Conv2d", "ReLU"]
    hooked = pair()
    hooked[0].register_forward_hook(lambda *given: None)
    fuse_activations(hooked)
    assert kinds(hooked) == ["Conv2d", "ReLU"]


def test_a_u_net_has_no_relu_left_and_its_state_keeps_its_names():
    torch.manual_seed(0)
    network = networks.build("unet", width=4)
    network(torch.rand(2, 1, 32, 32))
    network.eval()
    found, images = optimize_for_inference(network), torch.rand(1, 1, 40, 33)
    assert not [part for part in found.modules() if isinstance(part, nn.ReLU)]
    assert sum(isinstance(part, ConvolutionReLU) for part in found.modules()) == 18
    with torch.inference_mode():
        torch.testing.assert_close(found(images), network(images), rtol=1e-5, atol=1e-6)
    assert set(found.state_dict()) <= set(network.state_dict()) | {
        name.replace("weight", "bias") for name in network.state_dict()
    }


class Places(nn.Module):
    """Where the largest value of each window is, after a ReLU that makes zeros of many."""

    def __init__(self, *between, pool):
        super().__init__()
        torch.manual_seed(0)
        self.maps, self.pool = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), *between), pool

    def forward(self, images):
        return self.pool(self.maps(images))


@pytest.mark.parametrize(
    "network",
    [
        Places(pool=nn.MaxPool2d(2, return_indices=True)),
        Places(nn.Identity(), nn.Dropout(), pool=nn.MaxPool2d(2, return_indices=True)),
        Places(pool=lambda maps: torch.nn.functional.max_pool2d_with_indices(maps, 2)),
        Places(pool=lambda maps: maps.max(2)),
        Places(pool=lambda maps: (maps.argmax(3), maps.sign())),
    ],
    ids=["pooling", "behind-others", "function", "method", "signs"],
)
def test_equal_zeros_stay_equal(network):
    network.eval()
    together, images = fused(network), torch.rand(2, 1, 16, 16) - 1
    with torch.inference_mode():
        assert all(map(torch.equal, together(images), network(images)))


def test_pooling_that_tells_no_places_is_no_obstacle():
    assert kinds(fused(Places(pool=nn.MaxPool2d(2)).eval()).maps) == ["ConvolutionReLU", "Identity"]
