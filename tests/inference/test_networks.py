# SPDX-License-Identifier: MIT
"""What is done to a network before it predicts: folding, precision, views."""

import copy
import logging

import numpy as np
import pytest
import torch
from torch import nn

from microtome import inference, networks
from microtome.inference import predict
from microtome.inference.precision import class_agreement, is_volumetric
from microtome.inference.test_time_views import VIEWS, find_views


def trained(network):
    """Give batch normalisations statistics that matter."""
    torch.manual_seed(5)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
            for values in (part.running_mean, part.bias.data):
                values.normal_()
            for values in (part.running_var, part.weight.data):
                values.uniform_(0.5, 2)
    return network.eval()


class Traceable(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.up, self.up_norm = nn.ConvTranspose2d(4, 4, 2, stride=2), nn.BatchNorm2d(4)
        self.shared, self.shared_norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.tapped, self.tapped_norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, images):
        maps = self.up_norm(self.up(self.norm(self.conv(images)).relu()))
        maps = self.shared_norm(self.shared(self.shared(maps)))
        tap = self.tapped(maps)
        return tap + self.tapped_norm(tap)


@pytest.mark.parametrize(
    ("network", "shape", "left"),
    [
        (networks.build("unet", width=4), (1, 1, 32, 48), 0),
        (Traceable(), (2, 1, 12, 14), 2),
        (nn.Sequential(nn.Conv3d(1, 3, 3, bias=False), nn.BatchNorm3d(3)), (1, 1, 4, 8, 8), 0),
        (nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 1)), (1, 1, 5, 5), 1),
    ],
)
def test_folding_is_exact(network, shape, left, caplog):
    network, images = trained(network), torch.randn(shape)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with caplog.at_level(logging.INFO):
        optimized = inference.optimize_for_inference(network, sample=images)
    with torch.inference_mode():
        expected, found = network(images), optimized(images)
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)
    assert sum(isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d) for part in optimized.modules()) == left
    assert ("not folded" in caplog.text) == bool(left)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_folding_falls_back_where_it_would_be_wrong(caplog):
    class Apart(nn.Module):
        """Uses the convolution inside a Sequential by itself, in a way that cannot be traced."""

        def __init__(self):
            super().__init__()
            self.block = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))

        def forward(self, images):
            if images.sum() > -1e9:
                return self.block(images) + self.block[0](images)
            return images

    network, images = trained(Apart()), torch.randn(1, 1, 6, 6)
    with caplog.at_level(logging.WARNING):
        optimized = inference.optimize_for_inference(network, sample=images)
    assert "stays unfolded" in caplog.text
    with torch.inference_mode():
        torch.testing.assert_close(optimized(images), network(images))


class Rounding(nn.Module):
    """Takes large means off large values, so that float32 keeps few digits of the small rest."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)
        with torch.no_grad():
            self.conv.bias.fill_(1e4)
            self.norm.running_mean.fill_(1e4)

    def forward(self, images):
        return self.norm(self.conv(images))


class SinglePrecision(Rounding):
    """Computes in float32 whatever it is given."""

    def forward(self, images):
        return super().forward(images.float())


@pytest.mark.parametrize(("kind", "left"), [(Rounding, 0), (SinglePrecision, 1)])
def test_a_network_that_rounds_more_than_the_tolerance_is_judged_in_float64(kind, left):
    torch.manual_seed(3)
    network, images = kind().eval(), torch.randn(1, 1, 6, 6)
    optimized = inference.optimize_for_inference(network, sample=images)
    with torch.inference_mode():
        assert (network(images) - optimized(images)).abs().max() > 1e-5 or left
        exact = copy.deepcopy(network).double().conv(images.double()) - 1e4
        torch.testing.assert_close(optimized(images).double(), exact, atol=2e-3, rtol=0)
    assert sum(isinstance(part, nn.BatchNorm2d) for part in optimized.modules()) == left


def test_choice_of_precision():
    network, sample = networks.build("unet", width=2).eval(), torch.rand(1, 1, 32, 32)
    slow = inference.choose_precision(network, sample, fast=False)
    assert (slow.precision, slow.agreement) == ("fp32", None)
    fast = inference.choose_precision(network, sample, fast=True, minimum_agreement=0.0)
    assert fast.precision == "bf16"
    assert 0 <= fast.agreement <= 1

    class Knife(nn.Module):
        def forward(self, windows):
            kind = torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32
            return (windows.to(kind) - 0.50048828125).float()

    edge = inference.choose_precision(Knife(), torch.full((1, 1, 2, 2), 0.5005), fast=True)
    assert edge.precision == "fp32"
    assert edge.agreement == 0.0
    volume = inference.choose_precision(nn.Conv3d(1, 1, 1).eval(), torch.rand(1, 1, 2, 2, 2), fast=True)
    assert (volume.precision, volume.agreement) == ("fp32", None)


def test_automatic_precision_equals_the_precision_it_chooses(monkeypatch):
    image = np.random.default_rng(3).random((1, 40, 40), dtype=np.float32)
    network = networks.build("unet", width=2).eval()
    monkeypatch.setattr(inference.precision, "supports_fast_bf16", lambda device="cpu": True)
    monkeypatch.setattr(inference.precision, "MINIMUM_AGREEMENT", 0.0)
    chosen = inference.choose_precision(network, torch.from_numpy(image[None, :, 4:36, 4:36]))
    found = predict(network, image, window=32, precision="auto")
    np.testing.assert_array_equal(found, predict(network, image, window=32, precision=chosen.precision))


def test_agreement():
    first = torch.tensor([[[3.0, 0.0], [1.0, 2.0]]])
    assert class_agreement(first, first) == 1.0
    assert class_agreement(first, first.flip(1)) == 0.0
    assert class_agreement(
        torch.tensor([[[1.0, -1.0, -2.0]]]), torch.tensor([[[0.5, 1.0, -3.0]]])
    ) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="expected the same"):
        class_agreement(first, first[..., :1])


def test_views_by_name():
    assert find_views(()) == (VIEWS["identity"],)
    with pytest.raises(ValueError, match="different names"):
        find_views(("flip", "flip"))


def test_fast_bf16_is_known_for_this_machine():
    assert inference.supports_fast_bf16() in (True, False)
    assert not inference.supports_fast_bf16("meta")
    assert not is_volumetric(nn.Conv2d(1, 1, 1))
