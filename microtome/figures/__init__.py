# SPDX-License-Identifier: MIT
"""Figures of a study: one module per kind, each drawing one figure and giving the data behind it and a
caption.

The name of a kind is the name of its module, which exposes ``draw(inputs, **options) -> FigureResult``.
"""

from typing import TYPE_CHECKING, Any

from microtome.registry import Kinds

if TYPE_CHECKING:
    from microtome.figures.inputs import FigureInputs
    from microtome.figures.result import FigureResult

KINDS = Kinds(f"{__name__}.kinds", function="draw", thing="figure")
names = KINDS.names
options = KINDS.options


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
    return KINDS.make(kind, inputs, chosen)
