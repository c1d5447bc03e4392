# SPDX-License-Identifier: MIT
"""CREMI: adult Drosophila brain, serial-section TEM, three labelled volumes of 125 slices.

Circuit reconstruction challenge of MICCAI 2016 (cremi.org) on the stack of Zheng et al. 2018
(doi:10.1016/j.cell.2018.06.019), 4 x 4 x 40 nm. Layout, as published: `sample_A_20160501.hdf` and alike,
HDF5 with `volumes/raw` (slices, rows, columns) uint8 and `volumes/labels/neuron_ids` uint64, each with the
attribute `resolution` (z, y, x in nm). Labels of padded volumes are smaller than `raw` and begin at their
attribute `offset` (z, y, x in nm). Volumes without labels (those of the test) are passed over. The authors
publish no checksums.

The ids 0 and those from 2^64 - 16 on are of no neuron: nothing is said of these pixels. Membranes are made of
the others, see `datasets.slices`. The parts are ours: fifths of each volume, in order.

HDF5 is read by h5py, which nothing else here needs: `pip install h5py==3.16.0`. A file may come from anybody:
what lies in another file (links, external storage, virtual data sets) is refused, and so is what announces
more values than its file can hold, before room is made for them.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from microtome.datasets.slices import Row, membranes, rows_of, to_sheet, write_stack
from microtome.io.errors import ImageError
from microtome.io.inflate import LARGEST_RATIO

if TYPE_CHECKING:
    import h5py

__all__ = ["discover", "to_sheet", "write_labels"]

RAW, LABELS = "volumes/raw", "volumes/labels/neuron_ids"
ENDINGS = (".hdf", ".h5", ".hdf5")
NOTHING = 0
SPECIAL = np.uint64(2**64 - 16)
"""The least of the ids that mark pixels outside of what was looked at."""
NM = 1000
"""Nanometres of a micrometre."""
SAME = 0.01
"""Sizes of pixels may differ by this share, and be one."""
PADDED = "_padded"
"""In the names of files of a volume with more of the image around its labels."""
MOST_SLICES, LARGEST_SLICE = 10**5, 2**28
"""Slices of a volume, and pixels of a slice, that are taken; those published have 200 of 10^7."""
DAMAGED = (KeyError, RuntimeError, OSError, TypeError, ValueError)
"""What h5py raises where something in a file is not what it says."""


@dataclass(frozen=True)
class Volume:
    """One labelled volume.

    Attributes:
        name: That of its file, without the ending.
        path: Its file.
        shape: Slices, rows and columns of the image.
        labels: First slice, row and column that labels are of, and how many there are of each.
        mpp: Micrometres per pixel.
    """

    name: str
    path: Path
    shape: tuple[int, int, int]
    labels: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    mpp: float


def discover(folder: Path) -> list[Row]:
    """List the labelled slices of all volumes, volume by volume.

    Raises:
        ValueError: There is no labelled volume or one twice, h5py is not installed, or a file is not as
            published.
    """
    found = list(_volumes(folder))
    _require_once(found)
    if not found:
        expected = f"HDF5 files ({', '.join(ENDINGS)}) with {RAW} and {LABELS}"
        msg = f"{folder}: found no labelled volume of CREMI, expected {expected}; put sample_A_….hdf there"
        raise ValueError(msg)
    return [row for volume in found for row in _rows(volume, folder)]


def write_labels(folder: Path, rows: Sequence[Row], target: Path) -> list[Row]:
    """Write the labelled slices of each volume as pages of a TIFF, and their membranes as those of another.

    Args:
        folder: The data set.
        rows: Its slices, from `discover`.
        target: Gets `{volume}-images.tif` and `{volume}-membranes.tif`: 0 membrane, 255 cell, 127 neither
            said.

    Returns:
        The slices with the paths of what was written (absolute).

    Raises:
        ValueError: A file is not as published.
    """
    written = []
    for volume in _volumes(folder):
        own = [row for row in rows if row.volume == volume.name]
        with _opened(volume.path) as file:
            slices = (_plane(volume, file, RAW, row.z) for row in own)
            image = write_stack(target / f"{volume.name}-images.tif", slices)
            label = write_stack(target / f"{volume.name}-membranes.tif", _membranes(file, volume, own))
        written += [replace(row, image=image, label=label) for row in own]
    return written


def _rows(volume: Volume, folder: Path) -> list[Row]:
    first, count = volume.labels[0]
    place = volume.path.relative_to(folder).as_posix()
    return rows_of(volume.name, range(first, first + count), image=place, mpp=volume.mpp)


def _require_once(volumes: Sequence[Volume]) -> None:
    """One tissue in two files would be learnt from and tested on."""
    first: dict[str, Volume] = {}
    for volume in volumes:
        other = first.setdefault(volume.name.replace(PADDED, ""), volume)
        if other is not volume:
            msg = f"found {other.path} and {volume.path}, expected each volume once; move one of them away"
            raise ValueError(msg)


def _volumes(folder: Path) -> Iterator[Volume]:
    """The volumes with labels, by name."""
    files = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    for path in sorted(path for path in files if not path.name.startswith(".")):
        with _opened(path) as file, _reading(path):
            volume = _volume(path, file) if RAW in file and LABELS in file else None
        if volume is not None:
            yield volume


def _volume(path: Path, file: "h5py.File") -> Volume:
    raw, labels = _array(path, file, RAW, "uint8"), _array(path, file, LABELS, "uint64")
    resolution = _resolution(path, raw, labels)
    offset = _attribute(path, labels, "offset") if "offset" in labels.attrs else np.zeros(3)
    first = [round(float(value)) for value in offset / resolution]
    ranges = tuple((start, int(count)) for start, count in zip(first, labels.shape, strict=True))
    outside = any(s < 0 or s + n > size for (s, n), size in zip(ranges, raw.shape, strict=True))
    if outside:
        found = f"labels of {labels.shape} from {tuple(first)} on, for a volume of {raw.shape}"
        raise ImageError(path, found, "labels within the volume", "is its attribute `offset` in nm?")
    return Volume(path.stem, path, tuple(raw.shape), ranges, float(resolution[1]) / NM)


def _array(path: Path, file: "h5py.File", name: str, kind: str) -> "h5py.Dataset":
    """A volume of the file, whose type, place and size are looked at before any of it is read."""
    array = file[name]
    if getattr(array, "ndim", 0) != 3 or array.dtype != kind:
        axes = f"{array.ndim} axes, {array.dtype}" if hasattr(array, "dtype") else "no values"
        raise ImageError(path, f"{name} of {axes}", f"3 axes, {kind}", "is it a file of CREMI?")
    if array.file.filename != file.filename or array.external or array.is_virtual:
        raise ImageError(path, f"{name} in another file", "its values in this one", "copy them into it")
    _require_room(path, name, tuple(array.shape), array.dtype.itemsize)
    return array


def _require_room(path: Path, name: str, shape: tuple[int, ...], each: int) -> None:
    """A volume, of so many bytes each value, is one that its file can hold and that can be worked on."""
    size, room = math.prod(shape) * each, path.stat().st_size
    of = f"{name} of {' x '.join(map(str, shape))} values"
    if not 0 < size <= room * LARGEST_RATIO:
        raise ImageError(path, f"{of} in a file of {room} bytes", "all of them", "copy the file again")
    if shape[0] > MOST_SLICES or shape[1] * shape[2] > LARGEST_SLICE:
        most = f"{MOST_SLICES:,} slices of {LARGEST_SLICE:,} pixels at most"
        raise ImageError(path, of, most, "cut the volume")


def _resolution(path: Path, raw: "h5py.Dataset", labels: "h5py.Dataset") -> NDArray[np.float64]:
    """The size of a voxel of image and labels along z, y, x, nm."""
    found = _attribute(path, raw, "resolution")
    own = _attribute(path, labels, "resolution") if "resolution" in labels.attrs else found
    if abs(found[1] - found[2]) > SAME * found[1]:
        sizes = f"pixels of {found[1]:g} x {found[2]:g} nm"
        raise ImageError(path, sizes, "square pixels", "resample the volume")
    if not np.allclose(own, found, rtol=SAME):
        sizes = (" x ".join(f"{value:g}" for value in values) for values in (own, found))
        told = "labels of {} nm for an image of {} nm (z, y, x)".format(*sizes)
        raise ImageError(path, told, "the same for both", "resample the labels")
    return found


def _attribute(path: Path, array: "h5py.Dataset", name: str) -> NDArray[np.float64]:
    """A size along z, y, x in nm."""
    values = np.asarray(array.attrs.get(name, ()), np.float64)
    if values.shape != (3,) or not np.isfinite(values).all() or (name == "resolution" and values.min() <= 0):
        found = f"the attribute {name} {values.tolist()} of {array.name}"
        raise ImageError(path, found, "three numbers (z, y, x in nm)", "is it a file of CREMI?")
    return values


def _membranes(file: "h5py.File", volume: Volume, rows: Sequence[Row]) -> Iterator[NDArray[np.uint8]]:
    """The membranes of each slice, of the size of its image."""
    (first, _), (top, height), (left, width) = volume.labels
    for row in rows:
        cells = np.zeros(volume.shape[1:], np.uint64)
        cells[top : top + height, left : left + width] = _plane(volume, file, LABELS, row.z - first)
        unlabelled = (cells == NOTHING) | (cells >= SPECIAL)
        yield membranes(cells, np.zeros(cells.shape, bool), unlabelled)


def _plane(volume: Volume, file: "h5py.File", name: str, number: int) -> NDArray:
    """One slice of image or labels."""
    with _reading(volume.path, f"slice {number} of {name}"):
        return file[name][number]


@contextmanager
def _reading(path: Path, what: str = "HDF5 in it") -> Iterator[None]:
    """Name the file in which something is damaged."""
    try:
        yield
    except ImageError:
        raise
    except DAMAGED as error:
        raise ImageError(
            path, f"{what} that cannot be read ({error})", "CREMI", "copy the file again"
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file of HDF5, for reading."""
    try:
        import h5py
    except ImportError as error:
        msg = f"{path}: h5py, which reads HDF5, is not installed; pip install h5py==3.16.0"
        raise ValueError(msg) from error
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ImageError(path, f"what cannot be read ({error})", "HDF5", "copy the file again") from error
    with file:
        yield file
