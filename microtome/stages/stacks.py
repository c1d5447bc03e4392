# SPDX-License-Identifier: MIT
"""Slices with their neighbours as further channels: what a network with 2.5-D input sees."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome.files import finished_folder
from microtome.io import images, views
from microtome.io.errors import ImageError
from microtome.io.raster import Raster, StackedSource
from microtome.io.tiff_stream import PyramidWriter
from microtome.io.tiff_writer import PYRAMID_FROM

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
ROWS = 256
"""Rows that are read and written at once, those of a tile."""


def stack_batch(options: Options, folders: Sequence[Path], folder: Path) -> None:
    """Write each slice of a batch with its neighbours.

    Args:
        options: The rule's options (see `workflow.states`): `slices`, sample to the samples that it is
            stacked of.
        folders: Folders of images that hold them.
        folder: Gets one image a sample, written whole or not at all.

    Raises:
        ImageError: Neighbours are of another size, type or number of channels.
        FileNotFoundError: A sample has no image.
    """
    with finished_folder(folder) as partial:
        for sample, slices in options["slices"].items():
            paths = [views.find_sample(folders, each) for each in slices]
            write_stack(paths, views.place(partial, sample))
            logger.info("%s: %s", sample, ", ".join(slices))


def write_stack(paths: Sequence[Path], target: Path) -> None:
    """Write images as the channels of one, which has the pixel size of that in the middle.

    Args:
        paths: Images (C, H, W) of one size, type and number of channels.
        target: Gets their channels in order, (len(paths) C, H, W), a few rows at a time.

    Raises:
        ImageError: They differ in one of these.
    """
    headers = [images.header(path) for path in paths]
    own = headers[len(paths) // 2]
    for path, header in zip(paths, headers, strict=True):
        shapes = [(h.channels, h.height, h.width, h.dtype) for h in (header, own)]
        if shapes[0] != shapes[1]:
            found, expected = (f"{c} x {h} x {w} values of type {kind}" for c, h, w, kind in shapes)
            said = f"{expected}, as its neighbour {paths[len(paths) // 2].name} in the stack"
            raise ImageError(path, found, said, "align the slices, or take it out of the stack")
    source = StackedSource(tuple(images.open_source(path) for path in paths))
    settings = {"mpp": own.mpp, "tile": ROWS, "pyramid_from": PYRAMID_FROM}
    with PyramidWriter(target, source.shape, source.dtype, **settings) as writer:
        for y, rows in _bands(source):
            writer.write(y, source.read(y, 0, rows, source.shape[2]))


def _bands(source: Raster) -> Iterator[tuple[int, int]]:
    """The first row and the rows of each band."""
    height = source.shape[1]
    return ((y, min(ROWS, height - y)) for y in range(0, height, ROWS))
