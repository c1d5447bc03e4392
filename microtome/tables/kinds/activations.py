# SPDX-License-Identifier: MIT
"""Definitions of the activation functions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs

EXPLAINS = True
POINTS = {"at_minus_1": -1.0, "at_0": 0.0, "at_1": 1.0}
SOFTMAX_NOTE = "Softmax: the values are those of the first of two units, the second being 0."


@dataclass(frozen=True)
class Activation:
    """An activation function on arrays; its definition and range of values in LaTeX mathematics."""

    key: str
    label: str
    formula: str
    range: str
    function: Callable[[np.ndarray], np.ndarray]


def _sigmoid(u: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(u / 2))


ACTIVATIONS = (
    Activation(
        "step",
        "Step",
        r"H(u) = 1 \text{ if } u \geq 0,\ 0 \text{ otherwise}",
        r"\{0, 1\}",
        lambda u: (u >= 0) * 1.0,
    ),
    Activation("sigmoid", "Sigmoid", r"S(u) = \frac{1}{1 + e^{-u}}", "(0, 1)", _sigmoid),
    Activation(
        "tanh",
        "Hyperbolic tangent, tanh",
        r"\tanh(u) = \frac{e^u - e^{-u}}{e^u + e^{-u}}",
        "(-1, 1)",
        np.tanh,
    ),
    Activation(
        "relu",
        "Rectified linear unit, ReLU",
        r"R(u) = \max(u, 0)",
        r"[0, \infty)",
        lambda u: np.maximum(u, 0.0),
    ),
    Activation("softmax", "Softmax", r"p_k(u) = \frac{e^{u_k}}{\sum_{q=1}^{Q} e^{u_q}}", "(0, 1)", _sigmoid),
)
"""Softmax is that of two units, as a function of the difference of its inputs: a sigmoid."""


def tabulate(inputs: Inputs, *, title: str = "Activation functions") -> Table:
    """Tabulate the definitions, with values at -1, 0 and 1.

    Args:
        inputs: Not used; definitions have no data.
        title: Caption.

    Returns:
        One row per function.
    """
    points = np.array(list(POINTS.values()))
    rows = [
        {"name": item.label, "formula": item.formula, "range": item.range}
        | dict(zip(POINTS, item.function(points).tolist(), strict=True))
        for item in ACTIVATIONS
    ]
    columns = (
        Column("name", "Function", kind="text"),
        Column("formula", "Definition", kind="math"),
        Column("range", "Range", kind="math"),
        *(Column(key, f"{point:.0f}", format=".3f", group="Value at u") for key, point in POINTS.items()),
    )
    return Table(pd.DataFrame(rows), columns, title, SOFTMAX_NOTE)
