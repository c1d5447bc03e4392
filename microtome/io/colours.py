# SPDX-License-Identifier: MIT
"""Colours of masks whose classes are drawn in colours. Used through :mod:`microtome.io.images`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.io.errors import ImageError
from microtome.io.raster import HIGH_DIMENSIONS

RGB, RGBA = 3, 4
DEEP_FACTOR = 257
"""A 16-bit value that is one of 8 bits: 257 times as large."""


def as_rgb(path: Path, array: NDArray, table: NDArray | None = None) -> NDArray[np.uint8]:
    """Pixels as stored to their colours, (H, W, 3) uint8, exactly.

    Args:
        path: The file, for messages.
        array: (H, W, 3), (H, W, 4) with alpha last, or the (H, W) places in a colour table.
        table: The colour table of a TIFF, (3, N) uint16.

    Raises:
        ImageError: Not colours, transparent pixels, or values that 8 bits do not hold.

    Example:
        >>> as_rgb(Path("a.png"), np.full((1, 1, 4), 255, np.uint8)).tolist()
        [[[255, 255, 255]]]
    """
    if table is not None:
        return np.moveaxis((table >> 8).astype(np.uint8)[:, array], 0, -1)
    channels = array.shape[-1] if array.ndim == HIGH_DIMENSIONS else 1
    if channels not in (RGB, RGBA):
        found = f"{channels} channel{'s' * (channels > 1)}"
        remedy = "save the mask as RGB, or delete data.colors if its values are the classes"
        raise ImageError(path, found, "colours, as data.colors is given", remedy)
    array = _eight_bits(path, array)
    seen = np.count_nonzero(array[..., RGB:] != np.iinfo(np.uint8).max)
    if seen:
        found = f"{seen} pixels that are not opaque"
        raise ImageError(path, found, "opaque colours", "flatten the mask and save it without alpha")
    return array[..., :RGB]


def _eight_bits(path: Path, array: NDArray) -> NDArray[np.uint8]:
    if array.dtype == np.uint16 and not (array % DEEP_FACTOR).any():
        return (array // DEEP_FACTOR).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ImageError(path, f"colours of type {array.dtype}", "8 bits a channel", "save the mask so")
    return array
