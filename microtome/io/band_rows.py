# SPDX-License-Identifier: MIT
"""Some rows of a band at a time, read into memory that is used again.

Fresh memory costs a page fault for each 4 KiB, which on some machines takes longer than reading the values.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from microtome.io.errors import CubeError


class Scratch:
    """Arrays of one thread by name, each in the memory of the last one of its name.

    Example:
        >>> scratch = Scratch()
        >>> one, two = (scratch.array("raw", (2, 3), np.uint16) for _ in range(2))
        >>> one.shape, np.shares_memory(one, two)
        ((2, 3), True)
    """

    def __init__(self) -> None:
        self._memory: dict[str, NDArray[np.uint8]] = {}
        self._arrays: dict[tuple[object, ...], NDArray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
        """An array whose values are yet to be written; the last one of this name is used up."""
        key = (name, shape, dtype)
        if key not in self._arrays:
            size = math.prod(shape) * np.dtype(dtype).itemsize
            if name not in self._memory or self._memory[name].size < size:
                self._memory[name] = np.empty(size, np.uint8)
                self._arrays = {known: array for known, array in self._arrays.items() if known[0] != name}
            self._arrays[key] = self._memory[name][:size].view(dtype).reshape(shape)
        return self._arrays[key]


class Rows(Protocol):
    """The rows of a band, (H, W); to be used in a `with` statement."""

    shape: tuple[int, int]
    dtype: np.dtype  # in native byte order

    def read(self, top: int, count: int, scratch: Scratch, name: str) -> NDArray:
        """Rows (count, W) from `top` on, maybe in the memory of that name; not to be written to."""
        ...

    def whole(self) -> NDArray:
        """The band, (H, W)."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """The rows of an array (H, W).

    Example:
        >>> with ArrayRows(np.arange(6).reshape(3, 2)) as rows:
        ...     rows.read(1, 2, Scratch(), "raw").tolist()
        [[2, 3], [4, 5]]
    """

    array: NDArray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self.array.dtype

    def read(self, top: int, count: int, scratch: Scratch, name: str) -> NDArray:
        """See `Rows.read`; a view."""
        return self.array[top : top + count]

    def whole(self) -> NDArray:
        """The array."""
        return self.array

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class FileRows:
    """The rows of a band that lies in a file row after row.

    Args:
        path: The file.
        shape: Rows, columns.
        stored: Type of the values in the file, with its byte order.
        offset: Byte at which the band begins.

    Raises:
        OSError: The file cannot be opened.
        CubeError: Of reading: it ends before the band does.
    """

    def __init__(self, path: Path, shape: tuple[int, int], stored: np.dtype, offset: int) -> None:
        self.shape, self.dtype = shape, stored.newbyteorder("=")
        self._path, self._stored, self._offset = path, stored, offset
        self._file = os.open(path, os.O_RDONLY)

    def read(self, top: int, count: int, scratch: Scratch, name: str) -> NDArray:
        """See `Rows.read`."""
        return self._filled(scratch.array(name, (count, self.shape[1]), self._stored), top)

    def whole(self) -> NDArray:
        """See `Rows.whole`."""
        return self._filled(np.empty(self.shape, self._stored), 0)

    def _filled(self, out: NDArray, top: int) -> NDArray:
        """Read values into an array of the stored type, and turn them into native byte order there."""
        left = memoryview(out.view(np.uint8).reshape(-1))
        place = self._offset + top * self.shape[1] * self._stored.itemsize
        while left:
            count = os.preadv(self._file, [left], place)
            if count == 0:
                size, remedy = (
                    self._path.stat().st_size,
                    "do not write to a cube that is being read; copy it again",
                )
                raise CubeError(self._path, f"{size} bytes", "more", remedy)
            left, place = left[count:], place + count
        if not self._stored.isnative:
            out.byteswap(inplace=True)
        return out.view(self.dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
