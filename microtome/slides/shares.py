# SPDX-License-Identifier: MIT
"""How much tissue the windows of a slide hold, by a mask of any pixel size."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microtome.io.raster import Raster

Span = tuple[float, float]
"""From one pixel edge to another, the second not among them."""


def tissue_shares(mask: Raster, rows: Span, columns: Sequence[Span], step: Span) -> NDArray[np.float64]:
    """The share of tissue in windows of the same rows, by area; only these rows of the mask are read.

    Args:
        mask: 0 and 1, over the same extent as the image; what lies beyond it is no tissue.
        rows: First row of the windows, and the row behind the last, pixels of the image.
        columns: Likewise of each window.
        step: Pixels of the mask in a pixel of the image (y, x).

    Returns:
        (windows,) float64, 0 to 1.

    Example:
        >>> from microtome.io.raster import ArraySource
        >>> mask = ArraySource(np.array([[0, 1], [0, 0]], np.uint8))
        >>> tissue_shares(mask, (0, 4), [(0, 4), (2, 4), (3, 4)], (0.5, 0.5)).tolist()
        [0.25, 0.5, 0.5]
    """
    _, height, width = mask.shape
    first, last = (edge * step[0] for edge in rows)
    top, bottom = min(int(first), height - 1), max(min(int(np.ceil(last)), height), 1)
    lines = mask.read(top, 0, max(bottom - top, 1), width)[0]
    edges = np.clip(np.arange(top, top + len(lines) + 1), first, last)
    across = np.concatenate([[0.0], np.cumsum(np.diff(edges) @ lines.astype(np.float64))])
    spans = np.array(columns, np.float64).reshape(-1, 2) * step[1]
    left, right = np.interp(spans, np.arange(width + 1), across).T
    return (right - left) / ((last - first) * (spans[:, 1] - spans[:, 0]))
