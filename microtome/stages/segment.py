# SPDX-License-Identifier: MIT
"""Turn probability maps into label maps."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from microtome.config.prediction import Watershed
from microtome.files import finished_folder
from microtome.io import images, views
from microtome.io.raster import EVERY, Raster
from microtome.objects.types import class_map, vote_of_maps

Options = Mapping[str, Any]

ROWS = 512
"""Rows of a map that are read at once."""
MOST_MAPS = 2
"""A watershed takes a mask and a marker."""


def segment_batch(options: Options, source: Path, folder: Path) -> None:
    """Turn every probability map in a folder into a map of class indices.

    Args:
        options: The rule's options (see `workflow.states`): `threshold` calls class 1 what exceeds it,
            `argmax` takes the most probable of several classes, `watershed` separates objects, of
            class 1 or, with `activation` softmax, of the class that most of their pixels vote for.
        source: Folder of probability maps (K, H, W).
        folder: Gets one label map (H, W) uint8 a map; of a watershed also `instances/`, (H, W) int32 object
            numbers.

    Raises:
        ValueError: The kind does not fit the number of maps, or the watershed cannot take a map or an option.
    """
    with finished_folder(folder) as partial:
        for path in views.samples(source).values():
            if options["kind"] == "watershed":
                with views.of_sample(path.stem):
                    _write_objects(path, options, partial)
                continue
            labels = _labels(views.open_map(path), options, path)
            images.write(partial / path.name, labels, mpp=images.header(path).mpp, labels=True)


def _labels(source: Raster, options: Options, path: Path) -> np.ndarray:
    """Class indices (H, W) of one map, which is read band by band."""
    count, height, width = source.shape
    wanted = "argmax" if count > 1 else "threshold"
    if options["kind"] != wanted:
        msg = f"{path} holds {count} map(s), segment.kind is {options['kind']}; set it to {wanted}"
        raise ValueError(msg)
    labels = np.empty((height, width), np.uint8)
    for top in range(0, height, ROWS):
        band = source.read(top, 0, min(ROWS, height - top), width)
        labels[top : top + ROWS] = band.argmax(0) if wanted == "argmax" else band[0] > options["threshold"]
    return labels


def _write_objects(path: Path, options: Options, folder: Path) -> None:
    """Write the class map and the object numbers of one map."""
    by_classes = options.get("activation") == "softmax"
    chosen = {key: value for key, value in options.items() if key != "activation"}
    settings, source = Watershed.model_validate(chosen), views.open_map(path)
    if not by_classes and source.shape[0] > MOST_MAPS:
        msg = f"{path} holds {source.shape[0]} maps, segment.kind watershed takes a mask and at most a marker"
        raise ValueError(msg)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".watershed-") as scratch:
        try:
            objects = _objects(Foreground(source) if by_classes else source, settings, Path(scratch))
        except ValueError as error:
            msg = f"{path}: {error}"
            raise ValueError(msg) from error
        types = class_map(objects, vote_of_maps(objects, source)) if by_classes else objects > 0
        mpp = images.header(path).mpp
        images.write(folder / path.name, types.astype(np.uint8), mpp=mpp, labels=True)
        images.write(folder / views.INSTANCES / path.name, objects, mpp=mpp, labels=True)


def _objects(source: Raster, settings: Watershed, scratch: Path) -> np.ndarray:
    """Object numbers (H, W); with tiles, a file in `scratch`."""
    from microtome.objects.watershed import separate, separate_tiled  # slow to import: most runs find classes

    if settings.tile is not None:
        return separate_tiled(source, settings, scratch=scratch)
    mask, *marker = source.read(0, 0, *source.shape[1:])
    return separate(mask, *(marker if settings.markers == "predicted" else ()), settings=settings)


@dataclass(frozen=True)
class Foreground:
    """What is not background in maps of classes that sum to 1, as a raster of one map."""

    source: Raster

    @property
    def shape(self) -> tuple[int, int, int]:
        """One channel, rows, columns."""
        return (1, *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Pixel type of the maps."""
        return self.source.dtype

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> np.ndarray:
        """One minus the first map in a window."""
        background = self.source.read(y, x, height, width, slice(0, 1))
        return np.clip(1 - background, 0, 1)[channels]
