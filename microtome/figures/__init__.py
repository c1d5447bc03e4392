# SPDX-License-Identifier: MIT
"""Figures of a study: one module per kind, each drawing one figure and giving the data behind it and a
caption.

The name of a kind is the name of its module, which exposes ``draw(inputs, **options) -> FigureResult``.
"""

from typing import TYPE_CHECKING, Any

from microtome.config.kinds import make

if TYPE_CHECKING:
    from microtome.figures.inputs import FigureInputs
    from microtome.figures.result import FigureResult


def draw(kind: str, inputs: "FigureInputs", **chosen: Any) -> "FigureResult":
    """Draw a figure of a study.

    Args:
        kind: Name of the kind.
        inputs: What the figure is made of.
        **chosen: Options of the kind.

    Raises:
        ValueError: The kind or an option is unknown, or the inputs lack what the figure shows.
    """
    return make("figures", kind, inputs, chosen)
