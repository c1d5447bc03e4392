# SPDX-License-Identifier: MIT
"""NumPy files (`.npy`) of many images of one size; nothing in them is executed."""

import warnings
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from microtome.io.errors import ImageError

KINDS = {"b": "truth values", "u": "whole numbers", "i": "whole numbers", "f": "numbers", "U": "text"}
DAMAGE = (ValueError, OSError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError, TokenError)
"""What NumPy raises of damaged headers."""
MAGIC = b"\x93NUMPY"
AGAIN = "copy it again, or save it with numpy.save(…, allow_pickle=False)"


def open_stack(path: Path, *, dimensions: int) -> NDArray:
    """Open the array of a file without reading it.

    Args:
        path: File in NumPy's format.
        dimensions: Axes that it must have.

    Returns:
        The array, mapped from the file; numbers, truth values or text.

    Raises:
        ImageError: The file is missing, damaged, of another format or shape, or holds Python objects.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.npy"
        >>> np.save(file, np.zeros((2, 4, 4, 3)))
        >>> open_stack(file, dimensions=4).shape
        (2, 4, 4, 3)
    """
    expected = f"a NumPy array of {dimensions} axes"
    if not path.is_file():
        raise ImageError(path, "nothing", expected, "correct the path")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ImageError(path, "another format", expected, AGAIN)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of headers that Python 2 wrote
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGE as error:
        raise ImageError(path, f"what cannot be read ({error})", expected, AGAIN) from error
    if array.dtype.kind not in KINDS or array.ndim != dimensions or not array.size:
        found = f"an array of {array.dtype} and shape {array.shape}"
        raise ImageError(path, found, expected, "is it the right file?")
    return array


def whole(path: Path, values: NDArray, *, most: int) -> NDArray[np.int64]:
    """Values of a file as whole numbers from 0 on.

    Args:
        path: The file, for messages.
        values: Numbers of any type.
        most: The largest that may stand there.

    Raises:
        ImageError: A value has a fraction, is not finite, negative, or too large.

    Example:
        >>> whole(Path("a.npy"), np.array([0.0, 3.0]), most=255).tolist()
        [0, 3]
    """
    with np.errstate(invalid="ignore"):
        is_good = (values >= 0) & (values <= most) & (values == np.rint(values))
    if not is_good.all():
        found = f"{np.count_nonzero(~is_good)} values such as {values[~is_good][0]}"
        raise ImageError(path, found, f"whole numbers from 0 to {most}", "is it the right file?")
    return values.astype(np.int64)
