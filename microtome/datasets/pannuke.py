# SPDX-License-Identifier: MIT
"""PanNuke: 256 x 256 tiles of 19 tissues at 40x, nuclei of five classes, from the `.npy` files of its folds.

Gamper et al. 2020 (arXiv:2003.10778). Layout: anywhere below the folder, for each of the folds 1 to 3, a
folder whose name has the number (`Fold 1`, `fold1`) with `images.npy` (N, 256, 256, 3), `masks.npy`
(N, 256, 256, 6) and `types.npy` (N,), such as `Fold 1/images/fold1/images.npy`. The first five channels of a
mask number the nuclei of each class, the sixth is the background. The authors publish no checksums.

Folds are `block` and part (1 train, 2 val, 3 test, the first of the three rotations that are averaged).
Patients are not published. Study: `classes: [background, neoplastic, inflammatory, connective, dead,
epithelial]`, in the order of the channels.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.datasets.nuclei import Row, to_sheet, write_maps
from microtome.io import images
from microtome.io.errors import ImageError
from microtome.io.stacks import open_stack, whole

__all__ = ["discover", "to_sheet", "write_labels"]

logger = logging.getLogger(__name__)
PARTS = {1: "train", 2: "val", 3: "test"}
FOLD = re.compile(r"fold[ _-]?([1-3])", re.IGNORECASE)
CLASSES = 5
"""Channels of a mask that number nuclei; the sixth is the background."""
RGB = 3
NAMES = ("images.npy", "masks.npy", "types.npy")


def discover(folder: Path) -> list[Row]:
    """List the tiles of the folds that are there, each as a place in the files of its fold.

    Raises:
        ValueError: There is no fold, a fold lacks a file, or its files are of different lengths.
    """
    rows = []
    for fold, files in sorted(_folds(folder).items()):
        stacks = _opened(files)
        tissues = stacks["types.npy"] if "types.npy" in stacks else [""] * len(stacks["images.npy"])
        place = files["images.npy"].relative_to(folder).as_posix()
        for number, tissue in enumerate(tissues):
            name = f"fold{fold}-{number:04d}"
            rows.append(Row(name, place, place, part=PARTS[fold], group=str(tissue), block=f"fold{fold}"))
    if not rows:
        expected = "images.npy and masks.npy in folders that are called after their fold, such as 'Fold 1'"
        msg = f"{folder}: found no fold of PanNuke, expected {expected}; unpack the archives there."
        raise ValueError(msg)
    return rows


def write_labels(folder: Path, rows: Sequence[Row], target: Path) -> list[Row]:
    """Write each tile as PNG: the image, the numbers of its nuclei, the map of their classes (1 to 5).

    Args:
        folder: The data set.
        rows: Its tiles, from `discover`.
        target: Gets `images/`, `objects/` and `types/`.

    Returns:
        The tiles with the paths of what was written (absolute).

    Raises:
        ValueError: A file holds values that no image or mask has.
    """
    return [
        written
        for fold, files in sorted(_folds(folder).items())
        for written in _fold(fold, files, rows, target)
    ]


def instances(masks: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """The channels of a mask as one map of numbers and one of classes.

    Args:
        masks: (H, W, 6) numbers of the nuclei of each class, which may be used twice in different channels,
            and the background, which is not looked at.

    Returns:
        (H, W) numbers from 1 without gaps, channel after channel, and (H, W) classes 1 to 5. Where two
        channels overlap, the pixel belongs to the first.

    Example:
        >>> masks = np.zeros((1, 3, 6), int)
        >>> masks[0, :2, 0], masks[0, 1:, 3] = 7, 7
        >>> [found.tolist() for found in instances(masks)]
        [[[1, 1, 2]], [[1, 1, 4]]]
    """
    labels, types = np.zeros(masks.shape[:2], np.int32), np.zeros(masks.shape[:2], np.uint8)
    for index in range(CLASSES):
        channel = np.where(labels == 0, masks[..., index], 0)
        _, places = np.unique(np.append(0, channel), return_inverse=True)
        present = channel > 0
        offset = int(labels.max(initial=0))
        labels[present] = offset + places[1:].reshape(channel.shape)[present]
        types[present] = index + 1
    return labels, types


def _folds(folder: Path) -> dict[int, dict[str, Path]]:
    """The files of each fold; the number nearest to the file counts."""
    found: dict[int, dict[str, Path]] = {}
    for path in sorted(path for name in NAMES for path in folder.rglob(name)):
        numbers = FOLD.findall(path.relative_to(folder.parent).as_posix())
        if numbers:
            files = found.setdefault(int(numbers[-1]), {})
            if path.name in files:
                msg = f"found '{files[path.name]}' and '{path}' of one fold; keep one of them"
                raise ValueError(msg)
            files[path.name] = path
    for fold, files in found.items():
        if missing := [name for name in NAMES[:2] if name not in files]:
            where = next(iter(files.values())).parent
            msg = f"fold {fold} ({where}): found no {' and no '.join(missing)}; unpack the whole archive"
            raise ValueError(msg)
    return found


def _opened(files: dict[str, Path]) -> dict[str, NDArray]:
    """The arrays of a fold, all of one length."""
    stacks = {name: open_stack(path, dimensions=1 if name == NAMES[2] else 4) for name, path in files.items()}
    channels = {"images.npy": RGB, "masks.npy": CLASSES + 1}
    for name, count in channels.items():
        if stacks[name].shape[-1] != count:
            found = f"{stacks[name].shape[-1]} channels"
            raise ImageError(files[name], found, str(count), "is it the file of PanNuke?")
    shapes = {name: stack.shape[:3] for name, stack in stacks.items()}
    lengths, sizes = {shape[0] for shape in shapes.values()}, {shapes[name] for name in channels}
    if len(lengths) > 1 or len(sizes) > 1:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ImageError(files["images.npy"].parent, found, "tiles of one number and size", "unpack again")
    return stacks


def _fold(fold: int, files: dict[str, Path], rows: Sequence[Row], target: Path) -> Iterator[Row]:
    stacks = _opened(files)
    chosen = [row for row in rows if row.block == f"fold{fold}"]
    (target / "images").mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(chosen):
        pixels = whole(files["images.npy"], np.asarray(stacks["images.npy"][number]), most=255)
        masks = np.asarray(stacks["masks.npy"][number])
        labels, types = instances(whole(files["masks.npy"], masks, most=np.iinfo(np.uint16).max))
        path = target / "images" / f"{row.sample}.png"
        images.write_png(path, pixels.astype(np.uint8))
        maps = write_maps(target, row.sample, labels, types)
        yield replace(row, image=str(path.absolute()), **maps)
    logger.info("fold %d: %d tiles", fold, len(chosen))
