# SPDX-License-Identifier: MIT
"""Cubes in MATLAB files of version 4 to 7; SciPy reads them, the checks before and after are ours."""

import math
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.io.envi_header import ordered_nanometres
from microtome.io.errors import CubeError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HDF5_PLACES = (0, 512)
"""Bytes; MATLAB 7.3 puts a text of 512 bytes before the HDF5 file."""
CUBE_DIMENSIONS = 3
MAT_NUMBERS = {"double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
"""Classes of MATLAB that are read; structures, functions and objects never are."""
MAT_DAMAGE = (ValueError, TypeError, NotImplementedError, OSError, EOFError, KeyError, IndexError, zlib.error)
LARGEST_RATIO = 1032
"""What deflate, in which MATLAB packs variables, can make of a byte at most."""
WAVELENGTH_NAMES = ("wavelength", "wavelengths", "wavelength_nm", "lambda", "wl", "wavelist", "bands_nm")


def read_cube(path: Path) -> tuple[NDArray, tuple[float, ...] | None]:
    """Read a MATLAB file (version 4 to 7) with one cube (rows, columns, bands).

    A vector named like ``wavelength`` or ``lambda`` with a number for each band gives the wavelengths.

    Returns:
        The cube (bands, rows, columns) and the wavelengths, nm.

    Raises:
        CubeError: It is HDF5 (version 7.3), damaged, or holds none or several cubes.
    """
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    with path.open("rb") as file:
        start = file.read(HDF5_PLACES[-1] + len(HDF5_MAGIC))
    if any(start[place:].startswith(HDF5_MAGIC) for place in HDF5_PLACES):
        remedy = "save it with save(…, '-v7') in MATLAB, or export ENVI"
        raise CubeError(path, "MATLAB 7.3 (HDF5)", "version 7 or older", remedy)
    try:
        content = loadmat(path, variable_names=_numeric(path, whosmat(path)))
    except (MatReadError, *MAT_DAMAGE) as error:
        raise CubeError(path, f"a damaged file ({error})", "a MATLAB file", "copy it again") from error
    arrays = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    cubes = {name: value for name, value in arrays.items() if _is_cube(value)}
    if len(cubes) != 1:
        found = f"{len(cubes)} numeric variables of three dimensions ({', '.join(cubes) or 'none'})"
        remedy = "save the cube, rows x columns x bands, in a file of its own"
        raise CubeError(path, found, "one", remedy)
    cube = np.moveaxis(next(iter(cubes.values())), -1, 0)
    return cube.astype(cube.dtype.newbyteorder("=")), _vector(path, arrays, len(cube))


def _numeric(path: Path, variables: Iterable[tuple[str, tuple[int, ...], str]]) -> list[str]:
    """Names of the variables that are plain numbers, which alone are read, if the file can hold as many."""
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
            unit = "nm" if name.lower().endswith("_nm") else ""
            return ordered_nanometres([float(item) for item in value.ravel()], unit, path)
    return None
