# SPDX-License-Identifier: MIT
"""The deeply supervised U-Net: contract, layout, levels, where it stops, the weighted sum, folding."""

import logging

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from microtome import networks
from microtome.config.networks import IMAGENET_ENCODERS
from microtome.config.networks.dsunet import DSUNet
from microtome.inference import optimize_for_inference
from microtome.networks._pretrained import FILES
from tests.networks.contract import NetworkContract

PUBLISHED = [
    ({"encoder": "original", "head": "single"}, 31_383_298),
    ({"encoder": "original", "head": "single", "last": 64}, 31_429_570),
    ({"head": "single"}, 24_436_258),
    ({"head": "single", "decoder": "skips"}, 24_521_730),
    ({}, 24_437_226),
    ({"head": "linear"}, 24_437_231),
]
REDUCTIONS = (16, 8, 4, 2, 1)
SIZES = [(64, 64), (32, 96), (33, 47), (50, 61), (1, 1), (2, 31)]


def flops(network, size=512):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops()


def trained(network):
    """Running statistics and scales that differ from their start."""
    for _ in range(2):
        network(torch.randn(2, network.in_channels, 64, 64))
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.uniform_(-0.2, 0.2)
    return network.eval()


class TestSingle(NetworkContract):
    name, options = "dsunet", {"head": "single", "width": 8}
    sample, logits = (3, 64, 64), (2, 64, 64)
    published = PUBLISHED

    def test_outputs_are_logits_not_probabilities(self, model):
        with torch.no_grad():
            for parameter in model.heads.parameters():
                parameter.mul_(50)
        logits = model(self.inputs())
        assert logits.min() < 0
        assert logits.abs().max() > 1

    @pytest.mark.parametrize("size", SIZES)
    def test_any_size(self, model, size):
        assert model.eval()(torch.zeros(1, 3, *size)).shape[-2:] == size

    def test_odd_sizes_see_the_mirrored_image(self, model):
        model.eval()
        image = self.inputs(batch=1)[..., :60, :50]
        rows, columns = [*range(60), 58, 57, 56, 55], [*range(50), *range(48, 34, -1)]
        with torch.no_grad():
            mirrored = model(image[:, :, rows][..., columns])
            assert torch.equal(model(image), mirrored[..., :60, :50])

    @pytest.mark.parametrize("classes", [1, 2, 5])
    def test_channels(self, classes):
        model = networks.build("dsunet", **{**self.options, "in_channels": 2, "classes": classes})
        assert model(torch.zeros(2, 2, 64, 32)).shape == (2, classes, 64, 32)

    def test_folding_keeps_every_level_and_leaves_no_normalisation(self, model, caplog):
        trained(model)
        sample = self.inputs(batch=1)[..., :50, :61]
        with caplog.at_level(logging.INFO):
            optimized = optimize_for_inference(model, sample=sample)
        assert not [part for part in optimized.modules() if isinstance(part, nn.BatchNorm2d)]
        assert not caplog.messages  # traced, and it agrees
        with torch.inference_mode():
            outputs = [[network(sample), *network.levels(sample)] for network in (model, optimized)]
            for wanted, found in zip(*outputs, strict=True):
                torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


class TestPlain(TestSingle):
    options = {"encoder": "original", "head": "single", "width": 4}


