# SPDX-License-Identifier: MIT
"""Windows of slides, of their annotations and of heat-maps, on one lattice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.io import images, views

BYTE = 255
EIGHT_CONNECTED = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Place:
    """A window of a slide, in pixels of the lattice that networks see.

    Attributes:
        sample: Name of the slide.
        y: First row.
        x: First column.
        height: Rows.
        width: Columns.
    """

    sample: str
    y: int
    x: int
    height: int
    width: int

    def within(self, height: int, width: int) -> "Place":
        """The window moved, and if need be cut, into a slide of this size.

        Example:
            >>> Place("a", 90, 0, 20, 20).within(100, 15)
            Place(sample='a', y=80, x=0, height=20, width=15)
        """
        rows, columns = min(self.height, height), min(self.width, width)
        y, x = min(max(self.y, 0), height - rows), min(max(self.x, 0), width - columns)
        return Place(self.sample, y, x, rows, columns)


def read_picture(folders: Sequence[Path], place: Place) -> NDArray[np.float64]:
    """The pixels (H, W, 3) of a slide, 0 to 1."""
    source = views.open_raster(views.find_sample(folders, place.sample))
    return np.moveaxis(source.read(place.y, place.x, place.height, place.width), 0, -1) / BYTE


def read_classes(folders: Sequence[Path], place: Place) -> NDArray[np.uint8]:
    """The annotated classes (H, W) of a slide."""
    source = views.open_raster(views.find_sample(folders, place.sample))
    return source.read(place.y, place.x, place.height, place.width)[0]


def read_heat(
    folders: Sequence[Path], place: Place, class_name: str, *, mpp: float | None
) -> NDArray[np.float32]:
    """The probability (H, W) of a class from a heat-map, which may be on a coarser lattice.

    Args:
        folders: Batch folders of a run's predictions.
        place: The window.
        class_name: The class; of maps that name no channels the first is taken.
        mpp: Pixel size of the slide as networks see it, µm; None: that of the map.

    Returns:
        Probabilities; a pixel of a coarser map stands for the pixels that it covers.
    """
    path = views.find_sample(folders, place.sample)
    source, found, names = views.open_raster(path), images.header(path).mpp, images.channel_names(path)
    factor = max(1, round(found / mpp)) if found and mpp else 1
    top, left = place.y // factor, place.x // factor
    rows = -(-(place.y + place.height) // factor) - top
    columns = -(-(place.x + place.width) // factor) - left
    channel = names.index(class_name) if class_name in names else 0
    values = source.read(top, left, rows, columns)[channel]
    values = values / np.float32(BYTE) if values.dtype == np.uint8 else values.astype(np.float32)
    full = values.repeat(factor, axis=0).repeat(factor, axis=1)
    y, x = place.y - top * factor, place.x - left * factor
    return full[y : y + place.height, x : x + place.width]


def large_regions(
    probability: NDArray[np.floating], threshold: float, least_area: float, *, pixel_area: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a window is called, and where its regions are too small for that.

    Args:
        probability: (H, W).
        threshold: Least probability of a pixel.
        least_area: Least area of an 8-connected region, µm²; a region that is cut by the window's border may
            be larger than it looks, and counts as large.
        pixel_area: µm².

    Returns:
        Pixels of regions that are large enough, and those of the others, (H, W) each.

    Example:
        >>> p = np.zeros((5, 5)); p[1, 1] = p[3, 2:4] = 1
        >>> [mask.sum() for mask in large_regions(p, 0.5, 2.0, pixel_area=1.0)]
        [np.int64(2), np.int64(1)]
    """
    mask = probability >= threshold
    labels, count = ndimage.label(mask, EIGHT_CONNECTED)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    is_large = np.bincount(labels.ravel(), minlength=count + 1) * pixel_area >= least_area
    is_large[border] = True
    is_large[0] = False
    large = is_large[labels]
    return large, mask & ~large
