# SPDX-License-Identifier: MIT
"""A label or an image in a MATLAB file of version 5 to 7: which variable it is, and where its values lie.

SciPy gives the sizes of variables, not those inside a structure, and none before it allocates; Seg3D writes
the structure `scirunnrrd`, whose `data` is the volume. So the elements are walked here (MathWorks, MAT-File
Format, level 5), by their tags alone; only numbers are ever read. Values keep the type in which they are
stored: MATLAB stores doubles that are whole in as few bytes as they need.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from microtome.io.errors import VolumeError
from microtome.io.inflate import ZLIB, Inflated
from microtome.io.matlab_format import (
    COMPRESSED,
    HDF5_MAGIC,
    HDF5_PLACES,
    MATRIX,
    NUMERIC_CLASSES,
    TEXT,
)
from microtome.io.planes import PlaneSource, StoredPlane, checked, kept_axes, several_planes
from microtome.io.raster import ImageHeader

FORMAT = "MATLAB"
MAGIC = b"MATLAB"
ENDING = ".mat"
TAG, SMALL = 8, 4
"""Bytes of the tag of a data element, and of the data that fit into one."""
STRUCTURE = 2
COMPLEX = 0x800
SEG3D, DATA = "scirunnrrd", "data"
"""The structure that Seg3D writes, and its field with the values."""
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""By the number of a data element's type, NumPy's name."""
MOST_AXES, LONGEST_NAME, MOST_FIELDS = 32, 2**10, 2**10
MOST_VARIABLES = 10_000
AGAIN = "copy it again, or save it with save(…, '-v7') in MATLAB"


class Bytes(Protocol):
    """The bytes of a file, or of what is packed in it."""

    def read(self, place: int, count: int) -> bytes | bytearray:
        """Return `count` bytes from `place` on."""
        ...


@dataclass(frozen=True)
class Stored:
    """The bytes of a file as they are."""

    path: Path

    def read(self, place: int, count: int) -> bytes:
        """Return `count` bytes from `place` on.

        Raises:
            VolumeError: The file ends before.
        """
        with self.path.open("rb") as file:
            file.seek(place)
            content = file.read(count)
        if len(content) < count:
            raise _damaged(self.path, "it ends within a variable")
        return content


class Element(NamedTuple):
    """A data element: its type, the bytes of its data, where these lie, and where the next one does."""

    kind: int
    size: int
    place: int
    end: int


class Variable(NamedTuple):
    """An array of numbers: its name, sizes and values, and the bytes that hold it.

    `packed` is where the compressed element begins in the file, None where there is none.
    """

    name: str
    sizes: tuple[int, ...]
    values: Element
    packed: int | None
    is_of_seg3d: bool


def header(path: Path) -> ImageHeader:
    """Describe the one plane in a MATLAB file.

    Raises:
        VolumeError: The file is damaged, of version 7.3 or 4, or holds no plane or several.
    """
    plane = _plane(path)
    dtype = np.dtype(plane.dtype).name
    return ImageHeader(
        height=plane.height, width=plane.width, channels=1, dtype=dtype, pages=1, format=FORMAT
    )


def open_plane(path: Path) -> PlaneSource:
    """Open the one plane of a MATLAB file for reading by windows.

    The rows of a matrix are those of the image. Of `scirunnrrd` the first axis is x, that of the columns, as
    Seg3D has it.

    Raises:
        VolumeError: As `header`.

    Example:
        >>> import tempfile
        >>> from scipy.io import savemat
        >>> file = Path(tempfile.mkdtemp()) / "a.mat"
        >>> savemat(file, {"label": np.array([[1, 2, 3], [4, 5, 6]], np.uint8)})
        >>> header(file)
        ImageHeader(height=2, width=3, channels=1, dtype='uint8', pages=1, format='MATLAB', mpp=None)
        >>> open_plane(file).read(0, 0, 2, 3).tolist()
        [[[1, 2, 3], [4, 5, 6]]]
    """
    return PlaneSource(_plane(path))


def _damaged(path: Path, why: str) -> VolumeError:
    return VolumeError(path, f"a damaged MATLAB file ({why})", "a complete file", AGAIN)


def _plane(path: Path) -> StoredPlane:
    """Where the values of the one variable lie that is a plane."""
    order = _byte_order(path)
    found = [one for one in _variables(path, order) if len([size for size in one.sizes if size > 1]) > 1]
    if len(found) != 1:
        named = ", ".join(f"{one.name} {' x '.join(map(str, one.sizes))}" for one in found[:4])
        told = f"{len(found)} variables with rows and columns ({named or 'none'})"
        raise VolumeError(path, told, "one, the label", "save it in a file of its own")
    variable = found[0]
    axes = kept_axes(variable.sizes)
    if axes is None:
        raise several_planes(path, variable.sizes)
    first, second = (variable.sizes[axis] for axis in axes)
    dtype = np.dtype(order + TYPES[variable.values.kind])
    if variable.values.size != prod(variable.sizes) * dtype.itemsize:
        raise _damaged(path, f"{variable.values.size} bytes of values for {first} x {second} of {dtype.name}")
    packed = variable.packed is not None
    plane = StoredPlane(
        path=path,
        height=second if variable.is_of_seg3d else first,
        width=first if variable.is_of_seg3d else second,
        dtype=dtype.str,
        offset=variable.packed + TAG if packed else variable.values.place,
        bits=ZLIB if packed else 0,
        skip=variable.values.place if packed else 0,
        by_columns=not variable.is_of_seg3d,
    )
    return checked(plane, name=path)


