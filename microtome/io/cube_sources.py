# SPDX-License-Identifier: MIT
"""Where the values of a cube come from: ENVI, MATLAB and TIFF files, all as (bands, H, W).

A source has `shape`, `dtype` (native byte order) and `read(bands, rows)`.
"""

from __future__ import annotations

import math
import os
import re
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from microtome.io import images
from microtome.io.envi_header import Header, ordered_nanometres
from microtome.io.errors import CubeError
from microtome.io.tiff import open_checked

if TYPE_CHECKING:
    from numpy.typing import NDArray

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HDF5_PLACES = (0, 512)
"""Bytes; MATLAB 7.3 puts a text of 512 bytes before the HDF5 file."""
CUBE_DIMENSIONS = 3
MAT_NUMBERS = frozenset(
    {"double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
)
"""Classes of MATLAB that are read; structures, functions and objects never are."""
MAT_DAMAGE = (ValueError, TypeError, NotImplementedError, OSError, EOFError, KeyError, IndexError, zlib.error)
LARGEST_RATIO = 1032
"""What deflate, in which MATLAB packs variables, can make of a byte at most."""
WAVELENGTH_NAMES = ("wavelength", "wavelengths", "wavelength_nm", "lambda", "wl", "wavelist", "bands_nm")
NANOMETRES = re.compile(r"(\d+(?:\.\d+)?)\s*nm")
NATIVE = "="


class Source(Protocol):
    """Values of a cube."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows, columns."""

    @property
    def dtype(self) -> np.dtype:
        """Type of the values, native byte order."""

    def read(self, bands: slice, rows: slice) -> NDArray:
        """Values of some bands in some rows, all columns: a new array."""


class EnviSource:
    """The data file of a checked header, memory-mapped by Spectral Python; whole BSQ bands by plain reads.

    Args:
        header: The header.
    """

    def __init__(self, header: Header) -> None:
        self._header = header
        self._mapped: NDArray | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Pickle by path: the copy maps the file anew."""
        return {"_header": self._header, "_mapped": None}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows, columns."""
        return self._header.bands, self._header.height, self._header.width

    @property
    def dtype(self) -> np.dtype:
        """Type of the values, native byte order."""
        return self._header.dtype.newbyteorder(NATIVE)

    def read(self, bands: slice, rows: slice) -> NDArray:
        """Values of some bands in some rows."""
        _, height, width = self.shape
        if self._header.interleave == "bsq" and rows == slice(0, height):
            return self._read_bands(bands.start, bands.stop, height, width)
        return np.array(self._view()[bands, rows], dtype=self.dtype, order="C")

    def _read_bands(self, start: int, stop: int, height: int, width: int) -> NDArray:
        """Consecutive whole bands of a BSQ file: one read, nothing mapped."""
        found = np.empty((stop - start, height, width), self._header.dtype)
        offset = self._header.offset + start * found[0].nbytes
        with self._header.data.open("rb", buffering=0) as file:
            left = memoryview(found).cast("B")
            while left:
                count = os.preadv(file.fileno(), [left], offset)
                if not count:
                    path, size = self._header.data, self._header.data.stat().st_size
                    remedy = "do not write to a cube that is being read; copy it again"
                    raise CubeError(path, found=f"{size} bytes", expected="more", remedy=remedy)
                left, offset = left[count:], offset + count
        return found.astype(self.dtype, copy=False)

    def _view(self) -> NDArray:
        """The file as (bands, H, W), mapped once."""
        if self._mapped is None:
            self._mapped = map_envi(self._header)
        return self._mapped


def map_envi(header: Header) -> NDArray:
    """Map a data file through Spectral Python.

    Returns:
        (bands, H, W), a read-only view of the file in its own byte order.
    """
    from spectral.io.bilfile import BilFile
    from spectral.io.bipfile import BipFile
    from spectral.io.bsqfile import BsqFile

    kind = {"bsq": BsqFile, "bil": BilFile, "bip": BipFile}[header.interleave]
    parameters = SimpleNamespace(
        nbands=header.bands,
        nrows=header.height,
        ncols=header.width,
        offset=header.offset,
        byte_order=int(header.dtype.str.startswith(">")),
        dtype=header.dtype.str,
        filename=str(header.data.absolute()),
    )
    image = kind(parameters, dict(header.metadata))
    image.fid.close()
    return image.open_memmap(interleave="bsq")


@dataclass(frozen=True)
class ArraySource:
    """A cube in memory.

    Attributes:
        array: (bands, H, W).
    """

    array: NDArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows, columns."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of the values, native byte order."""
        return self.array.dtype

    def read(self, bands: slice, rows: slice) -> NDArray:
        """Values of some bands in some rows."""
        return np.array(self.array[bands, rows], order="C")


@dataclass(frozen=True)
class TiffSource:
    """A TIFF with one channel or page for each band.

    Attributes:
        pages: A window source for each group of channels, in order.
    """

    pages: tuple[images.WindowSource, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows, columns."""
        channels, height, width = self.pages[0].shape
        return channels * len(self.pages), height, width

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return np.dtype(self.pages[0].dtype)

    def read(self, bands: slice, rows: slice) -> NDArray:
        """Values of some bands in some rows."""
        each, _, width = self.pages[0].shape
        touched = range(bands.start // each, -(-bands.stop // each))
        height = rows.stop - rows.start
        parts = [self.pages[page].read(rows.start, 0, height, width) for page in touched]
        first = bands.start - touched.start * each
        return np.concatenate(parts)[first : first + bands.stop - bands.start]


def open_tiff(path: Path) -> tuple[Source, tuple[float, ...] | None]:
    """Open a TIFF as a cube; wavelengths are read from OME channel names such as ``550 nm``.

    Raises:
        ImageError: The file cannot be read.
        CubeError: It has one band.
    """
    header = images.header(path)
    pages = tuple(images.open_source(path, page=page) for page in range(header.pages))
    source = TiffSource(pages)
    if source.shape[0] < 2:
        raise CubeError(path, found="one band", expected="a cube of two bands or more", remedy="give a cube")
    with open_checked(path) as tiff:
        description = tiff.ome_metadata
    return source, _named_wavelengths(path, description, source.shape[0])


def open_mat(path: Path) -> tuple[Source, tuple[float, ...] | None]:
    """Open a MATLAB file (version 4 to 7) with one cube (rows, columns, bands).

    A vector named like ``wavelength`` or ``lambda`` with a number for each band gives the wavelengths.

    Raises:
        CubeError: It is HDF5 (version 7.3), damaged, or holds none or several cubes.
    """
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    with path.open("rb") as file:
        start = file.read(HDF5_PLACES[-1] + len(HDF5_MAGIC))
    if any(start[place:].startswith(HDF5_MAGIC) for place in HDF5_PLACES):
        remedy = "save it with save(…, '-v7') in MATLAB, or export ENVI"
        raise CubeError(path, found="MATLAB 7.3 (HDF5)", expected="version 7 or older", remedy=remedy)
    try:
        content = loadmat(path, variable_names=_numeric(path, whosmat(path)))
    except (MatReadError, *MAT_DAMAGE) as error:
        found = f"a damaged file ({error})"
        raise CubeError(path, found=found, expected="a MATLAB file", remedy="copy it again") from error
    arrays = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    cubes = {name: value for name, value in arrays.items() if _is_cube(value)}
    if len(cubes) != 1:
        found = f"{len(cubes)} numeric variables of three dimensions ({', '.join(cubes) or 'none'})"
        remedy = "save the cube, rows x columns x bands, in a file of its own"
        raise CubeError(path, found=found, expected="one", remedy=remedy)
    cube = np.moveaxis(next(iter(cubes.values())), -1, 0)
    return ArraySource(cube.astype(cube.dtype.newbyteorder(NATIVE))), _vector(path, arrays, len(cube))


def _numeric(path: Path, variables: Iterable[tuple[str, tuple[int, ...], str]]) -> list[str]:
    """Names of the variables that are plain numbers: only these are read.

    Raises:
        ValueError: They would be larger than a file of that size can hold.
    """
    known = [(name, math.prod(shape)) for name, shape, kind in variables if kind in MAT_NUMBERS]
    values, most = sum(count for _, count in known), path.stat().st_size * LARGEST_RATIO
    if values > most:
        msg = f"{values} numbers in {path.stat().st_size} bytes"
        raise ValueError(msg)
    return [name for name, _ in known]


def _is_cube(value: NDArray) -> bool:
    return value.ndim == CUBE_DIMENSIONS and value.dtype.kind in "uif" and value.size > 0


def _vector(path: Path, arrays: dict[str, NDArray], bands: int) -> tuple[float, ...] | None:
    for name, value in arrays.items():
        if name.lower() in WAVELENGTH_NAMES and value.size == bands and value.dtype.kind in "uif":
            return ordered_nanometres([float(item) for item in value.ravel()], "", path)
    return None


def _named_wavelengths(path: Path, description: str | None, bands: int) -> tuple[float, ...] | None:
    """Wavelengths in the channel names of an OME-XML; None unless each channel names one."""
    if not description or "<!DOCTYPE" in description or "<!ENTITY" in description:
        return None
    try:
        root = ET.fromstring(description)
    except ET.ParseError:
        return None
    names = [item.get("Name", "") for item in root.iter() if item.tag.endswith("}Channel")]
    found = [NANOMETRES.fullmatch(name.strip()) for name in names]
    if len(found) != bands or not all(found):
        return None
    return ordered_nanometres([float(match[1]) for match in found], "nm", path)
