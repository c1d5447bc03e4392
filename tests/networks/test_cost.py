# SPDX-License-Identifier: MIT
"""What networks say that training them takes, against what PyTorch keeps for the backward pass."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from microtome import networks
from microtome.config.entries import model
from microtome.networks.catalogue import CATALOGUE

MOST_APART = 1.35
"""How far above the truth a bound may lie: memory that nobody uses is not to be asked for."""
SIDE = 128
OTHERS = [
    ("unet", {"width": 8}),
    ("unet", {"width": 16, "variant": "classic", "in_channels": 3}),
    ("cnn2d", {"width": 4, "kernel": 3}),
    ("vnet", {"width": 4, "kernel": 3, "bands": 32}),
    ("hypernet", {"width": 4}),
    ("hypernet", {"width": 8, "bands": 32, "kernel": 5}),
    ("hypernet", {"width": 8, "resolutions": 5}),
    ("hypernet", {"width": 8, "convs": (2, 3, 4, 4, 4), "decoder_convs": (4, 4, 3, 2)}),
    ("hypernet", {"width": 8, "variant": "alldual"}),
    *(("usenet", {"width": 16, "encoder": name}) for name in ("resnet18", "resnet34", "seresnet50")),
    *(("usenet", {"width": width, "encoder": "efficientnet_lite0"}) for width in (16, 32, 64)),
    *(("dsunet", {"width": width, "encoder": "efficientnet_lite0"}) for width in (16, 32, 64)),
    ("dsunet", {"width": 32, "encoder": "efficientnet_lite0", "decoder": "skips"}),
    ("dsunet", {"width": 16, "encoder": "original"}),
    ("dsunet", {"width": 16, "decoder": "skips"}),
    ("mednet", {"width": 8, "scales": 1}),
    ("mednet", {"width": 8, "blocks": 3, "inner_skips": True}),
    ("mednet", {"width": 8, "depth": 3}),
    ("fcn8s", {"width": 8, "hidden": 64}),
    ("segnet", {"width": 8}),
    ("deeplab", {"width": 8, "hidden": 32}),
    ("ciresan", {"maps": 8}),
    ("spectral1d", {}),
    ("spectral1d", {"width": 8, "bands": 61, "hidden": 32, "dropout": 0.5}),
    ("resunet", {}),
    ("resunet", {"width": 8, "blocks": (1, 3, 4, 6, 6), "in_channels": 3, "out_channels": 6}),
    ("resunet", {"width": 8, "blocks": (2, 1, 1), "head": "single", "in_channels": 16, "most": 16}),
]
CASES = [(entry.network, dict(entry.options)) for entry in CATALOGUE] + OTHERS


def kept(network, channels, side):
    """Values for each pixel that the forward pass of one window keeps, each map counted once."""
    own = {one.untyped_storage()._cdata for one in (*network.parameters(), *network.buffers())}
    found = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            found[storage._cdata] = storage
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        network(torch.empty(2, channels, side, side, device="meta"))
    return sum(storage.nbytes() for storage in found.values()) / 4 / 2 / side**2


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda case: str(case))
def test_the_cost_of_a_network_is_a_near_upper_bound(name, options):
    said = model("microtome.config.networks", name)(**options)
    with torch.device("meta"):
        network = networks.build(name, **options).train()
    values = kept(network, said.in_channels, getattr(said, "side", SIDE))
    for bound, truth in (
        (said.cost.parameters, networks.parameter_count(network)),
        (said.cost.values, values),
    ):
        assert truth <= bound <= MOST_APART * truth, f"found {truth:.5g}, said {bound:.5g}"


def test_a_network_of_a_plugin_may_say_nothing():
    from microtome.config.networks import NetworkOptions

    assert NetworkOptions().cost is None
