# SPDX-License-Identifier: MIT
"""From labels to what training and evaluation take."""

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from microtome.class_maps import IGNORE, colour_target, semantic_target
from microtome.config.features import Features
from microtome.files import finished_folder
from microtome.io import images, views
from microtome.io.downsample import middle_of_squares, read_reduced, reduced_size
from microtome.io.envi_header import read_header
from microtome.objects import markers
from microtome.objects.features import HALF, load_objects, read_areas
from microtome.objects.labels import OUTLINE_SUFFIXES, Instances, load_instances
from microtome.objects.markers import some
from microtome.objects.types import class_map, vote
from microtome.stages.images import pixel_size
from microtome.stages.label_counts import check_counts

logger = logging.getLogger(__name__)
Row = Mapping[str, Any]
Options = Mapping[str, Any]
BAND = 1024
"""Rows of outlines that are drawn at once."""
TWO = 2
"""Classes where every object is of one."""
COUNTED = "pixels_"
"""What the columns of labelled pixels begin with."""
LEFT_OUT = "left_out.tsv"
"""Beside the targets: sample, reason and number of the outlines that are no labels."""


def rasterize_targets(
    samples: Sequence[Row], root: Path, folder: Path, *, targets: Options, mpp_from: str | None = None
) -> None:
    """Read labels and write class indices; where targets are objects, also their ids and markers.

    Args:
        samples: Rows with sample, image, label, page, mpp; rows without a label are passed over.
        root: Folder that the rows' paths start from.
        folder: Gets one map of class indices (H, W) uint8 a sample, and of outlines with regions `regions/`
            with a bit for each; for objects also `instances/` (H, W)
            int32, `shape_markers/` and `centre_markers/` (H, W) uint8. Of rows with `full`, `full/` has
            the same of these labels, which are complete. Written whole or not at all.
        targets: `config.study.Targets` as a mapping; with `classes`, pairs of name and value in
            class order; `semantic` ones have `ignore`, or `colors` and `ignore_colors`, too; `downsample` as
            for images, of which a label has the pixels in the middle of the squares.
        mpp_from: As for `stages.images.import_images`; the pixel size is that of the image where the row
            names it, else that of the label.

    Raises:
        ValueError: A label has values or a shape that it cannot have, or other pixels than its row says.
    """
    write = _write_instances if targets["kind"] == "instances" else _write_semantic
    left_out: dict[str, Mapping[str, int]] = {}
    with finished_folder(folder) as partial:
        for row in samples:
            if row["label"] is not None:
                file = root / (row.get("image") or row["label"])
                mpp = pixel_size(row, file, mpp_from)
                sized = {**row, "mpp": mpp and mpp * targets.get("downsample", 1)}
                left_out[row["sample"]] = write(sized, root, partial, targets)
                if row.get("full"):
                    write(_complete(sized), root, partial / views.FULL, targets)
                if targets["kind"] == "semantic":
                    check_counts(row, root, targets)
        write_left_out(left_out, partial / LEFT_OUT)


def _complete(row: Row) -> Row:
    """The row with the label that is complete in place of the other, whose pixels the sheet counts."""
    kept = {name: cell for name, cell in row.items() if not name.startswith(COUNTED)}
    return {**kept, "label": row["full"]}


def _write_semantic(row: Row, root: Path, folder: Path, targets: Options) -> Mapping[str, int]:
    path, name = root / row["label"], f"label '{row['label']}' of sample {row['sample']}"
    left_out: Mapping[str, int] = {}
    regions: np.ndarray | None = None
    if path.suffix.lower() in OUTLINE_SUFFIXES:
        target, regions, left_out = _drawn(path, _shape(root / row["image"], row["page"]), targets)
    elif colors := targets.get("colors"):
        pixels = images.read(path, page=row["page"], palette="colours")
        pixels = np.moveaxis(_coarser(np.moveaxis(pixels, -1, 0), targets, path), 0, -1)
        target = colour_target(pixels, dict(colors), ignore=targets["ignore_colors"], name=name)
    else:
        values, step = _values(path, row["page"], targets), images.header(path).step
        known = {"classes": dict(targets["classes"]), "ignore": targets["ignore"]}
        target = semantic_target(values, **known, name=name, step=step)
    if (target == IGNORE).all():
        logger.warning("%s: no pixel is labelled, so its metrics are undefined", name)
    images.write(views.place(folder, row["sample"]), target, mpp=row["mpp"], labels=True)
    if regions is not None:
        place = views.place(folder / views.REGIONS, row["sample"])
        images.write(place, regions, mpp=row["mpp"], labels=True)
    return left_out


def _values(path: Path, page: int | None, targets: Options) -> np.ndarray:
    """The values of a label image, (H, W) or (H, W, C)."""
    factor = targets.get("downsample", 1)
    if factor == 1:
        return images.read(path, page=page, palette="index")
    source = images.open_source(path, page=page, palette="index", cache_bytes=0)
    values = read_reduced(source, factor, name=path)
    return values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)


def _coarser(array: np.ndarray, targets: Options, path: Path) -> np.ndarray:
    """Those pixels of a label (..., H, W) that targets have."""
    factor = targets.get("downsample", 1)
    if factor == 1:
        return array
    reduced_size(*array.shape[-2:], factor, name=path)
    return middle_of_squares(array, factor)


