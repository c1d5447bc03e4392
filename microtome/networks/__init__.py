# SPDX-License-Identifier: MIT
"""Network architectures: one file each, built by name; the folder is the registry."""

from typing import TYPE_CHECKING, Any

from microtome.registry import entry_names, load_entry

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build", "names", "parameter_count"]


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


def parameter_count(model: "nn.Module") -> int:
    """Number of trainable scalars; running statistics of normalisation layers are not counted.

    Args:
        model: any torch module.

    Returns:
        Sum of the sizes of all parameters, each shared parameter counted once.
    """
    return sum(parameter.numel() for parameter in model.parameters())
