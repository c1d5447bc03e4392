# SPDX-License-Identifier: MIT
"""Worked examples of convolution: one output at a time, strides, zero padding. Computed, not typed in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.cells import PADDING_FILL, TINTS, Grid, draw_rows
from microtome.figures.parts.colors import BLUE
from microtome.figures.parts.style import styled
from microtome.figures.result import FigureResult

EXPLAINS = True
IMAGE = ((0, 1, 7, 5), (5, 5, 6, 6), (5, 3, 3, 0), (1, 1, 1, 2))
KERNELS = {
    "convolution": ((1, 0, 1), (1, 2, 0), (3, 0, 1)),
    "stride": ((1, 0), (1, 2)),
    "padding": ((1, 0, 0), (1, 2, 1), (1, 2, 3)),
}
"""The thesis' own matrices (figures 15, 16 and 17)."""
TIMES, EQUALS = "∗", "="
Example = Literal["convolution", "stride", "padding"]


@dataclass(frozen=True)
class Case:
    """One convolution of the figure: its stride, its padding, and how many outputs are filled in."""

    title: str
    stride: int = 1
    padding: int = 0
    filled: int | None = None


CASES = {
    "convolution": tuple(Case(f"output {count}", filled=count) for count in range(1, 5)),
    "stride": (Case("stride 1"), Case("stride 2", stride=2)),
    "padding": (Case("no padding"), Case("zero padding of 1", padding=1)),
}
CAPTIONS = {
    "convolution": (
        "Convolution, one output at a time: the kernel is laid on the framed part of the input, the products "
        "are summed, and the kernel moves on."
    ),
    "stride": "Convolution with stride 1 and with stride 2: with stride 2 every other position is left out.",
    "padding": "Convolution without padding and with zero padding, which keeps the size of the input.",
}


@styled
def draw(
    inputs: FigureInputs,
    *,
    example: Example = "convolution",
    image: Sequence[Sequence[float]] = IMAGE,
    kernel: Sequence[Sequence[float]] | None = None,
) -> FigureResult:
    """Draw a worked example of convolution.

    Args:
        inputs: Not used; the example brings its own numbers.
        example: ``convolution`` (figure 15 of the thesis), ``stride`` (16) or ``padding`` (17).
        image: Input matrix; the thesis' by default.
        kernel: Kernel; that of the example by default.

    Returns:
        The figure. Its data: case, stride, padding, row, column, value of each output.

    Raises:
        ValueError: The example is unknown, or the kernel does not fit into the image.
    """
    if example not in CASES:
        msg = f"example is {example!r}, expected one of {list(CASES)}"
        raise ValueError(msg)
    pixels, weights = np.array(image, float), np.array(kernel or KERNELS[example], float)
    rows = [_row(pixels, weights, case) for case in CASES[example]]
    if example == "convolution":
        rows = [rows[0], *([replace(grid, title="") for grid in row] for row in rows[1:])]
        titles = [""] * len(rows)
    else:
        titles = [case.title for case in CASES[example]]
    data = pd.concat([_data(pixels, weights, case) for case in CASES[example]], ignore_index=True)
    note = " As in convolutional networks the kernel is not flipped (cross-correlation)."
    return FigureResult(draw_rows(rows, row_titles=titles), data, CAPTIONS[example] + note)


def correlate(image: NDArray, kernel: NDArray, *, stride: int = 1, padding: int = 0) -> NDArray:
    """Convolve as convolutional networks do: the kernel (h, w) is not flipped.

    Of an image (H, W) padded by zeros, ((H + 2 padding - h) // stride + 1, …).

    Raises:
        ValueError: The kernel is larger than the padded image.

    Example:
        >>> correlate(np.eye(3), np.ones((2, 2))).tolist()
        [[2.0, 1.0], [1.0, 2.0]]
    """
    padded = np.pad(image, padding)
    if any(small > large for small, large in zip(kernel.shape, padded.shape, strict=True)):
        msg = f"a kernel of {kernel.shape} does not fit into an image of {padded.shape} (padding included)"
        raise ValueError(msg)
    windows = sliding_window_view(padded, kernel.shape)[::stride, ::stride]
    return np.einsum("ijkl,kl->ij", windows, kernel)


def _row(image: NDArray, kernel: NDArray, case: Case) -> list[Grid]:
    output = correlate(image, kernel, stride=case.stride, padding=case.padding)
    count = output.size if case.filled is None else min(case.filled, output.size)
    row, column = divmod(count - 1, output.shape[1])
    shown = np.where(np.arange(output.size).reshape(output.shape) < count, output, np.nan)
    top, left = row * case.stride, column * case.stride
    height, width = kernel.shape
    padded = np.pad(image, case.padding)

    def input_fill(y: int, x: int) -> str:
        if top <= y < top + height and left <= x < left + width:
            return TINTS[0]
        inside = all(
            case.padding <= index < size - case.padding
            for index, size in zip((y, x), padded.shape, strict=True)
        )
        return "white" if inside else PADDING_FILL

    framed = Grid(padded, "input", input_fill, ((top, left, height, width, BLUE),))
    kernel_grid = Grid(kernel, "kernel", lambda y, x: TINTS[1], lead=TIMES)
    output_grid = Grid(
        shown, "feature map", lambda y, x: TINTS[0] if (y, x) == (row, column) else "white", lead=EQUALS
    )
    return [framed, kernel_grid, output_grid]


def _data(image: NDArray, kernel: NDArray, case: Case) -> pd.DataFrame:
    output = correlate(image, kernel, stride=case.stride, padding=case.padding)
    count = output.size if case.filled is None else case.filled
    rows = [
        (case.title, case.stride, case.padding, *map(int, position), float(output[position]))
        for position in list(np.ndindex(output.shape))[:count]
    ]
    return pd.DataFrame(rows, columns=["case", "stride", "padding", "row", "column", "value"])
