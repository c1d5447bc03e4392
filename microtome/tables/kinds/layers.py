# SPDX-License-Identifier: MIT
"""Layers of a window network, read off the built model."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from microtome import networks
from microtome.registry import load_entry
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts.published import heading, published_table

if TYPE_CHECKING:
    from torch import nn

EXPLAINS = True
PUBLISHED_OPTIONS = ("published",)
DEFAULT_NETWORK = {"name": "ciresan"}


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Layers of the window network",
    network: Mapping[str, Any] | None = None,
    published: str = "",
) -> Table:
    """Tabulate the layers of a built window network.

    Args:
        inputs: Published values.
        title: Caption.
        network: ``name`` and options of the network; its module must have ``layer_table``. Ciresan's N4 by
            default.
        published: Published table with the columns type, maps, size and kernel.

    Returns:
        One row per layer.

    Raises:
        ValueError: The network has no layer table, or the published table does not exist.
    """
    options = dict(network or DEFAULT_NETWORK)
    name = options.pop("name")
    rows = layers_of(name, networks.build(name, **options))
    printed = published_table(inputs.published, inputs.paper, published) if published else None
    return layer_table(rows, title=title, published=printed, head=heading(inputs))


def has_layer_table(name: str) -> bool:
    """Say whether a network's module lists its layers, as window networks do.

    Raises:
        ValueError: There is no such network.
    """
    return hasattr(load_entry("microtome.networks", name, kind="network"), "layer_table")


def layers_of(name: str, model: "nn.Module") -> list[dict[str, Any]]:
    """List the layers of a built window network: type, maps, size and kernel in pixels.

    Raises:
        ValueError: The network's module has no ``layer_table``.
    """
    if not has_layer_table(name):
        shown = "tables of kind 'layers' show window networks such as 'ciresan'"
        msg = f"network {name!r} has no layer table; {shown}"
        raise ValueError(msg)
    return list(load_entry("microtome.networks", name, kind="network").layer_table(model))


def layer_table(
    layers: Sequence[Mapping[str, Any]],
    *,
    title: str,
    published: Mapping[str, Any] | None = None,
    head: str = "",
) -> Table:
    """Tabulate layers (see `layers_of`; the kernel of the input is None), published ones beside them.

    Layers are definitions, so phantom data are no matter here.
    """
    frame = pd.DataFrame([{"layer": index, **_texts(layer)} for index, layer in enumerate(layers)])
    columns = [
        Column("layer", "Layer", format=".0f"),
        Column("type", "Type", kind="text"),
        Column("neurons", "Maps and neurons", kind="text"),
        Column("kernel", "Kernel size", kind="text"),
    ]
    if published is None:
        return Table(frame, tuple(columns), title)
    printed = [_texts(row) for row in published["rows"].values()]
    printed += [dict.fromkeys(("type", "neurons", "kernel"), None)] * (len(frame) - len(printed))
    text = [_phrase(row) for row in printed[: len(frame)]]
    same = [_phrase(row) == other for row, other in zip(frame.to_dict("records"), text, strict=True)]
    frame = frame.assign(published=text, same=["yes" if flag else "no" for flag in same])
    head = head.split(",")[0].removesuffix(")") + ")" if head else "published"
    columns += [
        Column("published", head, kind="text", short="published"),
        Column("same", "Same", kind="text"),
    ]
    note = "Read off the built model; the published column is the paper's."
    return Table(frame, tuple(columns), title, note)


def _texts(layer: Mapping[str, Any]) -> dict[str, str | None]:
    maps, size, kernel = (layer.get(key) for key in ("maps", "size", "kernel"))
    is_dense = layer["type"] == "fully_connected"
    counted = f"{maps} {'map' if maps == 1 else 'maps'} of {size}×{size} neurons"
    neurons = f"{maps} neurons" if is_dense else counted
    return {
        "type": str(layer["type"]).replace("_", " "),
        "neurons": neurons,
        "kernel": f"{kernel}×{kernel}" if kernel else None,
    }


def _phrase(row: Mapping[str, Any]) -> str:
    texts = [row.get(key) for key in ("type", "neurons", "kernel")]
    return "; ".join(str(text) for text in texts if text and pd.notna(text))
