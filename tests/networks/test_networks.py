# SPDX-License-Identifier: MIT
"""Registry, U-Net, catalogue and command line."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from microtome import networks
from microtome.__main__ import main
from microtome.networks._blocks import pad_to_multiple
from microtome.networks.catalogue import CATALOGUE, measure
from tests.networks.contract import NetworkContract

UNET = [({}, 23_379_969), ({"variant": "classic"}, 31_042_369)]
# the table of published networks: parameters and GFLOP
SIZES = {
    "p4.unet": (23_379_969, 337),
    "p4.unet_classic": (31_042_369, 385),
    "p4.n4": (219_290, 0.24),
    "p4.n_w65": (270_746, 0.10),
    "p3.r18": (14_329_346, 162),
    "p3.r50": (32_522_242, 320),
    "p3.ser50": (35_037_186, 320),
    "p0.hypernet": (5_152_501, 150),
    "p0.hypernet_alldual": (5_554_261, 204),
    "p0.hypernet_alldilated": (5_152_501, 150),
    "p0.hypernet_maxpool": (5_077_237, 148),
    "p0.vnet": (65_182_227, 1004),
    "p0.vnet_k3": (14_703_603, 222),
    "p0.cnn2d_rgb": (13_283_122, 40),
    "p0.cnn2d_rgb_k3": (5_041_202, 15),
    "p0.cnn2d_hyper": (13_288_258, 41),
    "p0.cnn2d_hyper_k3": (5_043_010, 15),
    "p1.unet": (31_383_298, 122),
    "p1.r34": (24_436_258, 62),
    "p1.r34_ds": (24_437_226, 62),
    "p1.r34_linear": (24_437_231, 62),
    "p2.mednet1": (5_990_566, 10),
    "p2.mednet2": (6_117_276, 10),
    "p2.mednet3": (6_088_408, 10),
    "p2.fcn": (5_986_146, 10),
    "p2.segnet": (6_049_087, 17),
    "p2.deeplab": (5_993_702, 16),
    "p2.unet": (5_944_014, 18),
}


class TestTutorialUNet(NetworkContract):
    name, options, published = "unet", {"width": 4}, UNET

    @pytest.mark.parametrize("size", [(32, 32), (33, 47), (17, 100), (16, 5), (1, 1), (2, 31)])
    def test_any_size(self, model, size):
        logits = model.eval()(torch.zeros(1, 1, *size))
        assert logits.shape[-2:] == size

    def test_odd_sizes_see_the_mirrored_image(self, model):
        model.eval()
        image = self.inputs(batch=1)[..., :27, :30]
        rows = [*range(27), 25, 24, 23, 22, 21]
        columns = [*range(30), 28, 27]
        with torch.no_grad():
            mirrored = model(image[:, :, rows][..., columns])
            assert torch.equal(model(image), mirrored[..., :27, :30])

    def test_channels(self):
        model = networks.build("unet", **{**self.options, "in_channels": 3, "out_channels": 2})
        assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 2, 16, 16)


class TestClassicUNet(TestTutorialUNet):
    options = {"width": 4, "variant": "classic"}


class TestCiresanN4(NetworkContract):
    name, options = "ciresan", {"maps": 6, "hidden": 5}
    sample, logits = (1, 95, 95), (2,)
    published = [({}, 219_290), ({"variant": "w65"}, 270_746)]

    def test_other_window_sizes_are_refused(self, model):
        with pytest.raises(ValueError, match="dense"):
            model(torch.zeros(1, 1, 97, 97))


class TestCiresanW65(TestCiresanN4):
    options = {"maps": 6, "hidden": 5, "variant": "w65", "activation": "relu"}
    sample = (1, 65, 65)


def channels(module, kind):
    return [(layer.in_channels, layer.out_channels) for layer in module.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize(
    ("variant", "bottom", "up", "first_decoder"),
    [
        ("tutorial", [(32, 64), (64, 32)], [(32, 32), (16, 16), (8, 8), (4, 4)], [(64, 32), (32, 16)]),
        ("classic", [(32, 64), (64, 64)], [(64, 32), (32, 16), (16, 8), (8, 4)], [(64, 32), (32, 32)]),
    ],
)
def test_unet_layout(variant, bottom, up, first_decoder):
    """At width 4, a sixteenth of the published channels."""
    model = networks.build("unet", variant=variant, width=4)
    assert channels(model.bottom, nn.Conv2d) == bottom
    assert channels(model.up, nn.ConvTranspose2d) == up
    assert channels(model.decoder[0], nn.Conv2d) == first_decoder


def test_unet_stages_have_the_published_channels():
    with torch.device("meta"):
        model = networks.build("unet")
    seen = []
    for stage in (*model.encoder, model.bottom, *model.decoder):
        stage.register_forward_hook(lambda _m, _i, output: seen.append((output.shape[1], output.shape[2])))
    with torch.no_grad():
        model(torch.empty(1, 1, 512, 512, device="meta"))
    encoder = [(64, 512), (128, 256), (256, 128), (512, 64), (512, 32)]
    assert seen == [*encoder, (256, 64), (128, 128), (64, 256), (64, 512)]


def test_padding_mirrors_and_repeats():
    row = torch.arange(5.0).view(1, 1, 1, 5)
    assert pad_to_multiple(row, 8)[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    assert pad_to_multiple(row[..., :2], 8)[0, 0, 0].tolist() == [0, 1] + [1] * 6
    assert pad_to_multiple(torch.zeros(1, 1, 8, 8), 8).shape == (1, 1, 8, 8)


def test_registry_lists_files_and_not_shared_parts():
    assert {"unet", "ciresan", "usenet", "dsunet"} <= set(networks.names())
    assert not [name for name in networks.names() if name.startswith("_")]


@pytest.mark.parametrize("name", ["_blocks", "_catalogue", "", "unett", "os"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match="no network called"):
        networks.build(name)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"expected 'ciresan'\?"):
        networks.build("cirsean")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("unet", {"variant": "clasic"}, "'tutorial' or 'classic'"),
        ("unet", {"width": 0}, "width\n.*greater than 0"),
        ("ciresan", {"activation": "sigmoid"}, "'tanh' or 'relu'"),
        ("ciresan", {"maps": True}, "maps\n.*integer"),
        ("usenet", {"encoder": "resnet51"}, "'resnet50', 'seresnet50' or 'efficientnet_lite0'"),
        ("cnn2d", {"depth": 3}, "depth\n.*not permitted"),
    ],
)
def test_options_are_checked_when_built(name, options, message):
    with pytest.raises(ValueError, match=message):
        networks.build(name, **options)


def test_listing_networks_and_losses_needs_no_torch():
    code = (
        "import sys, microtome.networks, microtome.losses, microtome.__main__ as m; m.parser();"
        "microtome.networks.names(), microtome.losses.names(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("init", "variance"), [("uniform", 1 / 3), ("he_normal", 2)])
def test_weights_are_drawn_as_asked_for(init, variance):
    """Variances times fan_in, of convolutions and of those that double the resolution."""
    torch.manual_seed(0)
    network = networks.build("unet", width=16, variant="classic", init=init)
    for layer, fan_in in ((network.bottom[1][0], 256 * 9), (network.up[0], 128 * 4)):
        assert layer.weight.var().item() * fan_in == pytest.approx(variance, rel=0.05)
        assert bool(layer.bias.any()) == (init == "uniform")


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_catalogue_has_the_published_sizes(entry):
    parameters, gflop = SIZES[entry.id]
    size = measure(entry)
    assert size.parameters == parameters
    assert round(size.gflop, 2 if gflop < 1 else 0) == gflop


def test_command_prints_a_table(capsys):
    main(["networks"])
    header, *rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert header == ["id", "network", "options", "parameters", "GFLOP"]
    assert [row[0] for row in rows] == [entry.id for entry in CATALOGUE]
    assert rows[1][1:4] == ["unet", '{"variant": "classic"}', "31042369"]


def test_every_network_of_the_papers_is_there():
    """25 of five papers, in the order of these, and three with smaller kernels."""
    found = [entry.id for entry in CATALOGUE]
    assert sorted(found) == sorted(SIZES)
    assert [sum(name.startswith(f"p{n}.") and "_k3" not in name for name in found) for n in range(5)] == [
        7,
        4,
        7,
        3,
        4,
    ]


def test_command_is_required(capsys):
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "COMMAND" in capsys.readouterr().err
