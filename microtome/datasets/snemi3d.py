# SPDX-License-Identifier: MIT
"""SNEMI3D: mouse somatosensory cortex, serial-section SEM, 100 labelled slices of 1024 x 1024 pixels.

Challenge of ISBI 2013 on a part of the stack of Kasthuri et al. 2015 (doi:10.1016/j.cell.2015.06.054), 6 x 6
x 29 nm. Layout, as published: `train-input.tif` and `train-labels.tif`, a page each slice, and
`test-input.tif`, whose labels are not published; folders inside the archive are looked through. Labels number
the neurites of the volume from 1; 0 is between them. The authors publish no checksums.

Membranes are made of the numbers, see `datasets.slices`. The parts are ours: fifths of the stack, in order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.datasets.slices import Row, membranes, rows_of, to_sheet, write_stack
from microtome.io import images
from microtome.io.errors import ImageError

__all__ = ["discover", "to_sheet", "write_labels"]

IMAGES, LABELS = "train-input.tif", "train-labels.tif"
VOLUME = "snemi3d"
MPP = 0.006


def discover(folder: Path) -> list[Row]:
    """List the labelled slices in stack order.

    Raises:
        ValueError: A stack is missing, there are several, or the two differ in size.
    """
    image, label = _file(folder, IMAGES), _file(folder, LABELS)
    sizes = [(h.pages, h.height, h.width) for h in map(images.header, (image, label))]
    if sizes[0] != sizes[1]:
        found = " and ".join("{} x {} x {}".format(*size) for size in sizes)
        msg = f"{image.parent}: found stacks of {found} (pages, rows, columns); expected the same for both"
        raise ValueError(msg)
    place = image.relative_to(folder).as_posix()
    return rows_of(VOLUME, range(sizes[0][0]), image=place, mpp=MPP)


def write_labels(folder: Path, rows: Sequence[Row], target: Path) -> list[Row]:
    """Write the membranes of all slices as the pages of one file.

    Args:
        folder: The data set.
        rows: Its slices, from `discover`.
        target: Gets `snemi3d-membranes.tif`: 0 membrane, 255 cell.

    Returns:
        The slices with the path of what was written (absolute).

    Raises:
        ImageError: Labels are no whole numbers.
    """
    written = write_stack(target / f"{VOLUME}-membranes.tif", _membranes(_file(folder, LABELS), rows))
    return [replace(row, label=written) for row in rows]


def _membranes(path: Path, rows: Sequence[Row]) -> Iterator[NDArray[np.uint8]]:
    for row in rows:
        cells = images.read(path, page=row.page)
        if cells.ndim != 2 or cells.dtype.kind not in "iu":
            found = f"values of type {cells.dtype} and shape {cells.shape} in page {row.page}"
            raise ImageError(path, found, "whole numbers, (rows, columns)", "is it the file of SNEMI3D?")
        yield membranes(cells, cells == 0, np.zeros(cells.shape, bool))


def _file(folder: Path, name: str) -> Path:
    """A stack, in the folder or in one below it."""
    found = sorted(path for path in folder.rglob(name) if path.is_file())
    if len(found) != 1:
        listed = " and ".join(f"'{path}'" for path in found) or "none"
        msg = f"{folder}: found {listed}, expected one {name}; unpack the challenge's archive there, once"
        raise ValueError(msg)
    return found[0]
