# SPDX-License-Identifier: MIT
"""The networks that MED-Net is compared with: contracts, layouts, up-sampling, folding."""

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional

from microtome import networks
from microtome.inference import optimize_for_inference
from microtome.networks.fcn8s import bilinear_weights
from microtome.networks.segnet import unpool
from tests.networks.contract import NetworkContract

VGG = [(2, 32), (4, 16), (8, 8), (16, 4), (16, 2)]
"""Channels and size of the maps of each stage at width 2, of an image of 32 pixels."""


class Baseline(NetworkContract):
    sample, logits = (1, 32, 32), (3, 32, 32)
    multiple = 32

    @pytest.mark.parametrize("size", [(64, 32), (33, 47), (1, 1), (2, 31)])
    def test_any_size(self, model, size):
        assert model.eval()(torch.zeros(1, 1, *size)).shape[-2:] == size

    def test_odd_sizes_see_the_mirrored_image(self, model):
        model.eval()
        image = self.inputs(batch=1)[..., :30, :29]
        rows, columns = [*range(30), 28, 27], [*range(29), 27, 26, 25]
        with torch.no_grad():
            mirrored = model(image[:, :, rows][..., columns])
            assert torch.equal(model(image), mirrored[..., :30, :29])

    def test_channels(self):
        model = networks.build(self.name, **{**self.options, "in_channels": 2, "classes": 5})
        assert model.eval()(torch.zeros(1, 2, 32, 64)).shape == (1, 5, 32, 64)

    def test_folding_leaves_no_normalisation(self, model, caplog):
        for _ in range(2):
            model(self.inputs())
        sample = self.inputs(batch=1)[..., :25, :31]
        with caplog.at_level(logging.INFO):
            optimized = optimize_for_inference(model, sample=sample)
        assert not [part for part in optimized.modules() if isinstance(part, nn.BatchNorm2d)]
        assert not caplog.messages  # traced, and it agrees
        with torch.inference_mode():
            wanted = model.eval()(sample)
            torch.testing.assert_close(
                optimized(sample), wanted, rtol=0, atol=1e-4 * float(wanted.abs().max())
            )

    def test_stages_are_those_of_vgg_16(self, model):
        assert stages(model) == VGG
        convolutions = [
            sum(isinstance(part, nn.Conv2d) for part in stage.modules()) for stage in model.encoder
        ]
        assert convolutions == [2, 2, 3, 3, 3]


def stages(model):
    seen = []
    for stage in model.encoder:
        stage.register_forward_hook(lambda _m, _i, output: seen.append((output.shape[1], output.shape[2])))
    with torch.no_grad():
        model.eval()(torch.zeros(1, 1, 32, 32))
    return seen


class TestFCN8s(Baseline):
    name, options = "fcn8s", {"width": 2, "hidden": 6, "classes": 3}
    published = [({}, 5_986_146), ({"width": 13, "hidden": 832}, 5_558_786)]

    def test_its_scores_are_a_sum_of_three_resolutions(self, model):
        """Each term by itself, the others' heads being zero, is what interpolation gives."""
        model.double().eval()
        maps = []
        model.pool.register_forward_hook(lambda _m, _i, output: maps.append(output))
        image = self.inputs(batch=1, dtype=torch.float64)
        with torch.no_grad():
            whole = model(image)
            scores = [head(m) for head, m in zip(model.heads[1:], (maps[3], maps[2]), strict=True)]
            coarse = model.heads[0](model.hidden(maps[4]))
            fourth = interpolated(coarse, 2) + scores[0]
            third = interpolated(fourth, 2) + scores[1]
            torch.testing.assert_close(interpolated(third, 8), whole)


