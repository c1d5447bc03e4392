# SPDX-License-Identifier: MIT
"""Turn probability maps into label maps."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from microtome.config.prediction import BoundaryWatershed, Watershed
from microtome.files import finished_folder
from microtome.io import images, views
from microtome.io.raster import EVERY, ArraySource, Raster
from microtome.objects.types import class_map, vote_of_maps
from microtome.provenance.cards import read_json

Options = Mapping[str, Any]

ROWS = 512
"""Rows of a map that are read at once."""
MOST_MAPS = 2
"""A watershed takes a mask and a marker."""
BESIDE = ("activation", "of", "tuned")
"""Options of the rule that are none of `segment`."""


class Segmented(NamedTuple):
    """Class indices (H, W) uint8 of an image; where objects are separated, their numbers (H, W) int32."""

    classes: np.ndarray
    objects: np.ndarray | None = None


def segment_batch(options: Options, source: Path, folder: Path, *, tuned: Path | None = None) -> None:
    """Turn every probability map in a folder into a map of class indices.

    Args:
        options: The rule's options (see `workflow.states`): `threshold` calls class 1 what exceeds it,
            `argmax` takes the most probable of several classes, `watershed` separates objects, of
            class 1 or, with `activation` softmax, of the class that most of their pixels vote for,
            `boundary_watershed` regions, between lines of the class with index `of`.
        source: Folder of probability maps (K, H, W).
        folder: Gets one label map (H, W) uint8 a map; of a watershed also `instances/`, (H, W) int32 object
            numbers.
        tuned: Values of options that were chosen on other images (`stages.tune`).

    Raises:
        ValueError: The kind does not fit the number of maps, or the watershed cannot take a map or an option.
    """
    chosen = options if tuned is None else with_tuned(options, tuned)
    with finished_folder(folder) as partial:
        for path in views.samples(source).values():
            with tempfile.TemporaryDirectory(dir=partial, prefix=".watershed-") as scratch:
                found, mpp = segmented(path, chosen, Path(scratch)), images.header(path).mpp
                images.write(partial / path.name, found.classes, mpp=mpp, labels=True)
                if found.objects is not None:
                    images.write(partial / views.INSTANCES / path.name, found.objects, mpp=mpp, labels=True)


def with_tuned(options: Options, tuned: Path) -> Options:
    """The options with the values that a file of `stages.tune` has.

    Raises:
        ValueError: It is no such file.
    """
    found = read_json(tuned)
    if not isinstance(found, dict) or not isinstance(found.get("values"), dict):
        msg = f"{tuned} has no `values`, expected what the rule `tune` writes; run it again"
        raise ValueError(msg)
    return {**options, **found["values"]}


def segmented(path: Path, options: Options, scratch: Path) -> Segmented:
    """Segment one map with options as those of `segment_batch`; of tiles, the numbers lie in `scratch`."""
    kind, source = options["kind"], views.open_map(path)
    if kind == "watershed":
        with views.of_sample(path.stem):
            return _objects(path, source, options, scratch)
    if kind == "boundary_watershed":
        with views.of_sample(path.stem):
            return Segmented(_regions(path, source, options))
    return Segmented(_labels(source, options, path))


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


def _objects(path: Path, source: Raster, options: Options, scratch: Path) -> Segmented:
    """The class map and the object numbers of one map."""
    by_classes = options.get("activation") == "softmax"
    settings = Watershed.model_validate(_own(options))
    if not by_classes and source.shape[0] > MOST_MAPS:
        msg = f"{path} holds {source.shape[0]} maps, segment.kind watershed takes a mask and at most a marker"
        raise ValueError(msg)
    with _named(path):
        objects = _separated(Foreground(source) if by_classes else source, settings, scratch)
    types = class_map(objects, vote_of_maps(objects, source)) if by_classes else objects > 0
    return Segmented(types.astype(np.uint8), objects)


def _separated(source: Raster, settings: Watershed, scratch: Path) -> np.ndarray:
    """Object numbers (H, W); with tiles, a file in `scratch`."""
    from microtome.objects.watershed import separate, separate_tiled  # slow to import: most runs find classes

    if settings.tile is not None:
        return separate_tiled(source, settings, scratch=scratch)
    mask, *marker = source.read(0, 0, *source.shape[1:])
    return separate(mask, *(marker if settings.markers == "predicted" else ()), settings=settings)


def _regions(path: Path, source: Raster, options: Options) -> np.ndarray:
    """Class indices (H, W): lines of the boundary's class, and between them the class of each region."""
    from microtome.objects.regions import separate_regions  # likewise

    maps, index = source.read(0, 0, *source.shape[1:]), options["of"]
    by_classes = options.get("activation") == "softmax"
    if not by_classes and len(maps) > 1:
        msg = f"{path} holds {len(maps)} maps, segment.kind boundary_watershed takes one, or one a class"
        raise ValueError(msg)
    if not by_classes:
        maps = np.concatenate((1 - maps, maps))
    order = [index, *(number for number in range(len(maps)) if number != index)]
    with _named(path):
        regions = separate_regions(maps[index], BoundaryWatershed.model_validate(_own(options)))
    found = class_map(regions, vote_of_maps(regions, ArraySource(maps[order])))
    return np.array(order, np.uint8)[found]


def _own(options: Options) -> dict[str, Any]:
    """The options of a section `segment`, without what is said beside them."""
    return {key: value for key, value in options.items() if key not in BESIDE}


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the map that a method cannot take."""
    try:
        yield
    except ValueError as error:
        msg = f"{path}: {error}"
        raise ValueError(msg) from error


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
