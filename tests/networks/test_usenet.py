# SPDX-License-Identifier: MIT
"""USE-Net: contract, layout, squeeze and excitation, folding for inference."""

import logging

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from microtome import networks
from microtome.config.networks import IMAGENET_ENCODERS
from microtome.config.networks.usenet import USENet
from microtome.inference import optimize_for_inference
from microtome.networks import _pretrained
from microtome.networks._blocks import pad_to_multiple
from microtome.networks._encoders import NAMES
from microtome.networks._resnet import LAYOUTS, SEBottleneck, SqueezeExcitation
from tests.networks.contract import NetworkContract

ONE, TWO = {"out_channels": 1}, {}
PUBLISHED = {
    "resnet18": [(TWO, 14_329_346), (ONE, 14_329_201)],
    "resnet50": [(TWO, 32_522_242), (ONE, 32_522_097)],
    "seresnet50": [(TWO, 35_037_186), (ONE, 35_037_041)],
}
ENCODERS = {
    "resnet18": 11_176_512,
    "resnet34": 21_284_672,
    "resnet50": 23_508_032,
    "seresnet50": 26_022_976,
    "efficientnet_lite0": 2_958_848,
}


def published(encoder):
    return [({"encoder": encoder, **options}, count) for options, count in PUBLISHED[encoder]]


class TestResNet18(NetworkContract):
    name, options = "usenet", {"encoder": "resnet18", "width": 4}
    sample, logits = (3, 64, 64), (2, 64, 64)
    published = published("resnet18")

    def test_outputs_are_logits_not_probabilities(self, model):
        with torch.no_grad():
            for parameter in model.head.parameters():
                parameter.mul_(50)
        logits = model(self.inputs())
        assert logits.min() < 0
        assert logits.abs().max() > 1

    @pytest.mark.parametrize("size", [(32, 32), (33, 47), (17, 100), (1, 1), (2, 31)])
    def test_any_size(self, model, size):
        logits = model.eval()(torch.zeros(1, 3, *size))
        assert logits.shape[-2:] == size

    def test_odd_sizes_see_the_mirrored_image(self, model):
        model.eval()
        image = self.inputs(batch=1)[..., :60, :50]
        rows = [*range(60), 58, 57, 56, 55]
        columns = [*range(50), *range(48, 34, -1)]
        with torch.no_grad():
            mirrored = model(image[:, :, rows][..., columns])
            assert torch.equal(model(image), mirrored[..., :60, :50])

    @pytest.mark.parametrize("outputs", [1, 2, 5])
    def test_channels(self, outputs):
        model = networks.build("usenet", **{**self.options, "in_channels": 2, "out_channels": outputs})
        assert model(torch.zeros(2, 2, 64, 32)).shape == (2, outputs, 64, 32)

    def test_folding_keeps_the_output_and_leaves_no_normalisation(self, model, caplog):
        for _ in range(3):
            model(self.inputs())
        with torch.no_grad():
            for layer in model.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.weight.uniform_(0.5, 1.5)
                    layer.bias.uniform_(-0.2, 0.2)
        model.eval()
        sample = self.inputs(batch=1)[..., :50, :61]
        with caplog.at_level(logging.INFO):
            optimized = optimize_for_inference(model, sample=sample)
        assert not [part for part in optimized.modules() if isinstance(part, nn.BatchNorm2d)]
        assert not caplog.messages  # traced, and it agrees
        with torch.inference_mode():
            wanted, found = model(sample), optimized(sample)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))
        with pytest.raises(ValueError, match="found"):
            optimized(sample[0])


class TestResNet34(TestResNet18):
    options = {"encoder": "resnet34", "width": 4}
    published = [({"encoder": "resnet34"}, 24_437_506)]


class TestResNet50(TestResNet18):
    options = {"encoder": "resnet50", "width": 4}
    published = published("resnet50")


class TestSEResNet50(TestResNet18):
    options = {"width": 5}  # the squeezed layers have one unit, and the decoder its fewest channels
    published = published("seresnet50")


class TestEfficientNetLite0(TestResNet18):
    options = {"encoder": "efficientnet_lite0", "width": 4}
    published = [({"encoder": "efficientnet_lite0", "width": 32}, 3_784_738)]


@pytest.mark.parametrize(("encoder", "count"), ENCODERS.items())
def test_encoders_have_the_published_sizes(encoder, count):
    with torch.device("meta"):
        model = networks.build("usenet", encoder=encoder, width=IMAGENET_ENCODERS[encoder])
    assert networks.parameter_count(model.encoder) == count


@pytest.mark.parametrize(("encoder", "wide"), [("resnet18", 1), ("resnet50", 4), ("seresnet50", 4)])
def test_stages_have_the_published_channels_and_sizes(encoder, wide):
    with torch.device("meta"):
        model = networks.build("usenet", encoder=encoder)
        image = torch.empty(1, 3, 992, 992)
    inner = model.encoder
    layers = [inner.relu, inner.layer1, inner.layer2, inner.layer3, inner.layer4, *model.decoder, model.head]
    taken, given = [], []

    def record(_, inputs, output):
        taken.append(inputs[0].shape)
        given.append(output.shape)

    for layer in layers:
        layer.register_forward_hook(record)
    with torch.no_grad():
        model.eval()(image)
    stages = [(64 * wide, 248), (128 * wide, 124), (256 * wide, 62), (512 * wide, 31)]
    up = [(256, 62), (128, 124), (64, 248), (32, 496), (16, 992)]
    assert [(shape[1], shape[2]) for shape in given] == [(64, 496), *stages, *up, (2, 992)]
    into = [768 * wide, 256 + 128 * wide, 128 + 64 * wide, 128, 32]
    assert [shape[1] for shape in taken[5:10]] == into


