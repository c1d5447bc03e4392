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
NUCLEI = (
    Entry("p3.r18", "usenet", (3, 992, 992), {"encoder": "resnet18"}),
    Entry("p3.r50", "usenet", (3, 992, 992), {"encoder": "resnet50"}),
    Entry("p3.ser50", "usenet", (3, 992, 992)),
)
CATALOGUE = (*MEMBRANES, *NUCLEI)


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
