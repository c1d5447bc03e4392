# SPDX-License-Identifier: MIT
"""The patch index: windows of an image as rows, not copies of its pixels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microtome.class_maps import IGNORE, class_fractions

PLACES = ("sample", "y", "x", "size", "level")
FRACTION = "fraction_"
"""Before the name of a class or region: the column with its share of the window."""


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


def shares(
    classes: NDArray[np.uint8], regions: NDArray[np.uint8] | None, count: int, bits: int
) -> NDArray[np.float64]:
    """The shares of classes and of regions in a window.

    Args:
        classes: (h, w) class indices.
        regions: (h, w) a bit for each region; None: there are none.
        count: Classes.
        bits: Regions.

    Returns:
        (count + bits,) float64, of all pixels.

    Example:
        >>> shares(np.array([[0, 1]], np.uint8), np.array([[1, 3]], np.uint8), 2, 2).tolist()
        [0.5, 0.5, 1.0, 0.5]
    """
    of_classes = class_fractions(classes, count)
    if regions is None or not bits:
        return of_classes
    values = np.bincount(regions.ravel(), minlength=1 << bits)
    holds = np.arange(values.size)[:, None] >> np.arange(bits) & 1
    return np.concatenate([of_classes, values @ holds / regions.size])


def labelled_share(target: np.ndarray) -> float:
    """The share of pixels of a window that have a label.

    Example:
        >>> labelled_share(np.array([[0, 1, 1, IGNORE]], np.uint8))
        0.75
    """
    return float(np.mean(target != IGNORE))


def index_patches(
    sample: str,
    target: np.ndarray,
    classes: Sequence[str],
    *,
    size: int,
    stride: int,
    regions: Sequence[str] = (),
    bits: np.ndarray | None = None,
    labelled: float = 0.0,
) -> pd.DataFrame:
    """The windows of one image.

    Args:
        sample: The image's name.
        target: (H, W) class indices.
        classes: Class names in order.
        size: Side of a window in pixels.
        stride: Pixels between windows.
        regions: Names of regions, in the order of their bits.
        bits: (H, W) the regions; None: the image has none.
        labelled: Least labelled share of a window; windows with less are left out.

    Returns:
        A row for each window, with the columns sample, y, x, size, level, `fraction_<class>` and
        `fraction_<region>` of the window's pixels inside the image.
    """
    height, width = target.shape
    held = np.zeros(target.shape, np.uint8) if bits is None and regions else bits
    rows = []
    for y in origins(height, size, stride):
        for x in origins(width, size, stride):
            window = slice(y, y + size), slice(x, x + size)
            part = None if held is None else held[window]
            if labelled_share(target[window]) >= labelled:
                fractions = shares(target[window], part, len(classes), len(regions))
                rows.append((sample, y, x, size, 0, *fractions.tolist()))
    return pd.DataFrame(rows, columns=columns_of(classes, regions))


def columns_of(classes: Sequence[str], regions: Sequence[str] = ()) -> list[str]:
    """The columns of a patch index.

    Example:
        >>> columns_of(["normal"], ["T"])
        ['sample', 'y', 'x', 'size', 'level', 'fraction_normal', 'fraction_T']
    """
    return [*PLACES, *(f"{FRACTION}{name}" for name in (*classes, *regions))]
