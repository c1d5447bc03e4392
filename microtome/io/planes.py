# SPDX-License-Identifier: MIT
"""One plane of values as NRRD and MATLAB files store it: where it lies, and a raster of it.

Sizes are compared with what the file can hold before anything is allocated; windows are read by bands, so
that a plane never lies in memory as a whole unless it is asked for.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microtome.io.errors import VolumeError
from microtome.io.inflate import GZIP, LARGEST_RATIO, Inflated
from microtome.io.raster import EVERY, check_window

MOST_PIXELS = 10**11
"""A hundred slides of 100,000 x 100,000 pixels would not have as many."""
TWO = 2


@dataclass(frozen=True)
class StoredPlane:
    """Where the values of a plane lie.

    Attributes:
        path: The file that holds them.
        height: Rows.
        width: Columns.
        dtype: NumPy's text of their type, with its byte order, such as ``<u2``.
        offset: Byte of the file where they begin, or where what is compressed does.
        bits: 0 as they are, or `inflate.GZIP` or `inflate.ZLIB`.
        skip: Bytes of what is unpacked that lie before them.
        by_columns: Column after column, as MATLAB has it.
    """

    path: Path
    height: int
    width: int
    dtype: str
    offset: int
    bits: int = 0
    skip: int = 0
    by_columns: bool = False

    @property
    def size(self) -> int:
        """Bytes of the values."""
        return self.height * self.width * np.dtype(self.dtype).itemsize


def kept_axes(sizes: Sequence[int]) -> tuple[int, int] | None:
    """The two axes of a plane among those of a volume; None if it is several planes, or a line.

    Example:
        >>> kept_axes((400, 300, 1)), kept_axes((1, 400, 300)), kept_axes((400, 300, 2)), kept_axes((7,))
        ((0, 1), (1, 2), None, None)
    """
    axes = list(range(len(sizes)))
    while len(axes) > TWO:
        single = [axis for axis in axes if sizes[axis] == 1]
        if not single:
            return None
        axes.remove(single[-1])
    return (axes[0], axes[1]) if len(axes) == TWO else None


def several_planes(path: Path, sizes: Sequence[int]) -> VolumeError:
    """The error for a volume that is no plane."""
    found = f"a volume of {' x '.join(map(str, sizes))} values"
    return VolumeError(path, found, "one plane", "export the plane that belongs to the image, alone")


def checked(plane: StoredPlane, *, name: Path) -> StoredPlane:
    """Return a plane that its file can hold; `name` is the file that announces it.

    Raises:
        VolumeError: It is empty, has too many pixels, or reaches beyond what its file can hold.
    """
    pixels, room = plane.height * plane.width, plane.path.stat().st_size - plane.offset
    most = (LARGEST_RATIO if plane.bits else 1) * max(room, 0)
    announced = f"a header that announces {plane.height} x {plane.width} pixels"
    if not 0 < pixels <= MOST_PIXELS:
        raise VolumeError(name, announced, f"1 to {MOST_PIXELS:,} of them", "is it the right file?")
    if plane.skip + plane.size > most:
        found = f"{announced} ({plane.size} bytes), and {max(room, 0)} bytes"
        raise VolumeError(name, found, "all of its values", "copy the file again")
    return plane


class PlaneSource:
    """A plane as a raster of one channel; it can be pickled, forked, and shared by threads.

    Args:
        plane: Where its values lie.

    Raises:
        VolumeError: Of `read`: values are missing, or damaged.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.raw"
        >>> np.arange(6, dtype=">u2").tofile(file)
        >>> PlaneSource(StoredPlane(file, 2, 3, ">u2", 0)).read(1, 0, 1, 2).tolist()
        [[[3, 4]]]
    """

    def __init__(self, plane: StoredPlane) -> None:
        self.plane, self._lock = plane, threading.Lock()
        self._inflated = Inflated(plane.path, plane.offset, plane.bits) if plane.bits else None

    def __reduce__(self) -> tuple[Any, tuple[StoredPlane]]:
        """Pickle by place: the copy reads from the beginning."""
        return PlaneSource, (self.plane,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """One channel, rows, columns."""
        return 1, self.plane.height, self.plane.width

    @property
    def dtype(self) -> np.dtype:
        """Type of the values, in native byte order."""
        return np.dtype(self.plane.dtype).newbyteorder("=")

    @property
    def by_columns(self) -> bool:
        """Whether windows of whole columns are read fast, not those of whole rows."""
        return self.plane.by_columns

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray:
        """Return the window ``(1, height, width)`` at ``(y, x)``."""
        check_window(self.shape, y, x, height, width)
        if self.plane.by_columns:
            window = self._lines(x, width)[:, y : y + height].T
        else:
            window = self._lines(y, height)[:, x : x + width]
        return np.array(window[None], self.dtype, order="C")[channels]

    def _lines(self, first: int, count: int) -> NDArray:
        """Some of the stored lines, each a row, or a column, of the plane."""
        plane = self.plane
        length, lines = (plane.height, plane.width)[:: 1 if plane.by_columns else -1]
        step = length * np.dtype(plane.dtype).itemsize
        place, size = first * step, count * step
        if self._inflated is None:
            values = np.fromfile(plane.path, plane.dtype, count * length, offset=plane.offset + place)
            if values.size < count * length:
                found = f"values up to line {first + values.size // length} of {lines}"
                raise VolumeError(plane.path, found, "all of them", "copy the file again")
            return values.reshape(count, length)
        with self._lock:
            content = self._inflated.read(plane.skip + place, size)
            if first + count == lines and plane.bits == GZIP and not self._inflated.is_over():
                found = f"more values than {plane.height} x {plane.width}"
                raise VolumeError(plane.path, found, "as many as its header says", "export it again")
        return np.frombuffer(content, plane.dtype).reshape(count, length)
