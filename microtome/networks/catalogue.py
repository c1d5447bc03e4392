# SPDX-License-Identifier: MIT
"""The published networks: registry entry, options and published input size of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from microtome import networks

GIGA = 1e9


@dataclass(frozen=True)
class Entry:
    """One published network.

    Attributes:
        id: paper and network, e.g. `p4.unet`.
        network: registry name.
        input_shape: (channels, ...) of one sample at the published size.
        options: keyword options of its `build` that differ from the defaults.
    """

    id: str
    network: str
    input_shape: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """Build it, with fresh weights on torch's current default device."""
        return networks.build(self.network, **self.options)


@dataclass(frozen=True)
class Size:
    """Parameters, and the work of one forward pass of one sample in GFLOP (two per multiply-add)."""

    parameters: int
    gflop: float


MEMBRANES = (
    Entry("p4.unet", "unet", (1, 512, 512)),
    Entry("p4.unet_classic", "unet", (1, 512, 512), {"variant": "classic"}),
    Entry("p4.n4", "ciresan", (1, 95, 95)),
    Entry("p4.n_w65", "ciresan", (1, 65, 65), {"variant": "w65"}),
)
CARCINOMA = (
    Entry("p1.unet", "dsunet", (3, 512, 512), {"encoder": "original", "head": "single"}),
    Entry("p1.r34", "dsunet", (3, 512, 512), {"head": "single"}),
    Entry("p1.r34_ds", "dsunet", (3, 512, 512)),
    Entry("p1.r34_linear", "dsunet", (3, 512, 512), {"head": "linear"}),
)
NUCLEI = (
    Entry("p3.r18", "usenet", (3, 992, 992), {"encoder": "resnet18"}),
    Entry("p3.r50", "usenet", (3, 992, 992), {"encoder": "resnet50"}),
    Entry("p3.ser50", "usenet", (3, 992, 992)),
)
CUBE = (16, 256, 256)
MELANOMA = (
    Entry("p0.hypernet", "hypernet", CUBE),
    Entry("p0.hypernet_alldual", "hypernet", CUBE, {"variant": "alldual"}),
    Entry("p0.hypernet_alldilated", "hypernet", CUBE, {"variant": "alldilated"}),
    Entry("p0.hypernet_maxpool", "hypernet", CUBE, {"variant": "maxpool"}),
    Entry("p0.vnet", "vnet", CUBE),
    Entry("p0.vnet_k3", "vnet", CUBE, {"kernel": 3}),
    Entry("p0.cnn2d_rgb", "cnn2d", (3, 256, 256), {"in_channels": 3}),
    Entry("p0.cnn2d_rgb_k3", "cnn2d", (3, 256, 256), {"in_channels": 3, "kernel": 3}),
    Entry("p0.cnn2d_hyper", "cnn2d", CUBE),
    Entry("p0.cnn2d_hyper_k3", "cnn2d", CUBE, {"kernel": 3}),
)
MOSAIC = (1, 256, 256)
MOSAICS = (
    Entry("p2.mednet1", "mednet", MOSAIC, {"scales": 1, "width": 40}),
    Entry("p2.mednet2", "mednet", MOSAIC, {"scales": 2, "width": 36}),
    Entry("p2.mednet3", "mednet", MOSAIC),
    Entry("p2.fcn", "fcn8s", MOSAIC),
    Entry("p2.segnet", "segnet", MOSAIC),
    Entry("p2.deeplab", "deeplab", MOSAIC),
    Entry(
        "p2.unet",
        "unet",
        MOSAIC,
        {"variant": "classic", "width": 28, "conv_bias": False, "init": "he_normal", "out_channels": 6},
    ),
)
CATALOGUE = (*MEMBRANES, *NUCLEI, *MELANOMA, *CARCINOMA, *MOSAICS)


def measure(entry: Entry) -> Size:
    """Build a published network and count what it holds and does; no memory for weights or activations is
    taken.

    Counted are convolutions and matrix products, as `torch.utils.flop_counter` does.

    Args:
        entry: one row of the catalogue.

    Returns:
        Its parameters and GFLOP at the published input size.

    Example:
        >>> size = measure(CATALOGUE[0])
        >>> size.parameters, round(size.gflop)
        (23379969, 337)
    """
    with torch.device("meta"):
        model = entry.build().eval()
        sample = torch.empty(1, *entry.input_shape)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(sample)
    return Size(networks.parameter_count(model), counter.get_total_flops() / GIGA)
