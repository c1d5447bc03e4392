# SPDX-License-Identifier: MIT
"""Network architectures: one file each, built by name; the folder is the registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtome.registry import entry_names, load_entry

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build", "initialize", "names", "parameter_count"]

RANDOM = "random initialisation"


def names() -> tuple[str, ...]:
    """Registry names of all networks, sorted; nothing is imported to find them.

    Example:
        >>> "unet" in names()
        True
    """
    return entry_names(__file__)


def build(name: str, **options: Any) -> "nn.Module":
    """Build a network by its registry name, with freshly initialised weights.

    Args:
        name: one of `names()`.
        **options: keyword options of that network's own `build`.

    Returns:
        The network in training mode on the CPU; its `forward` returns logits.

    Raises:
        ValueError: unknown name (the message names the nearest one) or a value that the network refuses.
        TypeError: an option that the network does not have.

    Example:
        >>> parameter_count(build("unet", width=64))
        23379969
    """
    return load_entry(__name__, __file__, name, kind="network").build(**options)


def initialize(
    model: "nn.Module", network: Mapping[str, Any], *, mirror: Path | None = None, offline: bool = False
) -> str:
    """Give a new network the weights that its options ask for, before it is trained.

    `build` never loads any, so a trained network is rebuilt without them. Public files are looked for in the
    folder `weights` of the mirror, then in the cache of `torch.hub`, then downloaded there.

    Args:
        model: what `build` made of `network`; changed in place if the option `weights` is set.
        network: `name` and options.
        mirror: folder with copies of public data; None: `$MICROTOME_DATA`.
        offline: never download.

    Returns:
        What the weights are, for the run card: `random initialisation`, `ImageNet (file name)`, or the name
        and digest of a local file.

    Raises:
        ValueError: the network has no weights to load, or the file cannot be had, read, or made fit; the
            message says where to put it.

    Example:
        >>> initialize(build("unet", width=2), {"name": "unet", "width": 2})
        'random initialisation'
    """
    if network.get("weights") is None:
        return RANDOM
    entry = load_entry(__name__, __file__, network["name"], kind="network")
    if not hasattr(entry, "initialize"):
        msg = f"{network['name']}: weights={network['weights']!r}, but there are none for it; leave it out."
        raise ValueError(msg)
    return entry.initialize(model, network, mirror=mirror, offline=offline)


def parameter_count(model: "nn.Module") -> int:
    """Number of trainable scalars; running statistics of normalisation layers are not counted.

    Args:
        model: any torch module.

    Returns:
        Sum of the sizes of all parameters, each shared parameter counted once.
    """
    return sum(parameter.numel() for parameter in model.parameters())