def _drawn(
    path: Path, shape: tuple[int, int], targets: Options
) -> tuple[np.ndarray, np.ndarray | None, Mapping[str, int]]:
    """Class indices, the bits of regions where there are some, and what is left out."""
    classes, outside = [name for name, _ in targets["classes"]], targets["outside"]
    options = {key: targets[key] for key in ("order", "convention")}
    options["regions"] = dict(targets.get("regions", ()))
    value = IGNORE if outside is None else classes.index(outside)
    areas, left_out = read_areas(path, shape, _features(targets), classes=classes, outside=value, **options)
    factor = targets.get("downsample", 1)
    height, width = reduced_size(*shape, factor, name=path)
    drawn = areas.bands((height * factor, width * factor), BAND // factor * factor)
    classes, bits = zip(
        *(
            [middle_of_squares(array, factor).copy() for array in (band.classes, band.regions)]
            for band in drawn
        ),
        strict=True,
    )
    return np.concatenate(classes), np.concatenate(bits) if options["regions"] else None, left_out


def _write_instances(row: Row, root: Path, folder: Path, targets: Options) -> Mapping[str, int]:
    path, shape, left_out = root / row["label"], _shape(root / row["image"], row["page"]), {}
    classes = [name for name, _ in targets["classes"]]
    if path.suffix.lower() in OUTLINE_SUFFIXES:
        options = {"classes": classes, "convention": targets["convention"]}
        found, of, left_out = load_objects(path, shape, _features(targets), **options)
    else:
        found = load_instances(path, shape, page=row["page"])
        of = _classes_of(found.labels, row, root, dict(targets["classes"]))
    found = _coarser_objects(found, targets, path)
    labels, element = found.labels, targets["marker_element"]
    classed = class_map(labels, of)
    maps = {
        ".": classed,
        "instances": labels,
        "shape_markers": markers.shape_markers(labels, areas=found.areas, element=element),
        "separated_masks": np.where(markers.between(labels, targets["gap"]), np.uint8(0), classed),
        "centre_markers": markers.centre_markers(labels, radius=targets["centre_radius"]),
    }
    for name, array in maps.items():
        images.write(views.place(folder / name, row["sample"]), array, mpp=row["mpp"], labels=True)
    logger.info("%s: %d objects", row["sample"], len(np.unique(labels[labels > 0])))
    _warn_of_one(labels, row)
    return left_out


def _coarser_objects(found: Instances, targets: Options, path: Path) -> Instances:
    """Objects with the pixels that targets have; those that keep none are gone, with a line in the log."""
    labels = _coarser(found.labels, targets, path)
    if labels is found.labels:
        return found
    kept, area = set(np.unique(labels).tolist()), targets["downsample"] ** 2
    if lost := sorted(found.areas.keys() - kept):
        text = "%s: %d of %d objects have no pixel left (data.downsample): %s"
        logger.warning(text, path, len(lost), len(found.areas), some(lost))
    areas = {number: size / area for number, size in found.areas.items() if number in kept}
    return Instances(np.ascontiguousarray(labels), areas)


def _classes_of(labels: np.ndarray, row: Row, root: Path, classes: Mapping[str, int]) -> dict[int, int]:
    """The class of each object of a label image, by the map of classes beside it."""
    if len(classes) == TWO:
        return dict.fromkeys(np.unique(labels[labels > 0]).tolist(), 1)
    name = f"of sample {row['sample']}"
    if not row.get("types"):
        found = f"label '{row['label']}' {name} numbers objects of {len(classes) - 1} classes"
        msg = f"{found} without saying theirs; name a map of classes in column 'types', or use outlines"
        raise ValueError(msg)
    path = root / row["types"]
    values, step = images.read(path, page=row["page"], palette="index"), images.header(path).step
    types = semantic_target(values, classes, name=f"map of classes '{row['types']}' {name}", step=step)
    if types.shape != labels.shape:
        found = f"map of classes '{row['types']}' {name} has shape {types.shape}, its label {labels.shape}"
        msg = f"{found}; give maps of one image"
        raise ValueError(msg)
    of = vote(labels, types, len(classes))
    if lacking := [number for number, index in of.items() if index == 0]:
        found = f"is background at {len(lacking)} objects: {some(lacking)}"
        msg = f"map of classes '{row['types']}' {name} {found}; give each a class"
        raise ValueError(msg)
    return of


def _warn_of_one(labels: np.ndarray, row: Row) -> None:
    """Say that an object covers half of the image, as a region or a mask taken for objects does."""
    numbers, sizes = np.unique(labels[labels > 0], return_counts=True)
    if sizes.size and sizes.max() >= HALF * labels.size:
        share, number = sizes.max() / labels.size, numbers[sizes.argmax()]
        text = "%s: object %d of '%s' covers %.0f %% of the image; is it an object, or a region or a mask?"
        logger.warning(text, row["sample"], number, row["label"], 100 * share)


def _features(targets: Options) -> Features:
    return Features.model_validate(targets["features"])


def _shape(image: Path, page: int | None) -> tuple[int, int]:
    """Rows and columns of the image that outlines belong to."""
    is_cube = image.suffix.lower() == views.CUBE
    header = read_header(image) if is_cube else images.header(image).of_page(page)
    return header.height, header.width


def write_left_out(left_out: Mapping[str, Mapping[str, int]], path: Path) -> None:
    """Write how many outlines of each sample are no labels and why, if there are any; the log says so too."""
    rows = [
        {"sample": sample, "reason": reason, "outlines": count}
        for sample, reasons in left_out.items()
        for reason, count in reasons.items()
    ]
    for row in rows:
        logger.warning("%(sample)s: %(outlines)d outlines are left out (%(reason)s)", row)
    if rows:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