class TestDeep(TestSingle):
    options = {"width": 8}

    def test_gradients_reach_every_parameter(self, model):
        sum(level.square().sum() for level in model.levels(self.inputs())).backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        silent = [name for name, p in model.named_parameters() if not p.grad.abs().sum() > 0]
        assert [name for name in silent if not name.endswith("bias")] == []

    @pytest.mark.parametrize("size", SIZES)
    def test_levels_have_the_published_sizes(self, model, size):
        with torch.no_grad():
            levels = model.eval().levels(torch.zeros(1, 3, *size))
        assert model.reductions == REDUCTIONS
        wanted = [(1, 2, *(-(-side // r) for side in size)) for r in REDUCTIONS]
        assert [tuple(level.shape) for level in levels] == wanted

    def test_the_last_level_is_the_result(self, model):
        model.eval()
        inputs = self.inputs()[..., :50, :]
        with torch.no_grad():
            assert torch.equal(model(inputs), model.levels(inputs)[-1])

    @pytest.mark.parametrize("level", range(5))
    def test_it_stops_at_a_level_with_the_same_logits(self, model, level):
        trained(model)
        stopped, inputs = model.up_to(level), self.inputs()[..., :49, :]
        assert stopped.reduction == REDUCTIONS[level]
        with torch.no_grad():
            assert torch.equal(stopped(inputs), model.levels(inputs)[level])
            folded = optimize_for_inference(stopped, sample=inputs)
            torch.testing.assert_close(folded(inputs), stopped(inputs), rtol=1e-4, atol=1e-4)
        shared = {id(parameter) for parameter in model.parameters()}
        assert {id(parameter) for parameter in stopped.parameters()} <= shared
        assert len(stopped.decoder) == level + 1


class TestLinear(TestDeep):
    options = {"head": "linear", "width": 8, "merge": (0.5, -1.0, 0.25, 2.0, 0.125)}

    def test_the_last_level_is_the_result(self, model):
        """The result is the sum of the levels, up-sampled, times the weights."""
        model.eval()
        inputs = self.inputs()
        with torch.no_grad():
            fine = [
                functional.interpolate(one, size=(64, 64), mode="bilinear") for one in model.levels(inputs)
            ]
            wanted = sum(weight * one for weight, one in zip(self.options["merge"], fine, strict=True))
            torch.testing.assert_close(model(inputs), wanted)

    def test_gradients_reach_every_parameter(self, model):
        NetworkContract.test_gradients_reach_every_parameter(self, model)

    def test_what_a_card_says_of_it(self, model):
        options = {"name": "dsunet", **self.options}
        assert networks.told(options, model.state_dict()) == {"merge": [0.5, -1.0, 0.25, 2.0, 0.125]}
        assert networks.told({"name": "dsunet"}, {}) == {}


def test_the_first_block_alone_costs_at_most_seven_tenths():
    with torch.device("meta"):
        model = networks.build("dsunet").eval()
    assert flops(model.up_to(0)) <= 0.70 * flops(model)


def test_blocks_have_the_published_channels_and_sizes():
    layouts = {
        "resnet34": ([64, 64, 128, 256, 512], [768, 384, 192, 128, 32], [256, 128, 64, 32, 16]),
        "original": ([64, 128, 256, 512, 1024], [1536, 768, 384, 192, 64], [512, 256, 128, 64, 32]),
    }
    for encoder, (features, into, out) in layouts.items():
        with torch.device("meta"):
            model = networks.build("dsunet", encoder=encoder).eval()
            image = torch.empty(1, 3, 512, 512)
        found = [(maps.shape[1], maps.shape[-1]) for maps in model.encoder(image)]
        assert found == list(zip(features, [256, 128, 64, 32, 16], strict=True))
        assert [block[0][0].in_channels for block in model.decoder] == into
        assert [block[1][0].out_channels for block in model.decoder] == out
        assert [level.shape[-1] for level in model.levels(image)] == [32, 64, 128, 256, 512]


def test_no_convolution_before_a_normalisation_has_a_bias():
    model = networks.build("dsunet", encoder="original", width=2)
    biased = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.bias is not None]
    assert biased == list(model.heads)


def test_weights_of_the_sum_begin_equal():
    assert networks.build("dsunet", width=2, head="linear").merge.tolist() == pytest.approx([0.2] * 5)


def test_levels_that_are_not_there():
    single, deep = (networks.build("dsunet", width=2, head=head) for head in ("single", "deep"))
    assert (single.reductions, len(single.levels(torch.zeros(2, 3, 64, 64)))) == ((1,), 1)
    for network, level in ((single, 1), (deep, 5), (deep, -1)):
        with pytest.raises(ValueError, match=f"found level {level} of a dsunet, expected 0 to"):
            network.up_to(level)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"merge": (1, 1, 1, 1, 1)}, "only the head 'linear'"),
        ({"head": "linear", "merge": (1, 1)}, "5 weights"),
        ({"encoder": "original", "weights": "imagenet"}, "public weights of resnet18"),
        ({"width": 8, "weights": "imagenet"}, "those need width 64 and in_channels 3"),
        ({"weights": ""}, "at least 1 character"),
    ],
)
def test_options_that_do_not_fit(options, expected):
    with pytest.raises(ValidationError, match=expected):
        DSUNet(**options)


def test_the_encoders_of_public_weights_are_those_that_are_published():
    assert sorted(IMAGENET_ENCODERS) == sorted(FILES)
    assert DSUNet(weights="imagenet").weights == "imagenet"


def test_weights_of_a_file_go_into_the_encoder(tmp_path):
    torch.manual_seed(7)
    source = networks.build("usenet", encoder="resnet34", width=4).encoder.state_dict()
    file = tmp_path / "encoder.pt"
    torch.save(source, file)
    options = {"name": "dsunet", "width": 4, "weights": str(file)}
    network = networks.build(**options)
    assert networks.initialize(network, options).startswith("encoder.pt (SHA-256 ")
    assert all(torch.equal(value, source[name]) for name, value in network.encoder.state_dict().items())
