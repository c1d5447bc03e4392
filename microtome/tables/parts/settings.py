# SPDX-License-Identifier: MIT
"""Settings of runs in words, for tables and figures."""

from collections.abc import Mapping
from typing import Any

ENCODERS = {
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet50": "ResNet-50",
    "seresnet50": "SE-ResNet-50",
}
NETWORKS = {
    "usenet": "USE-Net",
    "unet": "U-Net",
    "ciresan": "Ciresan",
    "hypernet": "Hyper-net",
    "vnet": "V-net",
    "cnn2d": "2D CNN",
}
LOSSES = {
    "bce": "BCE",
    "dice": "Dice",
    "bce_dice": "BCE + Dice",
    "dicebce": "Dice + BCE",
    "cross_entropy": "cross entropy",
    "weighted_cross_entropy": "weighted cross entropy",
    "lovasz": "Lovász-Softmax",
    "compound": "compound",
}
OUTPUTS = {"mask": "mask", "shape_marker": "shape marker", "centre_marker": "centre marker"}
STAINS = {"spcn": "SPCN", "macenko": "Macenko", "reinhard": "Reinhard", "staintools": "StainTools"}


def encoder_name(network: Mapping[str, Any]) -> str:
    """Name the backbone of a network.

    Args:
        network: Name and options of the network.

    Returns:
        The encoder, or the network where it has none to choose.

    Example:
        >>> encoder_name({"name": "usenet", "encoder": "seresnet50"})
        'SE-ResNet-50'
    """
    encoder = network.get("encoder")
    return network_name(network["name"]) if encoder is None else ENCODERS.get(encoder, str(encoder))


def network_name(name: str) -> str:
    """Name a network."""
    return NETWORKS.get(name, name)


def loss_name(name: str) -> str:
    """Name a loss."""
    return LOSSES.get(name, name)


def output_name(name: str) -> str:
    """Name what a network predicts."""
    return OUTPUTS.get(name, name.replace("_", " "))


def stain_name(name: str) -> str:
    """Name a stain normalization."""
    return STAINS.get(name, name)
