# SPDX-License-Identifier: MIT
"""Label images: files whose pixel values are object numbers. Used through :mod:`microtome.objects.labels`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.io import images
from microtome.io.errors import ImageError

LARGEST_LABEL = int(np.iinfo(np.int32).max)
LOSSY = ("JPEG", "JPEG2000")
EVERY_NEIGHBOUR = np.ones((3, 3), int)


def read(path: Path, shape: tuple[int, int], *, page: int | None = None) -> NDArray[np.int32]:
    """Read a label image, (H, W) int32 of this shape (see :func:`microtome.objects.labels.load_instances`).

    Raises:
        ImageError: The file cannot be a label image of this size.
    """
    header = images.header(path)
    if header.format in LOSSY:
        found = f"{header.format}, whose compression changes object numbers"
        raise ImageError(path, found, "PNG or TIFF", "give the file as first saved, or the annotation file")
    values = images.read(path, page=page, palette="index")
    values = values // header.step if header.step > 1 else values
    if values.ndim != len(shape):
        remedy = "export the numbers (16-bit PNG, TIFF), which a colour picture does not hold"
        raise ImageError(path, f"{values.shape[2]} channels", "one channel of object numbers", remedy)
    if values.shape != tuple(shape):
        found = f"{values.shape[0]} rows x {values.shape[1]} columns"
        expected = f"{shape[0]} x {shape[1]} as the image has"
        raise ImageError(path, found, expected, "check that label and image belong together")
    return _no_mask(path, _whole(path, values))


def _whole(path: Path, values: NDArray) -> NDArray[np.int32]:
    if values.dtype.kind == "f":
        wrong = ~(np.isfinite(values) & (values == np.rint(values)))
        if wrong.any():
            found = f"{int(wrong.sum())} pixels not whole, the first {values[wrong][0]}"
            remedy = "save the label map, not a probability or a resized label"
            raise ImageError(path, found, "object numbers", remedy)
    if values.min() < 0 or values.max() > LARGEST_LABEL:
        found = f"values {values.min()} to {values.max()}"
        raise ImageError(path, found, f"0 to {LARGEST_LABEL}", "renumber")
    return values.astype(np.int32)


def _no_mask(path: Path, labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Refuse masks: one value that is no plausible object number, or one value in several places."""
    found = np.unique(labels[labels > 0])
    if found.size != 1:
        return labels
    value = int(found[0])
    from scipy import ndimage  # slow to import, and most studies have no objects

    _, pieces = ndimage.label(labels > 0, EVERY_NEIGHBOUR)
    if pieces == 1 and value not in (np.iinfo(np.uint8).max, np.iinfo(np.uint16).max):
        return labels
    found = f"a mask (only the value {value}, {pieces} pieces)"
    remedy = "touching objects cannot be told apart; if each piece is one object, number the pieces"
    raise ImageError(path, found, "a number of its own for each object", remedy)
