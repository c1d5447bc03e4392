# SPDX-License-Identifier: MIT
"""Worked example of ReLU on a feature map. Computed, not typed in."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.cells import TINTS, Grid, draw_rows
from microtome.figures.parts.style import styled
from microtome.figures.result import FigureResult

EXPLAINS = True
FEATURE_MAP = ((15, -10, 25, 100), (18, -110, 25, 100), (20, -15, 25, -10), (101, 75, 18, 23))


@styled
def draw(inputs: FigureInputs, *, feature_map: Sequence[Sequence[float]] = FEATURE_MAP) -> FigureResult:
    """Draw a feature map before and after ReLU.

    Args:
        inputs: Not used; the example brings its own numbers.
        feature_map: The matrix.

    Returns:
        The figure. Its data: row, column, before, after.
    """
    before = np.array(feature_map, float)
    after = np.maximum(before, 0)

    def fill(row: int, column: int) -> str:
        return TINTS[1] if before[row, column] < 0 else "white"

    grids = [Grid(before, "feature map", fill), Grid(after, "max(u, 0)", fill, lead="→")]
    rows = [(*place, before[place], after[place]) for place in np.ndindex(before.shape)]
    data = pd.DataFrame(rows, columns=["row", "column", "before", "after"])
    changed = int((before < 0).sum())
    caption = f"The rectified linear unit sets negative values to zero ({changed} of {before.size}, shaded)."
    return FigureResult(draw_rows([grids]), data, caption)
