# SPDX-License-Identifier: MIT
"""Worked examples of max pooling: on a matrix, and on an image again and again."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, needed
from microtome.figures.parts.cells import TINTS, Grid, draw_rows
from microtome.figures.parts.panels import read_image, show_image
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult

EXPLAINS = True
NEEDS_WHEN = {("example", "image"): {"images"}}
SAMPLE_OPTIONS = ("sample",)
FEATURE_MAP = ((12, 20, 30, 0), (8, 12, 2, 0), (34, 70, 37, 4), (112, 100, 25, 12))
SIZE = 2
TIMES = 3
TITLE_HEIGHT = 0.2
Example = Literal["matrix", "image"]


@styled
def draw(
    inputs: FigureInputs,
    *,
    example: Example = "matrix",
    feature_map: Sequence[Sequence[float]] = FEATURE_MAP,
    size: int = SIZE,
    times: int = TIMES,
    sample: str = "",
) -> FigureResult:
    """Draw max pooling of a matrix, or down-sampling of an image by repeated max pooling.

    Args:
        inputs: Files of the samples, for ``image``.
        example: ``matrix`` (figure 19 of the thesis) or ``image`` (figure 20).
        feature_map: The matrix.
        size: Side of the pooling window, which is also its stride.
        times: How often the image is pooled.
        sample: The sample; by default the first test sample that has what is shown.

    Returns:
        The figure. Its data: for ``matrix`` the outputs (row, column, value), for ``image`` the sizes and
        mean grey values.

    Raises:
        ValueError: The example is unknown, the sample is missing, or the window is larger than the input.
    """
    if example == "matrix":
        return _matrix(np.array(feature_map, float), size)
    if example == "image":
        return _image(inputs, size, times, sample)
    msg = f"example is {example!r}, expected 'matrix' or 'image'"
    raise ValueError(msg)


def max_pool(values: NDArray, size: int) -> NDArray:
    """Take the maximum of blocks of (H, W, ...) that do not overlap; a remainder at the edges is left out.

    Raises:
        ValueError: No block fits.

    Example:
        >>> max_pool(np.arange(16).reshape(4, 4), 2).tolist()
        [[5, 7], [13, 15]]
    """
    rows, columns = values.shape[0] // size, values.shape[1] // size
    if not rows or not columns:
        msg = f"no block of {size}×{size} fits into {values.shape[:2]}; take a smaller window"
        raise ValueError(msg)
    blocks = values[: rows * size, : columns * size].reshape(rows, size, columns, size, *values.shape[2:])
    return blocks.max(axis=(1, 3))


def _matrix(values: NDArray, size: int) -> FigureResult:
    pooled = max_pool(values, size)

    def tint(row: int, column: int) -> str:
        return TINTS[(row * pooled.shape[1] + column) % len(TINTS)]

    grids = [
        Grid(values, "feature map", lambda row, column: tint(row // size, column // size)),
        Grid(pooled, f"{size}×{size} maximum", tint, lead="→"),
    ]
    rows = [(row, column, pooled[row, column]) for row, column in np.ndindex(pooled.shape)]
    caption = (
        f"Max pooling with {size}×{size} windows and stride {size}: each output is the largest value of its "
        f"window."
    )
    return FigureResult(draw_rows([grids]), pd.DataFrame(rows, columns=["row", "column", "value"]), caption)


def _image(inputs: FigureInputs, size: int, times: int, sample: str) -> FigureResult:
    name, sources = inputs.sample(sample, needs=("image",))
    levels = [read_image(needed(sources, "image", name))]
    for _ in range(times):
        levels.append(max_pool(levels[-1], size))
    height, width = levels[0].shape[:2]
    panel = DOUBLE_COLUMN / len(levels)
    figure = new_figure(DOUBLE_COLUMN, panel * height / width + TITLE_HEIGHT, data_kind=inputs.data_kind)
    rows = []
    for index, (axes, level) in enumerate(zip(figure.subplots(1, len(levels)), levels, strict=True)):
        show_image(axes, level)
        letter(axes, chr(ord("a") + index), f"{level.shape[0]}×{level.shape[1]}")
        rows.append((name, index, *level.shape[:2], float(level.mean())))
    data = pd.DataFrame(rows, columns=["sample", "poolings", "height", "width", "mean_grey"])
    caption = (
        f"Down-sampling of sample {name} by repeated {size}×{size} max pooling, shown at equal size. Bright "
        f"pixels win, so thin dark membranes fade and the mean grey value rises from {rows[0][-1]:.2f} to "
        f"{rows[-1][-1]:.2f}."
    )
    return FigureResult(figure, data, caption)
