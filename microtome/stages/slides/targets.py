# SPDX-License-Identifier: MIT
"""From annotations of slides to targets and windows for training, band by band."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from microtome.class_maps import IGNORE
from microtome.config.features import Features
from microtome.files import finished_file, finished_folder
from microtome.io import views
from microtome.io.annotations import starts_at_canvas
from microtome.io.errors import AnnotationError
from microtome.io.failures import read_failures
from microtome.io.images import header, open_source
from microtome.io.raster import Raster
from microtome.io.slides import Reference, read_reference
from microtome.io.tiff_stream import TILE, PyramidWriter
from microtome.objects.areas import Areas
from microtome.objects.features import read_areas
from microtome.objects.labels import OUTLINE_SUFFIXES
from microtome.slides.shares import tissue_shares
from microtome.stages.targets import LEFT_OUT, write_left_out
from microtome.training.patches import columns_of, labelled_share, origins, shares

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
BAND = 2 * TILE
"""Rows that are drawn at once: of whole tiles."""


def annotate_slides(options: Options, root: Path, images: Path, folder: Path) -> None:
    """Draw the annotations of slides on the pixels that networks see.

    Args:
        options: `samples`: rows with sample and label, a file of outlines; rows without a label are passed
            over. `targets`: `config.study.Targets` as a mapping, with `classes`, pairs of name and value in
            class order.
        root: Folder that the rows' paths start from.
        images: References of the slides.
        folder: Gets a map of class indices (H, W) uint8 for each slide, in `regions/` one of a bit for each
            of `targets.regions` (the first: 1), in tiles and levels. Written whole or not at all.

    Raises:
        AnnotationError: A label is no file of outlines, or one at fault.
        FileNotFoundError: A slide has no reference.
    """
    targets = options["targets"]
    left_out: dict[str, Mapping[str, int]] = {}
    with finished_folder(folder) as partial:
        for row in options["samples"]:
            if row["label"] is not None:
                reference = read_reference(views.find_sample([images], row["sample"]))
                areas, reasons = _areas(root / row["label"], reference, targets)
                left_out[row["sample"]] = reasons
                _draw(areas, reference, partial, row["sample"], has_regions="regions" in targets)
        write_left_out(left_out, partial / LEFT_OUT)


def _areas(path: Path, reference: Reference, targets: Options) -> tuple[Areas, Mapping[str, int]]:
    if path.suffix.lower() not in OUTLINE_SUFFIXES:
        expected = f"outlines ({', '.join(OUTLINE_SUFFIXES)})"
        raise AnnotationError(path, f"a file '{path.suffix}'", expected, "export the annotations")
    classes, outside = [name for name, _ in targets["classes"]], targets["outside"]
    canvas = reference.bounds[:2] if starts_at_canvas(path) else (0, 0)
    return read_areas(
        path,
        reference.shape,
        Features.model_validate(targets["features"]),
        classes=classes,
        order=targets["order"],
        outside=IGNORE if outside is None else classes.index(outside),
        regions=dict(targets.get("regions", ())),
        convention=targets["convention"],
        scale=reference.scale,
        origin=canvas,
    )


def _draw(areas: Areas, reference: Reference, folder: Path, sample: str, *, has_regions: bool) -> None:
    """Write the classes and the regions of a slide while they are drawn."""
    options = {"shape": (1, *reference.shape), "dtype": np.uint8, "mpp": reference.mpp, "labels": True}
    with ExitStack() as stack:
        classes = stack.enter_context(PyramidWriter(views.place(folder, sample), **options))
        places = [views.place(folder / views.REGIONS, sample)] if has_regions else []
        regions = [stack.enter_context(PyramidWriter(place, **options)) for place in places]
        for band in areas.bands(reference.shape, BAND):
            classes.write(band.y, band.classes[None])
            for writer in regions:
                writer.write(band.y, band.regions[None])


def index_tissue(options: Options, targets: Path, tissue: Path, path: Path) -> None:
    """Index the windows of slides that hold tissue as Parquet.

    Args:
        options: `patches` (`config.study.Patches` as a mapping), `classes` and `regions` (names in order),
            `least_tissue` (share of a window).
        targets: Maps of `annotate_slides`.
        tissue: Masks of the same slides (0 and 1), of any pixel size; slides with a record of failure in
            their place are left out.
        path: Gets a row for each window: sample, y, x, size, level (0), `fraction_<class>` and
            `fraction_<region>` of the window's pixels inside the slide, and its share of tissue.

    Raises:
        FileNotFoundError: A slide has no mask of its tissue.
        ImageError: A map cannot be read.
    """
    names = columns_of(options["classes"], options["regions"])
    failed = read_failures(tissue)
    files = {sample: file for sample, file in views.samples(targets).items() if sample not in failed}
    rows = [
        row
        for sample, file in files.items()
        for row in _windows(sample, file, views.find_sample([tissue], sample), options)
    ]
    frame = pd.DataFrame(rows, columns=[*names, "tissue"])
    logger.info("%d windows hold tissue", len(frame))
    with finished_file(path) as partial:
        frame.to_parquet(partial, index=False)


def _windows(sample: str, target: Path, mask: Path, options: Options) -> Iterator[tuple[Any, ...]]:
    """The windows of a slide with enough tissue, row of windows after row of windows."""
    classes, found = _opened(target), _opened(mask)
    maps = views.place(target.parent / views.REGIONS, sample)
    regions = _opened(maps) if options["regions"] else None
    size, stride = (options["patches"][name] for name in ("size", "stride"))
    (_, height, width), step = classes.shape, _steps(target, mask)
    columns = origins(width, size, stride)
    spans = [(x, min(x + size, width)) for x in columns]
    for y in origins(height, size, stride):
        held = tissue_shares(found, (y, min(y + size, height)), spans, step).tolist()
        wanted = [pair for pair in zip(columns, held, strict=True) if 0 < pair[1] >= options["least_tissue"]]
        for x, share, block, bits in _blocks(classes, regions, y, wanted, size):
            if labelled_share(block) < options["patches"]["labelled"]:
                continue
            fractions = shares(block, bits, len(options["classes"]), len(options["regions"]))
            yield (sample, y, x, size, 0, *fractions, share)


def _opened(path: Path) -> Raster:
    """A map to be read from top to bottom: two rows of its tiles are kept, which windows may share."""
    return open_source(path, cache_bytes=2 * TILE * header(path).width)


def _blocks(
    classes: Raster, regions: Raster | None, y: int, wanted: Sequence[tuple[int, float]], size: int
) -> Iterator[tuple[int, float, np.ndarray, np.ndarray | None]]:
    """The pixels of some windows of one row: each map is read once, from the first window to the last."""
    if not wanted:
        return
    _, height, width = classes.shape
    left, right = wanted[0][0], min(wanted[-1][0] + size, width)
    place = (y, left, min(size, height - y), right - left)
    band = classes.read(*place)[0]
    bits = None if regions is None else regions.read(*place)[0]
    for x, share in wanted:
        cut = slice(x - left, x - left + size)
        yield x, share, band[:, cut], None if bits is None else bits[:, cut]


def _steps(target: Path, mask: Path) -> tuple[float, float]:
    """Pixels of the mask in a pixel of the target (y, x)."""
    fine, coarse = header(target), header(mask)
    if fine.mpp and coarse.mpp:
        return (fine.mpp / coarse.mpp,) * 2
    return coarse.height / fine.height, coarse.width / fine.width