def _byte_order(path: Path) -> str:
    """`<` or `>`, as the head of the file says."""
    with path.open("rb") as file:
        head = file.read(HDF5_PLACES[-1] + len(HDF5_MAGIC))
    if any(head[place:].startswith(HDF5_MAGIC) for place in HDF5_PLACES):
        raise VolumeError(path, "MATLAB 7.3 (HDF5)", "version 5 to 7", "save it with save(…, '-v7')")
    order = {b"IM": "<", b"MI": ">"}.get(head[TEXT - 2 : TEXT])
    if order is None or not head.startswith(MAGIC):
        raise VolumeError(path, "no MATLAB file of version 5 to 7", "one", "save it with save(…, '-v7')")
    return order


def _variables(path: Path, order: str) -> Iterator[Variable]:
    """The arrays of numbers of a file, that of `scirunnrrd` among them."""
    size, place = path.stat().st_size, TEXT
    for _ in range(MOST_VARIABLES):
        if place + TAG > size:
            return
        kind, length = struct.unpack(f"{order}II", Stored(path).read(place, TAG))
        if kind == COMPRESSED:
            packed = Elements(path, Inflated(path, place + TAG, ZLIB), order, place)
            if (inner := packed.at(0)).kind == MATRIX:
                yield from packed.arrays(inner.place)
        elif kind == MATRIX:
            yield from Elements(path, Stored(path), order, None).arrays(place + TAG)
        place += TAG + length
    raise _damaged(path, f"more than {MOST_VARIABLES} variables")


class Head(NamedTuple):
    """What an array begins with: class, whether it is complex, sizes, name; and where the rest is."""

    kind: int
    is_complex: bool
    sizes: tuple[int, ...]
    name: str
    end: int


@dataclass(frozen=True)
class Elements:
    """Data elements of a file, or of what is packed in it.

    Attributes:
        path: The file.
        content: Its bytes, or what is packed.
        order: Byte order.
        packed: Where the compressed element begins in the file, None where there is none.
    """

    path: Path
    content: Bytes
    order: str
    packed: int | None

    def at(self, place: int) -> Element:
        """The data element at a place; those of at most four bytes hold their data in the tag."""
        kind, size = struct.unpack(f"{self.order}II", self.content.read(place, TAG))
        if kind >> 16 > SMALL:
            raise _damaged(self.path, f"an element of {kind >> 16} bytes in a tag of {SMALL}")
        if kind >> 16:
            return Element(kind & 0xFFFF, kind >> 16, place + SMALL, place + TAG)
        return Element(kind, size, place + TAG, place + TAG + -(-size // TAG) * TAG)

    def arrays(self, place: int) -> Iterator[Variable]:
        """The numbers of the array whose elements begin at a place; none of a text, a cell, an object."""
        head = self._head(place)
        if head.kind == STRUCTURE and head.name == SEG3D and prod(head.sizes) == 1:
            if (field := self._field(head.end, DATA)) is not None:
                yield from self._numbers(self._head(field.place), SEG3D, is_of_seg3d=True)
        elif head.name:
            yield from self._numbers(head, head.name, is_of_seg3d=False)

    def _numbers(self, head: Head, name: str, *, is_of_seg3d: bool) -> Iterator[Variable]:
        if head.kind not in NUMERIC_CLASSES or head.is_complex or min(head.sizes, default=0) < 1:
            return
        values = self.at(head.end)
        if values.kind not in TYPES:
            raise _damaged(self.path, "an unknown type of data")
        yield Variable(name, head.sizes, values, self.packed, is_of_seg3d)

    def _head(self, place: int) -> Head:
        flags = self.at(place)
        axes = self.at(flags.end)
        named = self.at(axes.end)
        (told,) = self._numbers_of(flags, "I", 2)[:1] or (0,)
        sizes = self._numbers_of(axes, "i", MOST_AXES)
        name = self._data(named, LONGEST_NAME).decode("latin-1")
        return Head(told & 0xFF, bool(told & COMPLEX), sizes, name, named.end)

    def _field(self, place: int, wanted: str) -> Element | None:
        """The field of a structure, of one element, whose fields begin at a place."""
        length = self.at(place)
        named = self.at(length.end)
        longest = next(iter(self._numbers_of(length, "i", 1)), 0)
        if not 0 < longest <= LONGEST_NAME:
            raise _damaged(self.path, f"names of {longest} bytes")
        names, place = self._data(named, LONGEST_NAME * MOST_FIELDS), named.end
        for start in range(0, len(names), longest):
            field = self.at(place)
            if names[start : start + longest].partition(b"\0")[0].decode("latin-1") == wanted:
                return field if field.kind == MATRIX else None
            place = field.end
        return None

    def _numbers_of(self, element: Element, kind: str, most: int) -> tuple[int, ...]:
        """The whole numbers, of four bytes each, of a short element."""
        content = self._data(element, most * struct.calcsize(kind))
        return struct.unpack(f"{self.order}{len(content) // 4}{kind}", content[: len(content) // 4 * 4])

    def _data(self, element: Element, most: int) -> bytes:
        if element.size > most:
            raise _damaged(self.path, f"an element of {element.size} bytes where {most} are the most")
        return bytes(self.content.read(element.place, element.size))
