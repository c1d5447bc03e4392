# SPDX-License-Identifier: MIT
"""Hyper-net, V-Net and the 2-D network: contract, layout, open points, folding and stitching."""

import logging

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from microtome import inference, networks
from microtome.config.entries import model as model_of
from microtome.config.networks.cnn2d import CNN2D
from microtome.config.networks.hypernet import HyperNet
from microtome.config.networks.vnet import VNet
from microtome.networks import _blocks3d
from tests.networks.contract import NetworkContract

LAST = torch.channels_last_3d
HYPERNET = [
    ({}, 5_152_501),
    ({"dual": "parallel"}, 5_152_501),
    ({"dilated": "last"}, 5_152_501),
    ({"upsampling": "nearest"}, 5_152_501),
    ({"convs": [2, 2, 3, 3, 3]}, 5_159_461),
    ({"up_kernel": 1}, 4_872_949),
    ({"head_kernel": 3}, 5_152_757),
]


def settled(model, inputs):
    """In evaluation mode, with batch normalisations whose statistics matter."""
    for _ in range(2):
        model(inputs)
    torch.manual_seed(5)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.uniform_(-0.2, 0.2)
    return model.eval()


class MelanomaContract(NetworkContract):
    multiple = 8

    def test_any_size(self, model):
        model.eval()
        for size in [(16, 16), (17, 9), (1, 1)]:
            with torch.no_grad():
                assert model(torch.zeros(1, self.sample[0], *size)).shape == (1, 2, *size)

    def test_odd_sizes_see_the_mirrored_image(self, model):
        model.eval()
        height, width = (3 * self.multiple // 2 - 1, self.multiple - 1)
        image = self.inputs(batch=1)[..., :height, :width]
        rows = [*range(height), *range(height - 2, height - 3 - self.multiple // 2, -1)]
        columns = [*range(width), width - 2]
        with torch.no_grad():
            mirrored = model(image[:, :, rows][..., columns])
            assert mirrored.shape[2] == 2 * self.multiple
            torch.testing.assert_close(model(image), mirrored[..., :height, :width])

    def test_preparing_for_prediction_keeps_the_output(self, model, caplog):
        settled(model, self.inputs())
        sample = self.inputs(batch=1)[..., :15, :13]
        with caplog.at_level(logging.INFO):
            optimized = inference.optimize_for_inference(model, sample=sample)
        assert "cannot be traced" not in caplog.text
        assert "stays unfolded" not in caplog.text
        with torch.inference_mode():
            wanted, found = model(sample), optimized(sample)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))
        kinds = (nn.BatchNorm2d, nn.BatchNorm3d)
        before, after = (sum(isinstance(part, kinds) for part in m.modules()) for m in (model, optimized))
        assert after == (before if self.name == "hypernet" else 0)  # before a padded convolution it must stay

    def test_prediction_in_windows_gives_softmax_probabilities(self, model):
        settled(model, self.inputs())
        optimized, image = inference.optimize_for_inference(model), self.inputs(batch=1)[0].numpy()
        whole = inference.predict(optimized, image, activation="softmax")
        with torch.no_grad():
            wanted = model(torch.from_numpy(image)[None]).softmax(1)[0]
        torch.testing.assert_close(torch.from_numpy(whole), wanted, rtol=0, atol=1e-4)
        stitched = inference.predict(optimized, image, window=16, batch=2, activation="softmax")
        torch.testing.assert_close(torch.from_numpy(stitched.sum(0)), torch.ones(image.shape[1:]))

    def test_its_options_say_what_it_gives(self):
        options = model_of("microtome.config.networks", self.name)()
        assert options.in_channels == networks.build(self.name, width=1).in_channels == 16
        assert not options.WINDOWS


class TestHyperNet(MelanomaContract):
    name, options, published = "hypernet", {"width": 3}, HYPERNET
    sample, logits = (16, 16, 16), (2, 16, 16)

    def test_features_are_channels_last_on_cpus_and_layout_is_no_matter(self, model, monkeypatch):
        settled(model, self.inputs())
        layouts = []
        model.entry[0].register_forward_hook(
            lambda *given: layouts.append(given[2].is_contiguous(memory_format=LAST))
        )
        with torch.no_grad():
            last = model(self.inputs())
            monkeypatch.setattr(_blocks3d, "with_channel", lambda maps: maps.unsqueeze(1))
            torch.testing.assert_close(model(self.inputs()), last, rtol=1e-4, atol=1e-5)
        assert layouts == [True, False]


class TestAllDual(TestHyperNet):
    options = {"width": 2, "variant": "alldual", "bands": 8, "classes": 2, "dual": "parallel"}
    published = [({"variant": "alldual"}, 5_554_261), ({"variant": "alldual", "dual": "parallel"}, 5_554_261)]
    sample = (8, 16, 16)


class TestAllDilated(TestHyperNet):
    options = {"width": 3, "variant": "alldilated"}
    published = [({"variant": "alldilated"}, 5_152_501)]


class TestMaxPool(TestHyperNet):
    options = {"width": 3, "variant": "maxpool", "upsampling": "nearest", "up_kernel": 1, "head_kernel": 3}
    published = [({"variant": "maxpool"}, 5_077_237)]


class TestFiveResolutions(TestHyperNet):
    options = {"width": 2, "resolutions": 5}
    published = [({"resolutions": 5}, 10_282_997)]
    sample, logits = (16, 32, 32), (2, 32, 32)
    multiple = 16


class TestVNet(MelanomaContract):
    name, options = "vnet", {"width": 2, "kernel": 3}
    published = [({}, 65_182_227), ({"kernel": 3}, 14_703_603)]
    sample, logits = (16, 32, 32), (2, 32, 32)
    multiple = 16


class TestCNN2DOfBands(MelanomaContract):
    name, options = "cnn2d", {"width": 3}
    published = [({}, 13_288_258), ({"kernel": 3}, 5_043_010)]
    sample, logits = (16, 32, 32), (2, 32, 32)
    multiple = 16


class TestCNN2DOfRGB(TestCNN2DOfBands):
    options = {"width": 4, "kernel": 3, "in_channels": 3}
    published = [({"in_channels": 3}, 13_283_122), ({"in_channels": 3, "kernel": 3}, 5_041_202)]
    sample = (3, 32, 32)


def dilations(model):
    """Dilation of each 3-D convolution with a kernel above 2, by name."""
    return {
        name: part.dilation
        for name, part in model.named_modules()
        if isinstance(part, nn.Conv3d) and part.kernel_size[0] > 2
    }


@pytest.mark.parametrize(
    ("options", "dilated"),
    [
        ({}, {f"encoder.3.dilated.body.{n}" for n in range(3)}),
        ({"dilated": "last"}, {"encoder.3.dilated.body.2"}),
        ({"resolutions": 5}, {f"encoder.4.dilated.body.{n}" for n in range(3)}),
        (
            {"variant": "alldual", "convs": [1, 2, 1, 1, 1]},
            {
                "encoder.0.dilated.body.0",
                *(f"encoder.1.dilated.body.{n}" for n in range(2)),
                "encoder.2.dilated.body.0",
                "encoder.3.dilated.body.0",
            },
        ),
    ],
)
def test_what_is_dilated(options, dilated):
    with torch.device("meta"):
        found = dilations(networks.build("hypernet", **options))
    assert {name.rpartition(".")[0] for name, value in found.items() if value != (1, 1, 1)} == dilated
    assert {value for value in found.values() if value != (1, 1, 1)} == {(1, 2, 2)}


def test_all_is_dilated_but_what_has_kernels_of_1_or_2():
    with torch.device("meta"):
        model = networks.build("hypernet", variant="alldilated", dilation=[2, 3, 1])
    assert set(dilations(model).values()) == {(2, 3, 1)}
    down = [layer for entry in model.entry[1:] for layer in entry if isinstance(layer, nn.Conv3d)]
    assert {(layer.kernel_size, layer.stride, layer.dilation) for layer in down} == {
        ((2, 2, 2), (2, 2, 2), (1, 1, 1))
    }


def test_stages_have_the_published_sizes():
    with torch.device("meta"):
        model = networks.build("hypernet").eval()
    layers = [model.entry[0], *model.encoder[1:3], *model.decoder, model.fusion, model.head.out]
    found = {}
    for layer in layers:
        layer.register_forward_hook(
            lambda module, _, output: found.update(
                {module: output[0] if isinstance(output, tuple) else output}
            )
        )
    with torch.no_grad():
        logits = model(torch.empty(1, 16, 256, 256, device="meta"))
    high, second, third = (16, 16, 256, 256), (32, 8, 128, 128), (64, 4, 64, 64)
    wanted = [high, second, third, (128, 2, 32, 32), third, second, high, high, (1, 16, 256, 256)]
    assert [tuple(found[layer].shape[1:]) for layer in layers] == wanted
    assert logits.shape == (1, 2, 256, 256)


@pytest.mark.parametrize("dual", ["serial", "parallel"])
def test_paths_and_skips_are_summed(dual):
    """By hand from the same modules."""
    torch.manual_seed(0)
    model = networks.build("hypernet", width=2, bands=8, dual=dual).eval()
    image = torch.randn(1, 8, 16, 8)
    one = model.entry[0](image[:, None])
    torch.testing.assert_close(one, image[:, None] + model.entry[0].body(image[:, None]))
    two = model.encoder[1].standard(model.entry[1](one))
    three = model.encoder[2].standard(model.entry[2](two))
    four = model.entry[3](three)
    standard = model.encoder[3].standard(four)
    dilated = model.encoder[3].dilated(standard if dual == "serial" else four)
    lowest = model.decoder[0].block(standard + dilated)
    up = model.decoder[1].block(three + model.decoder[1].up(lowest))
    up = model.decoder[2].block(two + model.decoder[2].up(up))
    up = model.decoder[3].block(model.fusion(one) + model.decoder[3].up(up))
    maps = model.head.out(up)[:, 0]
    assert maps.shape == image.shape
    torch.testing.assert_close(model(image), model.head.head(maps))


def test_each_dual_resolution_sends_its_dilated_path_down():
    torch.manual_seed(0)
    model = networks.build("hypernet", width=2, bands=8, variant="alldual").eval()
    features = torch.randn(1, 4, 4, 4, 4)
    skip, down = model.encoder[1](features)
    first = model.encoder[1].standard(features)
    torch.testing.assert_close(down, model.encoder[1].dilated(first))
    torch.testing.assert_close(skip, first + down)
    parallel = networks.build("hypernet", width=2, bands=8, variant="alldual", dual="parallel")
    parallel.load_state_dict(model.state_dict())
    skip, down = parallel.eval().encoder[1](features)
    torch.testing.assert_close(skip, first + model.encoder[1].dilated(features))
    assert skip is down


def test_normalisation_comes_first_in_hypernet_and_follows_in_vnet():
    with torch.device("meta"):
        hyper, vnet = networks.build("hypernet"), networks.build("vnet")
    kinds = [type(layer).__name__ for layer in hyper.encoder[1].standard.body[0]]
    assert kinds == ["BatchNorm3d", "Conv3d", "ReLU"]
    kinds = [type(layer).__name__ for layer in vnet.body.encoder[2].layers]
    assert kinds == ["Conv3d", "BatchNorm3d", "PReLU"] * 2 + ["Conv3d", "BatchNorm3d"]


def test_vnet_adds_the_input_before_the_last_activation():
    torch.manual_seed(0)
    body = networks.build("vnet", width=2, kernel=3).eval().body
    features = torch.randn(1, 4, 2, 2, 2)
    found = body.encoder[1](features)
    torch.testing.assert_close(found, body.encoder[1].act(features + body.encoder[1].layers(features)))
    assert body.encoder[1].act.weight.shape == (4,)
    volume = torch.randn(1, 1, 2, 2, 2)
    first = body.encoder[0]
    torch.testing.assert_close(first(volume), first.act(first.layers(volume) + volume.expand(1, 2, 2, 2, 2)))


def test_an_rgb_image_is_projected_and_as_many_bands_as_channels_are_added():
    assert isinstance(networks.build("cnn2d", width=2, in_channels=2).body.encoder[0].shortcut, nn.Identity)
    assert networks.build("cnn2d", width=2, in_channels=3).body.encoder[0].shortcut.weight.shape == (
        2,
        3,
        1,
        1,
    )


def test_training_steps_lower_the_loss():
    """Several steps, as small 3-D networks have crashed in the backward pass in other number formats."""
    for name, options in [("hypernet", {"width": 4}), ("vnet", {"width": 2, "kernel": 3})]:
        torch.manual_seed(1)
        model, images = networks.build(name, **options), torch.randn(2, 16, 24, 32)
        target = (images[:, 3] > 0).long()
        optimizer, values = torch.optim.Adam(model.parameters(), 0.01), []
        for _ in range(6):
            loss = nn.functional.cross_entropy(model(images), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            values.append(loss.item())
        assert values[-1] < 0.9 * values[0]


@pytest.mark.parametrize(
    ("section", "options", "message"),
    [
        (HyperNet, {"bands": 12}, "a multiple of 8, as each lower resolution has half the bands"),
        (HyperNet, {"bands": 24, "resolutions": 5}, "a multiple of 16"),
        (
            HyperNet,
            {"resolutions": 5, "dual": "parallel"},
            "4 with variant alldual or dual parallel",
        ),
        (HyperNet, {"kernel": 4}, "an odd number"),
        (VNet, {"bands": 24}, "a multiple of 16"),
        (CNN2D, {"kernel": 2}, "an odd number"),
    ],
)
def test_sizes_that_make_no_network_are_refused(section, options, message):
    with pytest.raises(ValidationError, match=message):
        section(**options)
