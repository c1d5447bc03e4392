# SPDX-License-Identifier: MIT
"""Pixel types: values of one depth as another where that is exact, else refused by the file's name."""

import numpy as np
from numpy.typing import NDArray

from microtome.io.errors import ImageError

FULL = {"uint8": 255, "uint16": 65535}
"""White of the types that have one; floating-point images have 1."""
CONTAINERS = ("int32", "uint32", "int64", "uint64")
"""Types that no camera fills: their numbers are taken as they are."""
IMPORTED = {"float16": "float32", "int64": "int32", "uint64": "uint32"}
"""Types that are not written, and what holds their values."""
TOLERANCE = 0.01
"""Levels that a floating-point value may lie beside a whole one."""
BRIGHTER = 4
"""Times the largest value that a run has seen: beyond it an image is of another range."""
DARKER = 8
"""Times a run has seen larger values, from which on that is said; 12 bits in 16 are 16 times darker."""
OF_LEVELS = 100.0
"""Largest value that floating-point images trained on have at least where they hold levels, not shares."""
REMEDY = "convert the image as the others were, or save it with their bits"


def importable(array: NDArray, *, name: object) -> NDArray:
    """Give an image a type that can be written: float16 becomes float32, 64-bit integers those of 32 bits.

    Raises:
        ImageError: It has values that 32 bits do not hold; `name` is the file.

    Example:
        >>> importable(np.array([[1, 2]], np.int64), name="a.tif").dtype.name
        'int32'
    """
    wanted = IMPORTED.get(array.dtype.name)
    if wanted is None:
        return array
    converted = array.astype(wanted)
    if not np.array_equal(converted, array, equal_nan=array.dtype.kind == "f"):
        found = f"{array.dtype} values from {array.min()} to {array.max()}"
        raise ImageError(
            name, found, f"values that {wanted} holds", "save the image as 8 or 16 bits, or float32"
        )
    return converted


def as_dtype(
    array: NDArray, dtype: str, *, name: object, value_range: tuple[float, float] | None = None
) -> NDArray:
    """Convert an image to the depth of other ones, exactly.

    Plain are 8 and 16 bits (factor 257), floating-point numbers from 0 to 1 that are whole levels, whole
    numbers in a type of 32 or 64 bits, and float16 and float64 as float32.

    Args:
        array: Pixels of any shape.
        dtype: NumPy name of the type wanted.
        name: The file, for messages.
        value_range: Smallest and largest value that a run was trained on, where known: 8 or 16 bits become 0
            to 1 only where it says so, 8 bits 16 only where these were used; an image far brighter is
            refused, and one from 0 to 1 where floating-point levels were trained on.

    Returns:
        The pixels in the type wanted; the array itself where it has that type.

    Raises:
        ImageError: The values would change, or are of another range.

    Example:
        >>> as_dtype(np.array([[0, 257, 65535]], np.uint16), "uint8", name="a.tif").tolist()
        [[0, 1, 255]]
        >>> as_dtype(np.array([[0, 0.2, 1]]), "uint8", name="a.tif").tolist()
        [[0, 51, 255]]
    """
    converted = array if array.dtype.name == dtype else _converted(array, dtype, value_range)
    if converted is None:
        found = f"{array.dtype} values from {array.min():g} to {array.max():g}"
        raise ImageError(name, found, f"{dtype} values as in the other images", REMEDY)
    most = value_range[1] if value_range and dtype not in ("uint8", "int8") else None
    here = float(converted.max()) if most else 0.0
    if most and (here > BRIGHTER * most or (dtype == "float32" and 0 < here <= 1 and most >= OF_LEVELS)):
        found = f"values up to {here:g}"
        raise ImageError(name, found, f"up to about {most:g} as in the images trained on", REMEDY)
    return converted


def is_darker(array: NDArray, value_range: tuple[float, float] | None) -> bool:
    """Whether an image of more than 8 bits is so much darker than those trained on that it may have fewer.

    Example:
        >>> is_darker(np.array([[0, 4095]], np.uint16), (0, 65535))
        True
        >>> is_darker(np.array([[0, 9]], np.uint8), (0, 255))
        False
    """
    is_deep = array.dtype.name not in ("uint8", "int8")
    return value_range is not None and is_deep and 0 < float(array.max()) * DARKER < value_range[1]


def _converted(array: NDArray, dtype: str, value_range: tuple[float, float] | None) -> NDArray | None:
    """The values in another type; None where they would change."""
    here, white = array.dtype, FULL.get(dtype)
    if dtype == "float32":
        is_unit = value_range is not None and value_range[1] <= 1
        known = FULL.get(here.name) if is_unit else None
        return (
            array.astype(dtype) if here.kind == "f" else known and (array / np.float32(known)).astype(dtype)
        )
    if white is None:
        return _same_values(array, dtype) if here.name in CONTAINERS else None
    if here.name in FULL:
        factor = white / FULL[here.name]
        if factor > 1 and value_range and value_range[1] * BRIGHTER < white:
            return None  # of a camera of 12 bits, say, of which 65535 is no white
        whole = factor >= 1 or not (array % round(1 / factor)).any()
        return (array * factor).astype(dtype) if whole else None
    if here.name in CONTAINERS:
        return _same_values(array, dtype)
    return _levels(array, white, dtype) if here.kind == "f" else None


def _same_values(array: NDArray, dtype: str) -> NDArray | None:
    converted = array.astype(dtype)
    return converted if np.array_equal(converted, array) else None


def _levels(array: NDArray, white: int, dtype: str) -> NDArray | None:
    """Floating-point values, of which 1 is white or which are whole levels already, as levels."""
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > white:
        return None
    scaled = array.astype(np.float64) * (white if array.max() <= 1 else 1)
    levels = np.rint(scaled)
    error = max(TOLERANCE, white * float(np.finfo(array.dtype).eps))
    return levels.astype(dtype) if error < 0.5 and np.abs(scaled - levels).max() <= error else None
