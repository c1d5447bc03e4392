# SPDX-License-Identifier: MIT
"""MED-Net: contract, layout, levels, the forms that the paper leaves open, other subnetworks, folding."""

import logging

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from microtome import losses, networks
from microtome.config.networks.mednet import MEDNet
from microtome.config.networks.unet import UNet as UNetOptions
from microtome.config.training import Supervision
from microtome.inference import optimize_for_inference
from microtome.networks._nested import Gate, Nested
from microtome.networks.mednet import ResidualSubnetwork
from microtome.networks.unet import UNet
from microtome.training.supervision import LevelLosses
from tests.networks.contract import NetworkContract

PUBLISHED = [
    ({"scales": 1, "width": 40}, 5_990_566),
    ({"scales": 2, "width": 36}, 6_117_276),
    ({}, 6_088_408),
]
SIZES = [(64, 64), (16, 48), (33, 47), (1, 1), (2, 31)]
SMALL = {"width": 4, "depth": 3, "classes": 3}


def trained(network):
    """Running statistics and scales that differ from their start."""
    for _ in range(2):
        network(torch.randn(2, network.in_channels, 32, 32))
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.uniform_(-0.2, 0.2)
    return network.eval()


class TestThreeScales(NetworkContract):
    name, options = "mednet", SMALL
    sample, logits = (1, 32, 32), (3, 32, 32)
    published = PUBLISHED
    reductions = (4, 2, 1)

    def test_gradients_reach_every_parameter(self, model):
        """Through the levels, as the coarser ones are trained by their own labels."""
        sum(level.square().sum() for level in model.levels(self.inputs())).backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        silent = [name for name, p in model.named_parameters() if not p.grad.abs().sum() > 0]
        assert [name for name in silent if not name.endswith("bias")] == []

    @pytest.mark.parametrize("size", SIZES)
    def test_any_size_and_its_levels(self, model, size):
        inputs = torch.zeros(1, 1, *size)
        with torch.no_grad():
            result, levels = model.eval()(inputs), model.levels(inputs)
        assert result.shape[-2:] == size
        assert model.reductions == self.reductions
        wanted = [(1, 3, *(-(-side // r) for side in size)) for r in self.reductions]
        assert [tuple(level.shape) for level in levels] == wanted

    def test_odd_sizes_see_the_mirrored_image(self, model):
        model.eval()
        image = self.inputs(batch=1)[..., :30, :27]
        rows, columns = [*range(30), 28, 27], [*range(27), *range(25, 20, -1)]
        with torch.no_grad():
            mirrored = model(image[:, :, rows][..., columns])
            assert torch.equal(model(image), mirrored[..., :30, :27])

    def test_channels(self):
        model = networks.build("mednet", **{**self.options, "in_channels": 2, "classes": 5})
        assert model(torch.zeros(2, 2, 32, 16)).shape == (2, 5, 32, 16)

    def test_it_stops_at_a_level_with_the_same_logits(self, model):
        trained(model)
        inputs = self.inputs()[..., :29, :]
        shared = {id(parameter) for parameter in model.parameters()}
        for level, reduction in enumerate(self.reductions):
            stopped = model.up_to(level)
            assert stopped.reduction == reduction
            assert len(stopped.subnetworks) == level + 1
            assert {id(parameter) for parameter in stopped.parameters()} <= shared
            with torch.no_grad():
                assert torch.equal(stopped(inputs), model.levels(inputs)[level])
                folded, wanted = optimize_for_inference(stopped, sample=inputs), stopped(inputs)
                close = {"rtol": 0, "atol": 1e-4 * float(wanted.abs().max())}
                torch.testing.assert_close(folded(inputs), wanted, **close)

    def test_the_last_level_is_the_result(self, model):
        inputs = self.inputs()[..., :21, :]
        with torch.no_grad():
            assert torch.equal(model.eval()(inputs), model.levels(inputs)[-1])

    def test_levels_that_are_not_there(self, model):
        for level in (-1, len(self.reductions)):
            with pytest.raises(ValueError, match=f"found level {level} of mednet, expected 0 to"):
                model.up_to(level)

    def test_folding_keeps_every_level_and_leaves_no_normalisation(self, model, caplog):
        trained(model)
        sample = self.inputs(batch=1)[..., :25, :31]
        with caplog.at_level(logging.INFO):
            optimized = optimize_for_inference(model, sample=sample)
        assert not [part for part in optimized.modules() if isinstance(part, nn.BatchNorm2d)]
        assert not caplog.messages  # traced, and it agrees
        with torch.inference_mode():
            outputs = [[network(sample), *network.levels(sample)] for network in (model, optimized)]
            for wanted, found in zip(*outputs, strict=True):
                torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))

    @pytest.mark.parametrize("part", [(10, 20, 5, 6), (0, 32, 0, 16), (0, 7, 15, 32), (31, 32, 17, 32)])
    def test_a_part_is_that_of_the_whole(self, model, part):
        """In float64, where rounding hides nothing."""
        trained(model).double()
        inputs = self.inputs().double()
        top, bottom, left, right = part
        with torch.no_grad():
            found = model.within(inputs, slice(top, bottom), slice(left, right))
            wanted = model(inputs)[..., top:bottom, left:right]
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12 * float(wanted.abs().max()))

    def test_a_part_of_an_image_that_is_padded(self, model):
        trained(model)
        inputs = self.inputs()[..., :30, :27]
        with torch.no_grad():
            found, wanted = model.within(inputs, slice(3, 30), slice(9, 27)), model(inputs)[..., 3:30, 9:27]
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


class TestTwoScales(TestThreeScales):
    options = SMALL | {"scales": 2, "gate": "product", "upsampling": "transposed", "blocks": 1}
    reductions = (2, 1)


class TestOneScale(TestThreeScales):
    options = SMALL | {"scales": 1, "inner_skips": True}
    reductions = (1,)


class TestOtherForms(TestThreeScales):
    options = SMALL | {"gate": "residual", "pyramid": "nearest", "inner_skips": True, "detach": True}


def shapes(network, size=256):
    """Channels and size of the maps of each block of each subnetwork, coarse to fine, one image given."""
    seen = []
    for one in network.subnetworks:
        found = []
        for stage in (*one.encoder, *one.decoder):
            stage.register_forward_hook(
                lambda _m, _i, output, found=found: found.append((output.shape[1], output.shape[2]))
            )
        seen.append(found)
    with torch.no_grad():
        network(torch.empty(1, 1, size, size, device="meta"))
    return seen


def test_blocks_have_the_published_channels_and_sizes():
    with torch.device("meta"):
        network = networks.build("mednet").eval()
    assert shapes(network) == [
        [(35, 32), (70, 16), (35, 16), (35, 32)],
        [(35, 64), (70, 32), (140, 16), (70, 16), (35, 32), (35, 64)],
        [(35, 128), (70, 64), (140, 32), (280, 16), (140, 16), (70, 32), (35, 64), (35, 128)],
    ]
    parts = zip(network.subnetworks, network.heads, [None, *network.gates], strict=True)
    counts = [sum(networks.parameter_count(part) for part in level if part) for level in parts]
    assert counts == [293_796, 1_165_436, 4_629_176]
    assert [one.in_channels for one in network.subnetworks] == [1, 7, 7]
    assert [(gate.project.in_channels, gate.project.out_channels) for gate in network.gates] == [
        (70, 140),
        (140, 280),
    ]


@pytest.mark.parametrize(("scales", "width"), [(1, 57), (2, 51), (3, 50)])
def test_other_layouts_have_about_the_published_size(scales, width):
    with torch.device("meta"):
        network = networks.build("mednet", scales=scales, width=width, blocks=1)
    assert networks.parameter_count(network) == pytest.approx(6e6, rel=0.025)


@pytest.mark.parametrize("gate", ["sigmoid", "product", "residual"])
@pytest.mark.parametrize("pyramid", ["average", "nearest"])
def test_the_scales_step_by_step(gate, pyramid):
    """The same from the subnetworks, without the code that nests them; in float64, but for rounding."""
    torch.manual_seed(3)
    network = trained(networks.build("mednet", **SMALL, gate=gate, pyramid=pyramid)).double()
    images = [torch.randn(2, 1, 32, 16, dtype=torch.float64)]
    for _ in range(2):
        corners = torch.stack([images[0][..., y::2, x::2] for y in (0, 1) for x in (0, 1)])
        images.insert(0, corners.mean(0) if pyramid == "average" else corners[0])
    scores, bottleneck = [], None
    with torch.no_grad():
        for level, (image, one) in enumerate(zip(images, network.subnetworks, strict=True)):
            if scores:
                prior = torch.exp(scores[-1]) / torch.exp(scores[-1]).sum(1, keepdim=True)
                prior = functional.interpolate(prior, image.shape[-2:], mode="bilinear")
                image = torch.cat([image, prior], 1)
            *skips, own = one.encode(image)
            if scores:
                z = network.gates[level - 1].project(bottleneck)
                own = own * {"sigmoid": z.sigmoid(), "product": z, "residual": 1 + z.sigmoid()}[gate]
            bottleneck = own
            scores.append(network.heads[level](one.decode([*skips, own])))
        for found, wanted in zip(network.levels(images[-1]), scores, strict=True):
            torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("detach", [False, True])
def test_what_finer_subnetworks_make_of_probabilities_trains_the_coarser_unless_detached(detach):
    torch.manual_seed(0)
    network = networks.build("mednet", **SMALL, detach=detach)
    network(torch.randn(2, 1, 32, 32)).square().sum().backward()
    silent = [head.weight.grad is None for head in network.heads]
    assert silent == [detach, detach, False]
    assert network.subnetworks[0].encoder[0][0].conv1.weight.grad.abs().sum() > 0  # through the bottlenecks


def test_inner_skips_append_the_maps_of_the_encoder():
    plain, skipping = (
        ResidualSubnetwork(MEDNet(**SMALL, inner_skips=skips), depth=3, in_channels=1)
        for skips in (False, True)
    )
    taken = [[stage[0].conv1.in_channels for stage in one.decoder] for one in (plain, skipping)]
    assert taken == [[16, 8, 4], [16, 8 + 8, 4 + 4]]
    torch.manual_seed(1)
    maps = skipping.eval().encode(torch.randn(1, 1, 16, 16))
    with torch.no_grad():
        results = [skipping.decode([*others, maps[-1]]) for others in (maps[:-1], [m + 1 for m in maps[:-1]])]
        assert torch.equal(
            *(plain.eval().decode([*others, maps[-1]]) for others in (maps[:-1], [m + 1 for m in maps[:-1]]))
        )
    assert not torch.equal(*results)


def test_weights_are_drawn_as_he_et_al_do():
    torch.manual_seed(0)
    network = networks.build("mednet", scales=1, width=16)
    weight = network.subnetworks[0].encoder[3][1].conv2.weight  # 128 to 128 channels
    assert weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert all(
        not layer.bias.any()
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d) and layer.bias is not None
    )


