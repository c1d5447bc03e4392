# SPDX-License-Identifier: MIT
"""The patch index: windows of an image as rows, not copies of its pixels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from microtome.class_maps import class_fractions


def origins(length: int, size: int, stride: int) -> list[int]:
    """Starts of windows that cover a length; the last window is moved inward, a short length gets one window.

    Example:
        >>> origins(10, 4, 4)
        [0, 4, 6]
    """
    if length <= size:
        return [0]
    starts = list(range(0, length - size, stride))
    return [*starts, length - size]


def index_patches(
    sample: str, target: np.ndarray, classes: Sequence[str], *, size: int, stride: int
) -> pd.DataFrame:
    """The windows of one image.

    Args:
        sample: The image's name.
        target: (H, W) class indices.
        classes: Class names in order.
        size: Side of a window in pixels.
        stride: Pixels between windows.

    Returns:
        Columns sample, y, x, size, level, and `fraction_<class>` of the window's pixels inside the image.
    """
    height, width = target.shape
    rows = []
    for y in origins(height, size, stride):
        for x in origins(width, size, stride):
            shares = class_fractions(target[y : y + size, x : x + size], len(classes))
            fractions = {f"fraction_{name}": share for name, share in zip(classes, shares, strict=True)}
            rows.append({"sample": sample, "y": y, "x": x, "size": size, "level": 0} | fractions)
    return pd.DataFrame(rows)