def test_decoder_convolutions_have_a_bias_and_those_of_the_encoder_none():
    model = networks.build("usenet", width=4)
    parts = {"encoder": False, "decoder": True}
    for part, biased in parts.items():
        layers = [layer for layer in getattr(model, part).modules() if isinstance(layer, nn.Conv2d)]
        assert {layer.bias is not None for layer in layers} == {biased}
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert len(linear) == 2 * 16
    assert all(layer.bias is None for layer in linear)


@pytest.mark.parametrize(
    ("width", "channels"),
    [
        (64, [256, 128, 64, 32, 16]),
        (20, [80, 40, 20, 10, 8]),
        (16, [64, 32, 16, 8, 8]),
        (4, [16, 8, 4, 4, 4]),
    ],
)
def test_decoder_scales_with_the_width_down_to_eight(width, channels):
    with torch.device("meta"):
        model = networks.build("usenet", encoder="resnet18", width=width)
    assert [stage[0][0].out_channels for stage in model.decoder] == channels


def test_the_stride_is_on_the_middle_convolution():
    block = networks.build("usenet", width=4).encoder.layer2[0]
    assert [layer.stride[0] for layer in (block.conv1, block.conv2, block.conv3)] == [1, 2, 1]
    assert block.downsample[0].stride == (2, 2)


def test_names_are_those_of_the_public_weight_files():
    with torch.device("meta"):
        names = {e: set(networks.build("usenet", encoder=e).encoder.state_dict()) for e in LAYOUTS}
    shared = {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer2.0.downsample.1.weight"}
    assert all(shared <= found for found in names.values())
    extra = names["seresnet50"] - names["resnet50"]
    assert extra == {
        f"layer{stage}.{block}.se.fc.{layer}.weight"
        for stage, count in enumerate((3, 4, 6, 3), start=1)
        for block in range(count)
        for layer in (0, 2)
    }


def test_squeeze_and_excitation_by_hand():
    torch.manual_seed(3)
    layer, maps = SqueezeExcitation(32), torch.randn(2, 32, 5, 4)
    first, second = layer.fc[0].weight, layer.fc[2].weight
    assert first.shape == (2, 32)
    for image, found in zip(maps, layer(maps), strict=True):
        means = image.flatten(1).mean(1)
        factors = 1 / (1 + torch.exp(-(second @ (first @ means).clamp_min(0))))
        torch.testing.assert_close(found, image * factors[:, None, None])


def test_bottleneck_excites_before_it_adds_the_residual():
    torch.manual_seed(4)
    block, maps = SEBottleneck(16, 4, 1).eval(), torch.randn(1, 16, 6, 6)
    with torch.no_grad():
        block.se.fc[2].weight.zero_()  # every factor is ½
        inner = functional.relu(block.bn1(block.conv1(maps)))
        inner = block.bn3(block.conv3(functional.relu(block.bn2(block.conv2(inner)))))
        torch.testing.assert_close(block(maps), functional.relu(inner / 2 + maps))


def test_encoder_is_drawn_as_he_et_al_do():
    torch.manual_seed(0)
    weight = networks.build("usenet", encoder="resnet18", width=32).encoder.layer3[1].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (weight.shape[0] * 9)) ** 0.5, rel=0.02)


def test_up_sampling_aligns_corners():
    up = networks.build("usenet", encoder="resnet18", width=2).up
    ramp = torch.arange(4.0).view(1, 1, 1, 4).expand(1, 1, 2, 4)
    torch.testing.assert_close(up(ramp)[0, 0, 0], torch.arange(8.0) * 3 / 7)


def test_images_are_padded_at_the_bottom_and_the_right():
    assert pad_to_multiple(torch.zeros(1, 3, 1000, 1000), 32).shape[-2:] == (1024, 1024)


def test_every_encoder_has_public_weights():
    assert set(_pretrained.FILES) == {*LAYOUTS, "efficientnet_lite0"} == set(USENet.ENCODERS) == set(NAMES)
    assert all(USENet(encoder=encoder, weights="imagenet") for encoder in LAYOUTS)
    assert USENet(encoder="efficientnet_lite0", width=32, weights="imagenet")


@pytest.mark.parametrize("weights", ["imagenet", "imagenet_if_installed"])
@pytest.mark.parametrize("sizes", [{"width": 32}, {"in_channels": 1}])
def test_configuration_refuses_public_weights_of_other_sizes(sizes, weights):
    with pytest.raises(ValidationError, match="those need width 64 and in_channels 3"):
        USENet(weights=weights, **sizes)
    with pytest.raises(ValidationError, match="those need width 32 and in_channels 3"):
        USENet(weights=weights, encoder="efficientnet_lite0")
    assert USENet(weights="runs/own.pth", **sizes)


def test_configuration_names_one_fault_at_a_time():
    with pytest.raises(ValidationError) as error:
        USENet(weights="imagenet", width=-1)
    assert [detail["loc"] for detail in error.value.errors()] == [("width",)]
