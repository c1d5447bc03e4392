# SPDX-License-Identifier: MIT
"""Cubes in MATLAB files of version 4 to 7; SciPy reads them, the checks before and after are ours."""

import math
import struct
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microtome.io.envi_wavelengths import ordered_nanometres
from microtome.io.errors import CubeError
from microtome.io.matlab_format import (
    COMPRESSED,
    HDF5_MAGIC,
    HDF5_PLACES,
    MATRIX,
    NUMERIC_CLASSES,
    TEXT,
)

CUBE_DIMENSIONS = 3
MAT_NUMBERS = {"double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
"""Classes of MATLAB that are read; structures, functions and objects never are."""
MAT_DAMAGE = (
    ValueError,
    TypeError,
    NotImplementedError,
    OSError,
    EOFError,
    LookupError,
    MemoryError,
    zlib.error,
)
NUMERIC_TYPES = frozenset({*range(1, 8), 9, 12, 13})
"""Of the data elements of a MAT-file of version 5 to 7 (MathWorks, MAT-File Format)."""
HEAD, TAGS = 4096, 4
"""Bytes of the tags of an array, and their number: flags, axes, name, values."""
LARGEST_RATIO = 1032
"""What deflate, in which MATLAB packs variables, can make of a byte at most."""
WAVELENGTH_NAMES = ("wavelength", "wavelengths", "wavelength_nm", "lambda", "wl", "wavelist", "bands_nm")


def shape_of(path: Path) -> tuple[int, int, int]:
    """Bands, rows and columns of the cube in a file, from the heads of its variables.

    Raises:
        CubeError: As `read_cube`.
    """
    variables = _variables(path)
    name, axis = _cube_of(path, variables)
    shape = list(variables[name])
    bands = shape.pop(axis)
    return bands, *shape


def read_cube(path: Path) -> tuple[NDArray, tuple[float, ...] | None]:
    """Read a MATLAB file (version 4 to 7) with one cube (rows, columns, bands).

    A vector named like ``wavelength`` or ``lambda`` gives the wavelengths; the axis that is as long as it is
    that of the bands, the last where several are.

    Returns:
        The cube (bands, rows, columns) and the wavelengths, nm.

    Raises:
        CubeError: It is HDF5 (version 7.3), damaged, holds none or several cubes, or no axis has as many
            bands as there are wavelengths.
    """
    variables = _variables(path)
    name, axis = _cube_of(path, variables)
    wavelengths = _wavelengths_of(variables)
    wanted = [name] if wavelengths is None else [name, wavelengths]
    content = _guarded(path, "loadmat", variable_names=wanted)
    cube = np.moveaxis(content[name], axis, 0)
    waves = None
    if wavelengths is not None:
        unit = "nm" if wavelengths.lower().endswith("_nm") else ""
        waves = ordered_nanometres([float(item) for item in content[wavelengths].ravel()], unit, path)
    return cube.astype(cube.dtype.newbyteorder("=")), waves


def _variables(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the variables that are plain numbers, which alone are read, if the file can hold as many."""
    with path.open("rb") as file:
        start = file.read(HDF5_PLACES[-1] + len(HDF5_MAGIC))
    if any(start[place:].startswith(HDF5_MAGIC) for place in HDF5_PLACES):
        remedy = "save it with save(…, '-v7') in MATLAB, or export ENVI"
        raise CubeError(path, "MATLAB 7.3 (HDF5)", "version 7 or older", remedy)
    _check_types(path)
    known = {name: shape for name, shape, kind in _guarded(path, "whosmat") if kind in MAT_NUMBERS}
    values, most = sum(map(math.prod, known.values())), path.stat().st_size * LARGEST_RATIO
    negative = [side for shape in known.values() for side in shape if side < 0]
    if negative or values > most:
        said = f"a side of {negative[0]}" if negative else f"{values} numbers in {path.stat().st_size} bytes"
        found = f"a damaged file ({said})"
        raise CubeError(path, found, "a MATLAB file", "copy it again")
    return known


def _check_types(path: Path) -> None:
    """Refuse types of values that are none: SciPy looks them up without a bound, and would crash."""
    with path.open("rb") as file:
        text = file.read(TEXT)
        order = "<" if text.endswith(b"IM") else ">"
        while 0 not in text[:4] and len(tag := file.read(8)) == 8:  # version 4 begins with a zero
            (kind, size), start = struct.unpack(f"{order}II", tag), file.tell()
            head = file.read(min(size, HEAD))
            if kind == COMPRESSED:
                head, kind = _inflated(head)[8:], MATRIX
            if kind == MATRIX and not _has_known_types(head, order):
                raise CubeError(
                    path, "a damaged file (an unknown type of data)", "a MATLAB file", "copy it again"
                )
            file.seek(start + size)


def _inflated(head: bytes) -> bytes:
    """The beginning of a packed element; nothing of a damaged one, which SciPy refuses."""
    try:
        return zlib.decompressobj().decompress(head, HEAD)
    except zlib.error:
        return b""


def _has_known_types(head: bytes, order: str) -> bool:
    """Whether the elements of an array are of known types, if it is one of numbers; others are not read."""
    place = 0
    for number in range(TAGS):
        if len(head) < place + 12:
            break
        kind, size, flags = struct.unpack_from(f"{order}III", head, place)
        if number == 0 and flags & 0xFF not in NUMERIC_CLASSES:
            break
        is_small = kind >> 16
        if (kind & 0xFFFF if is_small else kind) not in NUMERIC_TYPES:
            return False
        place += 8 if is_small else 8 + -(-size // 8) * 8
    return True


def _guarded(path: Path, function: str, **options: Any) -> Any:
    """What a function of SciPy makes of the file."""
    from scipy import io

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", UserWarning
            )  # byte orders that are not known, names that stand twice
            return getattr(io, function)(path, **options)
    except (io.matlab.MatReadError, UserWarning, *MAT_DAMAGE) as error:
        raise CubeError(path, f"a damaged file ({error})", "a MATLAB file", "copy it again") from error


def _cube_of(path: Path, variables: Mapping[str, tuple[int, ...]]) -> tuple[str, int]:
    """The name of the cube, and its axis of the bands."""
    cubes = [name for name, shape in variables.items() if len(shape) == CUBE_DIMENSIONS and math.prod(shape)]
    if len(cubes) != 1:
        found = f"{len(cubes)} numeric variables of three dimensions ({', '.join(cubes) or 'none'})"
        remedy = "save the cube, rows x columns x bands, in a file of its own"
        raise CubeError(path, found, "one", remedy)
    shape, wavelengths = variables[cubes[0]], _wavelengths_of(variables)
    if wavelengths is None:
        return cubes[0], CUBE_DIMENSIONS - 1
    count = math.prod(variables[wavelengths])
    fitting = [axis for axis, length in enumerate(shape) if length == count]
    if not fitting or (len(fitting) > 1 and fitting[-1] != CUBE_DIMENSIONS - 1):
        found = (
            f"{count} numbers in '{wavelengths}' and a cube of {' x '.join(map(str, shape))} in '{cubes[0]}'"
        )
        expected = "rows x columns x bands, with a wavelength for each band"
        raise CubeError(path, found, expected, "save the cube again, or delete the wrong variable")
    return cubes[0], fitting[-1]


def _wavelengths_of(variables: Mapping[str, tuple[int, ...]]) -> str | None:
    """The vector that is named like wavelengths; a single number is none."""
    named = (name for name in variables if name.lower() in WAVELENGTH_NAMES)
    return next((name for name in named if 1 < max(variables[name]) == math.prod(variables[name])), None)


def read_maps(path: Path, names: Mapping[str, bool]) -> dict[str, NDArray]:
    """Read numeric variables of two axes, such as the maps of objects and of their classes.

    Args:
        path: MATLAB file of version 4 to 7.
        names: Name of each variable, and whether it must be there.

    Returns:
        The variables that are there, each (rows, columns), all of one shape.

    Raises:
        CubeError: The file is damaged, a variable is missing, or they are of several shapes.
    """
    known = {name: shape for name, shape in _variables(path).items() if name in names}
    missing = [name for name, is_needed in names.items() if is_needed and name not in known]
    if missing or len(set(known.values())) > 1 or any(len(shape) != 2 for shape in known.values()):
        found = ", ".join(f"{name} {shape}" for name, shape in known.items()) or "none of them"
        expected = f"maps {', '.join(names)} of one size"
        raise CubeError(path, found, expected, "is it a label file of the data set?")
    content = _guarded(path, "loadmat", variable_names=list(known))
    return {name: np.asarray(content[name]) for name in known}