def test_it_learns_from_the_labels_of_every_level():
    torch.manual_seed(0)
    network = networks.build("mednet", **SMALL)
    total = LevelLosses(losses.build("mdsc_tv"), network.reductions, Supervision(levels="all"))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    target = torch.arange(3).repeat_interleave(11)[:32].expand(2, 32, 32)
    images = target[:, None] + 0.3 * torch.randn(2, 1, 32, 32)
    values = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = total(network.levels(images), target, target != 255)
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[0] < 3 * 2 * 3
    assert values[-1] < 0.7 * values[0]


def test_coarser_levels_cost_less():
    with torch.device("meta"):
        network = networks.build("mednet").eval()
    costs = []
    for level in range(3):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network.up_to(level)(torch.empty(1, 1, 256, 256, device="meta"))
        costs.append(counter.get_total_flops())
    assert costs[0] < 0.1 * costs[2]
    assert costs[1] < 0.35 * costs[2]


def test_a_part_costs_less():
    """Of the decoders; what the encoders compute is seen by every pixel."""
    with torch.device("meta"):
        network, images = networks.build("mednet").eval(), torch.empty(1, 1, 256, 256)
    costs = []
    for compute in (network, lambda images: network.within(images, slice(62, 194), slice(62, 194))):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            compute(images)
        costs.append(counter.get_total_flops())
    assert costs[1] < 0.88 * costs[0]


