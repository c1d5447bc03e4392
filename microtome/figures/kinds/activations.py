# SPDX-License-Identifier: MIT
"""Plots of the activation functions."""

import numpy as np
import pandas as pd

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import BLUE, GREY
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.tables.kinds.activations import ACTIVATIONS

EXPLAINS = True
HEIGHT = 1.75
POINTS = 241
LABELS = {"softmax": r"$u_1 - u_2$"}


@styled
def draw(inputs: FigureInputs, *, reach: float = 4.0) -> FigureResult:
    """Draw step, sigmoid, tanh, ReLU and softmax (of two units, over their difference).

    Args:
        inputs: Not used; definitions have no data.
        reach: Largest argument.

    Returns:
        The figure. Its data: function, u, value.
    """
    points = np.linspace(-reach, reach, POINTS)
    curves = [
        pd.DataFrame({"function": item.key, "u": points, "value": item.function(points)})
        for item in ACTIVATIONS
    ]
    figure = new_figure(DOUBLE_COLUMN, HEIGHT)
    for index, (axes, item, curve) in enumerate(
        zip(figure.subplots(1, len(curves)), ACTIVATIONS, curves, strict=True)
    ):
        axes.axhline(0, color=GREY, linewidth=0.5)
        axes.axvline(0, color=GREY, linewidth=0.5)
        for piece in (curve[curve["u"] < 0], curve[curve["u"] >= 0]) if item.key == "step" else (curve,):
            axes.plot(piece["u"], piece["value"], color=BLUE, linewidth=1.4)
        top = reach if item.key == "relu" else 1.0
        axes.set(xlim=(-reach, reach), ylim=(min(-0.08, curve["value"].min()) * 1.15 * top, top * 1.12))
        axes.set_xticks([-reach, 0, reach])
        axes.set_yticks([0, top / 2, top] if item.key != "tanh" else [-1, 0, 1])
        axes.set_xlabel(LABELS.get(item.key, r"$u$"), parse_math=True)
        name = item.label.split(",")[-1].strip()
        letter(axes, chr(ord("a") + index), name)
    caption = "Activation functions. Softmax is that of two units, drawn over the difference of their inputs."
    return FigureResult(figure, pd.concat(curves, ignore_index=True), caption)
