# SPDX-License-Identifier: MIT
"""Figures of a study: one module per kind, each drawing one figure and giving the data behind it and a
caption.

The name of a kind is the name of its module, which exposes ``draw(inputs, **options) -> FigureResult``.
"""

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any

from microtome.registry import entry_names, load_entry, require_choice

if TYPE_CHECKING:
    from microtome.figures.inputs import FigureInputs
    from microtome.figures.result import FigureResult

SUPPORT = frozenset(
    {
        "block_diagram",
        "cells",
        "chain_diagram",
        "choice",
        "colors",
        "cubes",
        "feature_hooks",
        "flow_diagram",
        "inputs",
        "objects",
        "panels",
        "pictures",
        "result",
        "save",
        "style",
        "trace",
        "u_diagram",
    }
)
"""Modules of this folder that are no kinds."""


def names() -> tuple[str, ...]:
    """List the kinds, sorted; nothing is imported to find them.

    Example:
        >>> "loss_curves" in names()
        True
    """
    return tuple(name for name in entry_names(__file__) if name not in SUPPORT)


def options(kind: str) -> tuple[str, ...]:
    """List the options that a kind takes.

    Args:
        kind: Name of the kind.

    Returns:
        The names of its keyword options.

    Raises:
        ValueError: The kind is unknown.
    """
    parameters = inspect.signature(_module(kind).draw).parameters.values()
    return tuple(item.name for item in parameters if item.kind is inspect.Parameter.KEYWORD_ONLY)


def draw(kind: str, inputs: "FigureInputs", **chosen: Any) -> "FigureResult":
    """Draw a figure of a study.

    Args:
        kind: Name of the kind, one of `names()`.
        inputs: What the figure is made of.
        **chosen: Options of the kind.

    Returns:
        The figure.

    Raises:
        ValueError: The kind or an option is unknown, or the inputs lack what the figure shows.
    """
    known = options(kind)
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        msg = f"a figure of kind {kind!r} takes no option {unknown}; it takes {list(known)}"
        raise ValueError(msg)
    return _module(kind).draw(inputs, **chosen)


def _module(kind: str) -> ModuleType:
    require_choice("kind", kind, names(), owner="figure")
    return load_entry(__name__, __file__, kind, kind="kind of figure")