class TestNestedUNets:
    """Any encoder-decoder can be nested: here U-Nets, whose bottlenecks differ in size."""

    @pytest.fixture
    def network(self):
        torch.manual_seed(0)
        options = {"width": 2, "variant": "classic", "out_channels": 1}
        parts = [UNet(UNetOptions(**options, in_channels=channels)) for channels in (2, 5, 5)]
        for part in parts:
            part.head = nn.Identity()  # the nested network has heads of its own
        return Nested(parts, 3, owner="nested U-Nets")

    def test_levels(self, network):
        assert network.multiple == 64
        trained_size = torch.randn(2, 2, 100, 70)
        levels = network.levels(trained_size)
        assert [tuple(level.shape) for level in levels] == [(2, 3, 25, 18), (2, 3, 50, 35), (2, 3, 100, 70)]
        sum(level.square().sum() for level in levels).backward()
        assert all(parameter.grad is not None for parameter in network.parameters())

    def test_bottlenecks_are_resized(self, network):
        gate = network.gates[0]
        assert isinstance(gate, Gate)
        found = gate(torch.ones(1, 32, 4, 6), torch.zeros(1, 32, 2, 3))
        assert found.shape == (1, 32, 4, 6)

    def test_stopping_and_folding(self, network):
        sample = torch.randn(1, 2, 64, 64)
        for _ in range(2):
            network(torch.randn(2, 2, 64, 64))
        network.eval()
        folded = optimize_for_inference(network, sample=sample)
        assert not [part for part in folded.modules() if isinstance(part, nn.BatchNorm2d)]
        with torch.no_grad():
            for level, wanted in enumerate(network.levels(sample)):
                assert torch.equal(network.up_to(level)(sample), wanted)

    def test_a_part_of_subnetworks_that_compute_all(self, network):
        images = torch.randn(1, 2, 64, 64)
        with torch.no_grad():
            found = network.eval().within(images, slice(8, 30), slice(0, 64))
            torch.testing.assert_close(found, network(images)[..., 8:30, :])

    def test_channels_that_do_not_fit(self):
        parts = [UNet(UNetOptions(width=2, in_channels=1)) for _ in range(2)]
        with pytest.raises(ValueError, match="subnetwork 1 for 1 channels, expected 1 of the image and 3"):
            Nested(parts, 3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"depth": 2}, "3 at least"),
        ({"scales": 4}, "1, 2 or 3"),
        ({"gate": "none"}, "'sigmoid', 'product' or 'residual'"),
        ({"width": 0}, "greater than 0"),
    ],
)
def test_options_that_do_not_fit(options, expected):
    with pytest.raises(ValidationError, match=expected):
        MEDNet(**options)


def test_its_levels_are_known_without_building_it():
    assert [MEDNet(scales=scales).levels for scales in (1, 2, 3)] == [1, 2, 3]
