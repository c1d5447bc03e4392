# SPDX-License-Identifier: MIT
"""Files of volumes written by hand, from the text of their formats, and by SciPy."""

import gzip
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.io
from numpy.typing import NDArray

NRRD_TYPES = {
    **{"u1": "uchar", "i1": "signed char", "u2": "ushort", "i2": "int16_t"},
    **{
        "u4": "unsigned int",
        "i4": "int",
        "u8": "uint64",
        "i8": "long long int",
        "f4": "float",
        "f8": "double",
    },
}
"""NumPy's names of types, and one of those that the format has for each."""
ORDERS = {"<": "little", ">": "big"}


def nrrd(
    plane: NDArray, *, order: str = "<", packed: bool = False, axes: str = "{w} {h} 1", **fields: str
) -> tuple[bytes, bytes]:
    """Header and values of an NRRD file of a plane (H, W); `fields` are further lines, or take others' place.

    The first axis is the fastest, that of the columns (teem, "Definition of NRRD File Format").
    """
    height, width = plane.shape
    sizes = axes.format(w=width, h=height)
    lines = {
        "type": NRRD_TYPES[plane.dtype.str[1:]],
        "dimension": str(len(sizes.split())),
        "sizes": sizes,
        "endian": ORDERS[order],
        "encoding": "gzip" if packed else "raw",
    } | {name.replace("_", " "): value for name, value in fields.items()}
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    values = plane.astype(plane.dtype.newbyteorder(order)).tobytes()
    return f"NRRD0005\n# made by hand\n{text}name:=a label\n\n".encode(), gzip.compress(
        values
    ) if packed else values


def write_nrrd(path: Path, plane: NDArray, **options: object) -> Path:
    """Write a plane as one file, or, with a name ending in `.nhdr`, as header and data file."""
    if path.suffix == ".nhdr":
        data = path.with_suffix(".raw")
        head, values = nrrd(plane, **{"data_file": data.name} | options)
        data.write_bytes(values)
        path.write_bytes(head)
        return path
    path.write_bytes(b"".join(nrrd(plane, **options)))
    return path


def mat(content: Mapping[str, object], *, packed: bool = False) -> bytes:
    """A MATLAB file of version 5, as SciPy writes it."""
    file = io.BytesIO()
    scipy.io.savemat(file, dict(content), do_compression=packed)
    return file.getvalue()


def of_seg3d(plane: NDArray) -> dict[str, object]:
    """What Seg3D writes of a plane (H, W): a structure with the volume (x, y, z) and its axes."""
    axis = np.array([[(4.0, 1.0)], [(3.0, 1.0)], [(1.0, 1.0)]], [("size", "O"), ("spacing", "O")])
    return {"scirunnrrd": {"data": plane.T[:, :, None], "axis": axis}}
