# SPDX-License-Identifier: MIT
"""Network architectures: one file each, built by name; the folder is the registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtome.config.entries import model
from microtome.registry import entry_names, load_entry, search_path

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["build", "initialize", "names", "parameter_count", "told"]
__path__ = search_path(__name__, __path__)

RANDOM = "random initialisation"


def names() -> tuple[str, ...]:
    """Registry names of all networks, sorted; nothing is imported to find them.

    Example:
        >>> "unet" in names()
        True
    """
    return entry_names("microtome.config.networks")


def build(name: str, **options: Any) -> "nn.Module":
    """Build a network by its registry name, with freshly initialised weights.

    Args:
        name: one of `names()`.
        **options: its options, the fields of its model in `microtome.config.networks`.

    Returns:
        The network in training mode on the CPU; its `forward` returns logits.

    Raises:
        ValueError: unknown name (the message names the nearest one), or an option or a value that the network
            does not have.

    Example:
        >>> parameter_count(build("unet", width=64))
        23379969
    """
    checked = model("microtome.config.networks", name)(**options)
    return load_entry(__name__, name, kind="network").build(checked)


def initialize(
    network: "nn.Module", options: Mapping[str, Any], *, mirror: Path | None = None, offline: bool = False
) -> str:
    """Give a new network the weights that its options ask for, before it is trained.

    `build` never loads any, so a trained network is rebuilt without them. Public files are looked for in the
    folder `weights` of the mirror, then in the cache of `torch.hub`, then downloaded there; those that a
    package brings, in the mirror and in that package alone.

    Args:
        network: what `build` made of `options`; changed in place if the option `weights` is set.
        options: its `name` and options.
        mirror: folder with copies of public data; None: `$MICROTOME_DATA`.
        offline: never download.

    Returns:
        What the weights are, for the run card: `random initialisation`, and why where weights were asked for
        `imagenet_if_installed`; `ImageNet (…)` with name, digest and licence of the file; or the name and
        digest of a local file.

    Raises:
        ValueError: the network has no weights to load, or the file cannot be had, read, or made fit; the
            message says where to put it.

    Example:
        >>> initialize(build("unet", width=2), {"name": "unet", "width": 2})
        'random initialisation'
    """
    checked = model("microtome.config.networks", options["name"])(**options)
    if getattr(checked, "weights", None) is None:
        return RANDOM
    entry = load_entry(__name__, options["name"], kind="network")
    if not hasattr(entry, "initialize"):
        msg = f"{options['name']}: weights={checked.weights!r}, but there are none for it; leave it out."
        raise ValueError(msg)
    return entry.initialize(network, checked, mirror=mirror, offline=offline)


def told(options: Mapping[str, Any], weights: "Mapping[str, Tensor]") -> dict[str, Any]:
    """What a run card says of the trained weights of a network.

    Args:
        options: its `name` and options.
        weights: its state.

    Returns:
        JSON by name; empty where the network has nothing to say.

    Example:
        >>> told({"name": "unet"}, {})
        {}
    """
    checked = model("microtome.config.networks", options["name"])(**options)
    entry = load_entry(__name__, options["name"], kind="network")
    return entry.told(checked, weights) if hasattr(entry, "told") else {}


def parameter_count(network: "nn.Module") -> int:
    """Number of trainable scalars; running statistics of normalisation layers are not counted.

    Args:
        network: any torch module.

    Returns:
        Sum of the sizes of all parameters, each shared parameter counted once.
    """
    return sum(parameter.numel() for parameter in network.parameters())
