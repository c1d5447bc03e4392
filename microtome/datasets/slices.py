# SPDX-License-Identifier: MIT
"""Slices of volumes whose cells are numbered: what the adapters of such data sets share.

What is learnt are the membranes between cells, slice by slice, as in the ISBI 2012 labels: 0 on membranes,
255 in cells, and `UNLABELLED` where nothing is said (`classes: {membrane: 0, cell: 255}`, `ignore: [127]`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from microtome.files import finished_file

COLUMNS = ("sample", "volume", "block", "part", "image", "label", "page", "z", "mpp")
MEMBRANE, CELL, UNLABELLED = 0, 255, 127
BLOCKS = ("train", "train", "train", "val", "test")
"""The part of each fifth of a volume; the authors of neither data set divide what they label."""


@dataclass(frozen=True)
class Row:
    """One labelled slice.

    Attributes:
        sample: Unique name.
        volume: The volume that it is of, which is its stack.
        block: Neighbouring slices that stay in one part of a split.
        part: `train`, `val` or `test`.
        image: Image file of several pages, relative to the data set's folder.
        label: Label file, likewise; empty before labels are written.
        page: Page of both files, from 0.
        z: Number of the slice in its volume.
        mpp: Micrometres per pixel.
    """

    sample: str
    volume: str
    block: str
    part: str
    image: str
    label: str
    page: int
    z: int
    mpp: float


def rows_of(volume: str, numbers: Sequence[int], *, image: str, mpp: float) -> list[Row]:
    """The labelled slices of a volume in blocks of a fifth: three to train, one to validate, one to test.

    Args:
        volume: Its name.
        numbers: The slices of the volume that are labelled, in order; they are the pages of `image`.
        image: The image file.
        mpp: Micrometres per pixel.

    Raises:
        ValueError: There are fewer slices than blocks.

    Example:
        >>> [row.part for row in rows_of("v", range(5), image="v.tif", mpp=0.004)]
        ['train', 'train', 'train', 'val', 'test']
    """
    count = len(numbers)
    if count < len(BLOCKS):
        msg = f"volume {volume}: found {count} labelled slices, expected at least {len(BLOCKS)}, a block each"
        raise ValueError(msg)
    blocks = [page * len(BLOCKS) // count for page in range(count)]
    return [
        Row(f"{volume}-{z:03d}", volume, f"{volume}-{block}", BLOCKS[block], image, "", page, z, mpp)
        for page, (z, block) in enumerate(zip(numbers, blocks, strict=True))
    ]


def to_sheet(rows: Sequence[Row]) -> str:
    """Format rows as a sample sheet (tab-separated, with a header).

    Example:
        >>> row = Row("v-007", "v", "v-0", "train", "v.tif", "l.tif", 0, 7, 0.004)
        >>> print(to_sheet([row]).replace(chr(9), " "))
        sample volume block part image label page z mpp
        v-007 v v-0 train v.tif l.tif 0 7 0.004
    """
    lines = ["\t".join(str(getattr(row, column)) for column in COLUMNS) for row in rows]
    return "\n".join(["\t".join(COLUMNS), *lines]) + "\n"


def membranes(
    cells: NDArray[np.integer], background: NDArray[np.bool_], unlabelled: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The membranes of a slice whose cells are numbered.

    Membrane is what is of no cell, and each pixel with a pixel of another number above, below, left or right
    of it, so that a line between two cells that touch is two pixels wide and parts them also where neighbours
    across corners count. This is scikit-image's `find_boundaries` (mode `thick`) but for pixels of which
    nothing is said: a cell that ends there has no membrane for that.

    Args:
        cells: (H, W) number of the cell of each pixel.
        background: (H, W) pixels of no cell.
        unlabelled: (H, W) pixels of which nothing is said.

    Returns:
        (H, W): 0 membrane, 255 cell, 127 not labelled.

    Example:
        >>> cells = np.array([[1, 1, 1, 2, 2, 9, 9]])
        >>> membranes(cells, cells == 0, cells == 9).tolist()
        [[255, 255, 0, 0, 255, 127, 127]]
    """
    lines = background.copy()
    for axis in range(cells.ndim):
        before, after = (np.s_[:, :-1], np.s_[:, 1:]) if axis else (np.s_[:-1], np.s_[1:])
        differs = (cells[before] != cells[after]) & ~unlabelled[before] & ~unlabelled[after]
        lines[before] |= differs
        lines[after] |= differs
    return np.select([unlabelled, lines], [UNLABELLED, MEMBRANE], CELL).astype(np.uint8)


def write_stack(path: Path, planes: Iterable[NDArray[np.uint8]]) -> str:
    """Write planes as the pages of one TIFF, one after another; its absolute path.

    Args:
        path: Written whole or not at all; its folder is made if missing.
        planes: (H, W), all of one size.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with finished_file(path) as draft, tifffile.TiffWriter(draft, bigtiff=True) as tiff:
        for plane in planes:
            tiff.write(plane, compression="zlib", metadata=None, photometric="minisblack")
    return str(path.absolute())
