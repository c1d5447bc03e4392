# SPDX-License-Identifier: MIT
"""CoNSeP: 41 images of colorectal adenocarcinoma at 40x, 1000 x 1000 pixels, nuclei of seven classes.

Graham et al. 2019 (HoVer-Net, doi:10.1016/j.media.2019.101563). Layout, as published: `Train/Images/*.png`
with `Train/Labels/*.mat` of the same names (`inst_map`, `type_map`), and `Test` alike. The authors publish no
checksums. Other data sets in that form (Kumar, CPM, of the same authors) have no `type_map`; then objects are
of one class.

`type_map` has 1 other, 2 inflammatory, 3 healthy epithelial, 4 malignant epithelial, 5 fibroblast, 6 muscle,
7 endothelial. The authors train and measure 3 and 4 together, and 5 to 7, and so does the map that is
written: `classes: [background, miscellaneous, inflammatory, epithelial, spindle]`. Images are of 16 patients,
which the files do not name.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.datasets.nuclei import Row, to_sheet, write_maps
from microtome.io import images
from microtome.io.errors import ImageError
from microtome.io.matlab import read_maps
from microtome.io.stacks import whole
from microtome.objects.types import class_map, vote

__all__ = ["discover", "to_sheet", "write_labels"]

FOLDERS = {"train": "Train", "test": "Test"}
MERGED = np.array([0, 1, 2, 3, 3, 4, 4, 4], np.uint8)
"""Class of HoVer-Net's evaluation for each value of `type_map`."""
MAPS = {"inst_map": True, "type_map": False}


def discover(folder: Path) -> list[Row]:
    """List the images of a folder: training, then test, by name; the part precedes names of both (CPM).

    Raises:
        ValueError: The layout is another, or images and labels do not pair up.
    """
    rows = []
    for part, name in FOLDERS.items():
        places = {"png": folder / name / "Images", "mat": folder / name / "Labels"}
        found = [{path.stem: path for path in at.glob(f"[!.]*.{end}")} for end, at in places.items()]
        if alone := sorted(found[0].keys() ^ found[1].keys()):
            msg = f"{folder / name}: found {alone} without partner; Images/*.png and Labels/*.mat must pair"
            raise ValueError(msg)
        for stem in sorted(found[0], key=lambda stem: (len(stem), stem)):
            image, label = (one[stem].relative_to(folder).as_posix() for one in found)
            rows.append(Row(stem, image, label, part=part))
    twice = {name for name, count in Counter(row.sample for row in rows).items() if count > 1}
    rows = [replace(row, sample=f"{row.part}_{row.sample}") if row.sample in twice else row for row in rows]
    if not rows:
        msg = f"{folder}: found neither 'Train/Images' nor 'Test/Images'; unpack the archive there"
        raise ValueError(msg)
    return rows


def write_labels(folder: Path, rows: Sequence[Row], target: Path) -> list[Row]:
    """Write the numbers of the nuclei of each image and the map of their (merged) classes.

    Args:
        folder: The data set.
        rows: Its images, from `discover`.
        target: Gets `objects/` and, where there are classes, `types/`.

    Returns:
        The images with the paths of what was written (absolute).

    Raises:
        ValueError: A label file is damaged, of another size than its image, or holds values that no map has.
    """
    return [_written(folder, row, target) for row in rows]


def _written(folder: Path, row: Row, target: Path) -> Row:
    path, header = folder / row.label, images.header(folder / row.image)
    maps = read_maps(path, MAPS)
    labels = whole(path, maps["inst_map"], most=np.iinfo(np.uint16).max)
    if labels.shape != (header.height, header.width):
        found, expected = f"maps of shape {labels.shape}", f"{header.height} x {header.width}, its image's"
        raise ImageError(path, found, expected, "pair it with the right image")
    types = _merged(path, labels, maps["type_map"]) if "type_map" in maps else None
    return replace(row, **write_maps(target, row.sample, labels, types))


def _merged(path: Path, labels: NDArray, values: NDArray) -> NDArray[np.uint8]:
    """The class of each nucleus, that of most of its pixels."""
    count = int(MERGED.max()) + 1
    of = vote(labels, MERGED[whole(path, values, most=len(MERGED) - 1)], count)
    if untyped := [number for number, index in of.items() if index == 0]:
        found = f"{len(untyped)} nuclei without a class, such as {untyped[0]}"
        raise ImageError(path, found, "a class in type_map for each in inst_map", "copy it again")
    return class_map(labels.astype(np.int32), of)
