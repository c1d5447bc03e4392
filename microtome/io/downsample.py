# SPDX-License-Identifier: MIT
"""Images and labels with fewer pixels: means over squares, or the pixel in the middle of each.

A square has `factor` pixels a side; the squares begin at the upper left corner, and rows and columns that
fill none at the far ends are left out, so that an image of (H, W) becomes one of (H // factor, W // factor).
Everything is read and written by bands: memory is that of a few rows of squares. (scikit-image's
`downscale_local_mean` holds the image, sums as float64, and fills the last squares with zeros.)
"""

from collections.abc import Iterator
from math import lcm
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.io import images
from microtome.io.errors import ImageError
from microtome.io.raster import Raster
from microtome.io.tiff_stream import STREAMABLE, PyramidWriter

BAND_BYTES = 2**22
"""Of the image, read at once; a band has at least one row of squares, and one row of the file's own tiles."""
Part = tuple[int, int, NDArray]
"""Row and column of the upper left corner, and pixels (C, rows, columns)."""


def reduced_size(height: int, width: int, factor: int, *, name: object) -> tuple[int, int]:
    """Rows and columns of an image of means.

    Raises:
        ImageError: The image, which `name` names, is smaller than a square.

    Example:
        >>> reduced_size(10, 9, 4, name="a.png")
        (2, 2)
    """
    if min(height, width) < factor:
        found = f"{height} x {width} pixels"
        expected = f"at least {factor} x {factor}, as {factor} x {factor} pixels become one"
        raise ImageError(name, found, expected, "leave it out, or keep its pixels (data.downsample: 1)")
    return height // factor, width // factor


def bands(source: Raster, factor: int) -> Iterator[Part]:
    """Cut a raster into bands of whole squares; of one that lies column by column, bands of columns."""
    channels, height, width = source.shape
    height, width = height // factor * factor, width // factor * factor
    by_columns = getattr(source, "by_columns", False)
    length, across = (width, height) if by_columns else (height, width)
    step = lcm(factor, getattr(source, "segment_rows", 1))
    step *= max(BAND_BYTES // (step * across * channels * source.dtype.itemsize), 1)
    for start in range(0, length, step):
        count = min(step, length - start)
        if by_columns:
            yield 0, start, source.read(0, start, height, count)
        else:
            yield start, 0, source.read(start, 0, count, width)


def mean_of_squares(array: NDArray, factor: int) -> NDArray:
    """Average an image over squares.

    Args:
        array: (C, H, W), of whole squares.
        factor: Side of a square, pixels.

    Returns:
        (C, H / factor, W / factor) of the same type; means of whole numbers are rounded, halves up.

    Example:
        >>> mean_of_squares(np.array([[[1, 2, 0, 0], [2, 1, 0, 1]]], np.uint8), 2).tolist()
        [[[2, 0]]]
    """
    work, count = _sums(array.dtype, factor), factor**2
    rows = array[:, ::factor].astype(work)
    for row in range(1, factor):
        rows += array[:, row::factor]
    total = rows[:, :, ::factor].copy()
    for column in range(1, factor):
        total += rows[:, :, column::factor]
    if array.dtype.kind in "iu":
        total += work.type(count // 2)
        total //= work.type(count)
    else:
        total /= count
    return total.astype(array.dtype)


def _sums(dtype: np.dtype, factor: int) -> np.dtype:
    """The smallest type that holds the sums of squares, and half a square more, exactly."""
    if dtype.kind == "f":
        return np.dtype(np.float64)
    kinds = (np.uint16, np.uint32, np.uint64) if dtype.kind == "u" else (np.int32, np.int64)
    most = np.iinfo(dtype).max * factor**2 + factor**2 // 2
    return next((np.dtype(kind) for kind in kinds if most <= np.iinfo(kind).max), np.dtype(kinds[-1]))


def middle_of_squares(array: NDArray, factor: int) -> NDArray:
    """The pixel in the middle of each whole square, row and column `factor // 2` of it.

    Args:
        array: (..., H, W).
        factor: Side of a square, pixels.

    Returns:
        A view (..., H // factor, W // factor).

    Example:
        >>> middle_of_squares(np.arange(20).reshape(4, 5), 2).tolist()
        [[6, 8], [16, 18]]
    """
    rows, columns = (slice(factor // 2, length // factor * factor, factor) for length in array.shape[-2:])
    return array[..., rows, columns]


def write_reduced(path: Path, source: Raster, factor: int, *, name: object, mpp: float | None = None) -> None:
    """Write the means of an image as OME-TIFF.

    Args:
        path: Target, written whole or not at all.
        source: The image.
        factor: Side of a square, pixels.
        name: The image's file, for messages.
        mpp: Pixel size of the image, µm; that of the means is `factor` times as large.

    Raises:
        ImageError: The image is smaller than a square, cannot be read, or holds values that are no numbers.
    """
    size = reduced_size(*source.shape[1:], factor, name=name)
    shape, seen = (source.shape[0], *size), None if mpp is None else mpp * factor
    parts = (
        (y // factor, x // factor, mean_of_squares(finite(part, name, (y, x)), factor))
        for y, x, part in bands(source, factor)
    )
    if source.dtype.name not in STREAMABLE:
        whole = np.empty(shape, source.dtype)
        for y, x, part in parts:
            whole[:, y : y + part.shape[1], x : x + part.shape[2]] = part
        images.write(path, whole, mpp=seen)
        return
    with PyramidWriter(path, shape, source.dtype, mpp=seen) as writer:
        for y, x, part in parts:
            writer.write(y, part, x)


def read_reduced(source: Raster, factor: int, *, name: object) -> NDArray:
    """Read the pixel in the middle of each square of a label, (C, H // factor, W // factor).

    Raises:
        ImageError: The label is smaller than a square, or cannot be read.
    """
    size = reduced_size(*source.shape[1:], factor, name=name)
    whole = np.empty((source.shape[0], *size), source.dtype)
    for y, x, part in bands(source, factor):
        middle = middle_of_squares(part, factor)
        top, left = y // factor, x // factor
        whole[:, top : top + middle.shape[1], left : left + middle.shape[2]] = middle
    return whole


def finite(array: NDArray, name: object, corner: tuple[int, int] = (0, 0)) -> NDArray:
    """Return an image (C, H, W), or a part of one at a corner, if all its values are numbers.

    Raises:
        ImageError: Some are not.

    Example:
        >>> finite(np.ones((1, 2, 2)), "a.tif").shape
        (1, 2, 2)
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        _, row, column = bad[0].tolist()
        place = f"row {row + corner[0]}, column {column + corner[1]}"
        found = f"{len(bad)} values that are no finite numbers, the first in {place}"
        raise ImageError(name, found, "numbers", "fill or cut off these pixels, or leave the image out")
    return array