def interpolated(maps, factor):
    """Bilinear interpolation of maps that go on with zeros."""
    padded = functional.pad(maps, (1, 1, 1, 1))
    return functional.interpolate(padded, scale_factor=factor, mode="bilinear")[
        ..., factor:-factor, factor:-factor
    ]


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_transposed_convolutions_begin_as_bilinear_interpolation(factor):
    maps = torch.randn(2, 3, 5, 4)
    found = functional.conv_transpose2d(maps, bilinear_weights(3, factor), stride=factor, padding=factor // 2)
    torch.testing.assert_close(found, interpolated(maps, factor))


class TestSegNet(Baseline):
    name, options = "segnet", {"width": 2, "classes": 3}
    published = [({}, 6_049_087)]

    def test_the_decoder_mirrors_the_encoder(self, model):
        down = [m.weight.shape[:2] for m in model.encoder.modules() if isinstance(m, nn.Conv2d)]
        up = [m.weight.shape[:2] for m in model.decoder.modules() if isinstance(m, nn.Conv2d)]
        assert [tuple(shape) for shape in up[:-1]] == [(i, o) for o, i in reversed(down[1:])]
        assert tuple(up[-1]) == (3, 2)
        assert not any(isinstance(part, nn.BatchNorm2d | nn.ReLU) for part in [model.decoder[-1][-1]])

    def test_the_decoder_places_maxima_where_the_encoder_found_them(self, model):
        made, taken, before = [], [], []
        for down, up in zip(model.encoder, model.decoder, strict=True):
            down.register_forward_hook(lambda _m, _i, output: made.append(output))
            up.register_forward_hook(lambda _m, given, _o: taken.append(given[0]))
            up.register_forward_hook(lambda _m, _i, output: before.append(output))
        model(self.inputs())
        before.insert(0, functional.max_pool2d(made[-1], 2))
        for maps, sparse in zip(made, reversed(taken), strict=True):
            largest = functional.interpolate(functional.max_pool2d(maps, 2), scale_factor=2)
            assert sparse.any()
            assert not sparse[maps != largest].any()
        for values, sparse in zip(before, taken, strict=False):
            torch.testing.assert_close(4 * functional.avg_pool2d(sparse, 2), values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maxima_go_back_where_they_were(dtype, layout):
    """As PyTorch's `MaxUnpool2d` does, with the same gradient."""
    maps = torch.randn(2, 3, 8, 6).to(dtype).to(memory_format=layout)
    values, places = functional.max_pool2d(maps, 2, return_indices=True)
    ours, theirs = (values.detach().clone().requires_grad_() for _ in range(2))
    found, wanted = unpool(ours, places), functional.max_unpool2d(theirs.float(), places, 2)
    assert found.dtype == dtype
    assert torch.equal(found.float(), wanted)
    weight = torch.randn(wanted.shape)
    (found.float() * weight).sum().backward()
    (wanted * weight).sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


class TestDeepLab(Baseline):
    name, options = "deeplab", {"width": 2, "hidden": 5, "classes": 3}
    published = [({}, 5_993_702)]

    def test_stages_are_those_of_vgg_16(self, model):
        """But the last two poolings leave the resolution."""
        assert stages(model) == [*VGG[:3], (16, 4), (16, 4)]
        dilations = [stage[0][0].dilation[0] for stage in model.encoder]
        assert dilations == [1, 1, 1, 1, 2]

    def test_the_result_is_the_sum_of_the_branches(self, model):
        assert [branch[0].dilation for branch in model.branches] == [(r, r) for r in (6, 12, 18, 24)]
        model.eval()
        scores = []
        for branch in model.branches:
            branch.register_forward_hook(lambda _m, _i, output: scores.append(output))
        with torch.no_grad():
            found = model(self.inputs())
        wanted = functional.interpolate(torch.stack(scores).sum(0), (32, 32), mode="bilinear")
        torch.testing.assert_close(found, wanted)

    def test_other_rates(self):
        model = networks.build("deeplab", **self.options, rates=(1, 2))
        assert len(model.branches) == 2
        with pytest.raises(ValueError, match="rates"):
            networks.build("deeplab", rates=())


class TestUNetWithoutBiases(NetworkContract):
    name = "unet"
    options = {"variant": "classic", "width": 2, "conv_bias": False, "out_channels": 6}
    logits = (6, 32, 32)
    published = [({"variant": "classic", "width": 28, "conv_bias": False, "out_channels": 6}, 5_944_014)]

    def test_transposed_convolutions_and_the_head_keep_theirs(self, model):
        convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.bias is not None]
        assert convolutions == [model.head]
        assert all(layer.bias is not None for layer in model.up)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fcn8s", {"dropout": 1}),
        ("fcn8s", {"hidden": 0}),
        ("segnet", {"width": 0}),
        ("deeplab", {"rates": [0]}),
    ],
)
def test_options_that_do_not_fit(name, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        networks.build(name, **options)
