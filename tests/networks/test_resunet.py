# SPDX-License-Identifier: MIT
"""The residual U-Net: contract, levels, where it stops, layout and start, and the package it follows."""

import logging

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from microtome import networks
from microtome.config.networks.resunet import ResUNet as Options
from microtome.inference import optimize_for_inference
from microtome.networks.resunet import Block, InstanceNorm
from tests.networks.contract import NetworkContract

# as `ResidualEncoderUNet` has with the same stages and one convolution a stage of the decoder
PUBLISHED = [
    ({}, 105_915_302),
    ({"blocks": (1, 3, 4, 6, 6, 6, 6, 6)}, 140_015_015),
    ({"blocks": (1, 3, 4, 6, 6), "width": 16, "in_channels": 3, "out_channels": 6}, 9_439_672),
]
SMALL = {"width": 4, "blocks": (1, 2, 1), "out_channels": 2, "in_channels": 3}
SIZES = [(64, 64), (16, 48), (33, 47), (50, 61), (4, 4), (1, 1), (2, 31)]
REDUCTIONS = (2, 1)


def started(network):
    """Normalisations that differ from their start, where the blocks have no part."""
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, InstanceNorm):
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.uniform_(-0.2, 0.2)
    return network


class TestDeep(NetworkContract):
    name, options = "resunet", SMALL
    sample, logits = (3, 32, 32), (2, 32, 32)
    published = PUBLISHED

    @pytest.fixture
    def model(self):
        torch.manual_seed(0)
        return started(networks.build(self.name, **self.options))

    def test_same_seed_same_network(self):
        pair = []
        for _ in range(2):
            torch.manual_seed(0)
            pair.append(networks.build(self.name, **self.options).state_dict().values())
        assert all(torch.equal(one, other) for one, other in zip(*pair, strict=True))

    def test_outputs_are_logits_not_probabilities(self, model):
        with torch.no_grad():
            for parameter in model.heads.parameters():
                parameter.mul_(50)
        logits = model(self.inputs())
        assert logits.min() < 0
        assert logits.abs().max() > 1

    def test_gradients_reach_every_parameter(self, model):
        sum(level.square().sum() for level in model.levels(self.inputs())).backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        silent = [name for name, p in model.named_parameters() if not p.grad.abs().sum() > 0]
        assert [name for name in silent if not name.endswith("bias")] == []

    @pytest.mark.parametrize("size", SIZES)
    def test_any_size_and_its_levels(self, model, size):
        inputs = torch.zeros(1, 3, *size)
        with torch.no_grad():
            result, levels = model(inputs), model.levels(inputs)
        assert result.shape[-2:] == size
        assert torch.isfinite(result).all()
        assert model.reductions == REDUCTIONS[-len(levels) :]
        assert [tuple(one.shape) for one in levels] == [
            (1, 2, *(-(-side // r) for side in size)) for r in model.reductions
        ]
        assert torch.equal(levels[-1], result)

    def test_odd_sizes_see_the_mirrored_image(self, model):
        image = self.inputs(batch=1)[..., :30, :27]
        rows, columns = [*range(30), 28, 27], [*range(27), 25]
        with torch.no_grad():
            mirrored = model(image[:, :, rows][..., columns])
            torch.testing.assert_close(model(image), mirrored[..., :30, :27])

    def test_it_stops_at_a_level_with_the_same_logits(self, model):
        inputs = self.inputs()[..., :29, :]
        shared = {id(parameter) for parameter in model.parameters()}
        for level, reduction in enumerate(model.reductions):
            stopped = model.up_to(level)
            assert stopped.reduction == reduction
            assert {id(parameter) for parameter in stopped.parameters()} <= shared
            with torch.no_grad():
                assert torch.equal(stopped(inputs), model.levels(inputs)[level])
        for level in (-1, len(model.reductions)):
            with pytest.raises(ValueError, match=f"found level {level} of a resunet, expected 0 to"):
                model.up_to(level)

    def test_it_is_made_ready_for_prediction(self, model, caplog):
        sample = self.inputs(batch=1)[..., :25, :31]
        with caplog.at_level(logging.INFO), torch.inference_mode():
            optimized = optimize_for_inference(model, sample=sample)
            torch.testing.assert_close(optimized(sample), model(sample), rtol=1e-4, atol=1e-5)
        assert not caplog.messages  # traced, and it agrees

    def test_a_factor_of_the_image_changes_nothing(self, model):
        """Each map is normalised over its own pixels, but for what keeps flat ones from a division by 0."""
        inputs = self.inputs()
        with torch.no_grad():
            torch.testing.assert_close(model(inputs * 7), model(inputs), rtol=1e-2, atol=1e-2)


class TestSingle(TestDeep):
    options = SMALL | {"head": "single"}
    published = ()

    def test_published_parameter_counts(self):
        single, deep = (networks.build("resunet", **(SMALL | {"head": head})) for head in ("single", "deep"))
        lacking = networks.parameter_count(deep) - networks.parameter_count(single)
        assert lacking == (8 + 1) * 2  # scores of the coarser stage, of 8 channels


def test_stages_have_the_published_channels_and_sizes():
    with torch.device("meta"):
        model, image = networks.build("resunet", in_channels=3), torch.empty(1, 3, 256, 256)
    seen = []
    for stage in (*model.encoder, *model.decoder):
        stage.register_forward_hook(lambda _m, _i, output: seen.append((output.shape[1], output.shape[2])))
    levels = model.levels(image)
    encoder = [(32, 256), (64, 128), (128, 64), (256, 32), (512, 16), (512, 8), (512, 4)]
    assert seen == [*encoder, *reversed(encoder[:-1])]
    assert [level.shape[-1] for level in levels] == [8, 16, 32, 64, 128, 256]
    assert [len(stage) for stage in model.encoder] == [1, 3, 4, 6, 6, 6, 6]


def test_a_block_begins_as_what_it_adds_to():
    torch.manual_seed(0)
    model, maps = networks.build("resunet", **SMALL), torch.rand(2, 8, 16, 16)
    with torch.no_grad():
        assert torch.equal(model.encoder[1][1](maps), maps)  # rectified maps stay


def test_weights_are_drawn_as_he_et_al_do():
    torch.manual_seed(0)
    model = networks.build("resunet", width=16, blocks=(1, 1, 1))
    for layer, fan_in in ((model.decoder[0][0], 64 * 9), (model.stem[0], 9), (model.up[0], 32 * 4)):
        assert layer.weight.var().item() * fan_in == pytest.approx(2 / (1 + 0.01**2), rel=0.2)
        assert not layer.bias.any()


def test_normalisation_is_that_of_each_map():
    torch.manual_seed(0)
    maps, layer = torch.randn(3, 5, 7, 9) * 4 + 2, InstanceNorm(5)
    expected = nn.InstanceNorm2d(5, affine=True)
    with torch.no_grad():
        for one in (layer, expected):
            one.weight.copy_(torch.linspace(-1, 2, 5))
            one.bias.copy_(torch.linspace(3, 1, 5))
        torch.testing.assert_close(layer(maps), expected(maps))


def test_what_is_added_is_averaged_and_projected():
    block, maps = Block(2, 3, stride=2), torch.rand(1, 2, 4, 6)
    pooled = maps.unflatten(2, (2, 2)).unflatten(4, (3, 2)).mean((3, 5))
    projected = torch.einsum("oc,nchw->nohw", block.skip[1].weight[..., 0, 0], pooled)
    torch.testing.assert_close(block.skip(maps), block.skip[2](projected))
    assert block.skip[1].bias is None


def test_it_is_that_of_the_package():
    """With the same weights the same logits, level by level."""
    package = pytest.importorskip("dynamic_network_architectures.architectures.unet")
    torch.manual_seed(0)
    model = started(networks.build("resunet", width=4, blocks=(1, 2, 3), in_channels=3, out_channels=2))
    settings = {"conv_op": nn.Conv2d, "kernel_sizes": 3, "strides": [1, 2, 2], "conv_bias": True}
    settings |= {"norm_op": nn.InstanceNorm2d, "norm_op_kwargs": {"eps": 1e-5, "affine": True}}
    settings |= {"nonlin": nn.LeakyReLU, "nonlin_kwargs": {"inplace": True}, "deep_supervision": True}
    stages = {"features_per_stage": [4, 8, 16], "n_blocks_per_stage": [1, 2, 3]}
    stages |= {"n_conv_per_stage_decoder": [1, 1]}
    peer = package.ResidualEncoderUNet(3, 3, num_classes=2, **stages, **settings)
    # both list stem, encoder and decoder; the transposed convolutions stand before or behind the stages
    parts = ((model.stem, peer.encoder.stem), (model.encoder, peer.encoder.stages))
    parts += ((model.up, peer.decoder.transpconvs), (model.decoder, peer.decoder.stages))
    with torch.no_grad():
        for ours, theirs in (*parts, (model.heads, peer.decoder.seg_layers)):
            for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
                other.copy_(one)
        images = torch.rand(2, 3, 16, 24)
        for one, other in zip(reversed(model.levels(images)), peer(images), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"blocks": (1,)}, "at least 2"),
        ({"blocks": (1, 0)}, "greater than 0"),
        ({"most": 0}, "greater than 0"),
    ],
)
def test_options_that_do_not_fit(options, expected):
    with pytest.raises(ValidationError, match=expected):
        Options(**options)
