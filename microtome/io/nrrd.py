# SPDX-License-Identifier: MIT
"""NRRD files of one plane, as Seg3D and 3D Slicer export labels. Used through :mod:`microtome.io.images`."""

from math import isclose
from pathlib import Path

import numpy as np

from microtome.io.errors import VolumeError
from microtome.io.inflate import GZIP
from microtome.io.nrrd_header import AGAIN, MAGIC, NrrdHeader, read_header
from microtome.io.planes import PlaneSource, StoredPlane, checked, kept_axes, several_planes
from microtome.io.raster import ImageHeader

FORMAT = "NRRD"
SAME = 0.01
"""Pixels are taken for square where their sides differ by less, relative."""
MOST_LINES = 1000
LONGEST_LINE = 2**16
__all__ = ["MAGIC", "header", "open_plane"]


def header(path: Path) -> ImageHeader:
    r"""Describe the plane of an NRRD file.

    Raises:
        VolumeError: The file is damaged, holds several planes, or announces more than it can hold.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.nrrd"
        >>> text = "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 3 2 1\nencoding: raw\n\n"
        >>> _ = file.write_bytes(text.encode() + bytes(range(6)))
        >>> header(file)
        ImageHeader(height=2, width=3, channels=1, dtype='uint8', pages=1, format='NRRD', mpp=None)
        >>> open_plane(file).read(0, 0, 2, 3).tolist()
        [[[0, 1, 2], [3, 4, 5]]]
    """
    told = read_header(path)
    plane, axes = _plane(path, told)
    width, height = (told.steps[axis] for axis in axes)
    square = width and height and isclose(width, height, rel_tol=SAME)
    return ImageHeader(
        height=plane.height,
        width=plane.width,
        channels=1,
        dtype=np.dtype(plane.dtype).name,
        pages=1,
        format=FORMAT,
        mpp=width if square else None,
    )


def open_plane(path: Path) -> PlaneSource:
    """Open the plane of an NRRD file for reading by windows; the fastest axis is that of the columns.

    Raises:
        VolumeError: As `header`.
    """
    return PlaneSource(_plane(path, read_header(path))[0])


def _plane(path: Path, told: NrrdHeader) -> tuple[StoredPlane, tuple[int, int]]:
    """Where the plane lies, and which axes its columns and rows are."""
    axes = kept_axes(told.sizes)
    if axes is None:
        raise several_planes(path, told.sizes)
    width, height = (told.sizes[axis] for axis in axes)
    offset = told.begin + told.skip if not told.lines else _after_lines(path, told)
    if told.skip < 0:
        values = height * width * np.dtype(told.dtype).itemsize
        offset = max(told.data.stat().st_size - values, told.begin)
    plane = StoredPlane(told.data, height, width, told.dtype, offset, GZIP if told.is_packed else 0)
    return checked(plane, name=path), axes


def _after_lines(path: Path, told: NrrdHeader) -> int:
    """The byte behind the lines that are to be passed over, and the bytes after these."""
    if told.lines > MOST_LINES:
        raise VolumeError(path, f"line skip {told.lines}", f"at most {MOST_LINES}", AGAIN)
    with told.data.open("rb") as file:
        file.seek(told.begin)
        for _ in range(told.lines):
            file.readline(LONGEST_LINE)
        return file.tell() + told.skip
