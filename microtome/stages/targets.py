# SPDX-License-Identifier: MIT
"""From labels to what training and evaluation take."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from microtome.class_maps import colour_target, semantic_target
from microtome.files import finished_file, finished_folder
from microtome.io import images, views
from microtome.objects import markers
from microtome.objects.labels import load_instances
from microtome.training.patches import index_patches

logger = logging.getLogger(__name__)
Row = Mapping[str, Any]
Options = Mapping[str, Any]


def rasterize_targets(samples: Sequence[Row], root: Path, folder: Path, *, targets: Options) -> None:
    """Read labels and write class indices; where targets are objects, also their ids and markers.

    Args:
        samples: Rows with sample, image, label, page, mpp; rows without a label are passed over.
        root: Folder that the rows' paths start from.
        folder: Gets one map of class indices (H, W) uint8 a sample; for objects also `instances/` (H, W)
            int32, `shape_markers/` and `centre_markers/` (H, W) uint8. Written whole or not at all.
        targets: `config.study.Targets` as a mapping; `semantic` ones have `classes` and `ignore`, or
            `colors` in class order and `ignore_colors`.

    Raises:
        ValueError: A label has values or a shape that it cannot have.
    """
    write = _write_instances if targets["kind"] == "instances" else _write_semantic
    with finished_folder(folder) as partial:
        for row in samples:
            if row["label"] is not None:
                write(row, root, partial, targets)


def _write_semantic(row: Row, root: Path, folder: Path, targets: Options) -> None:
    path, name = root / row["label"], f"label '{row['label']}' of sample {row['sample']}"
    if colors := targets.get("colors"):
        pixels = images.read(path, page=row["page"], palette="colours")
        target = colour_target(pixels, dict(colors), ignore=targets["ignore_colors"], name=name)
    else:
        values = images.read(path, page=row["page"], palette="index")
        target = semantic_target(values, dict(targets["classes"]), ignore=targets["ignore"], name=name)
    images.write(views.place(folder, row["sample"]), target, mpp=row["mpp"])


def _write_instances(row: Row, root: Path, folder: Path, targets: Options) -> None:
    header = images.header(root / row["image"])
    shape = (header.height, header.width)
    found = load_instances(root / row["label"], shape, convention=targets["convention"])
    labels, element = found.labels, targets["marker_element"]
    maps = {
        ".": (labels > 0).astype(np.uint8),
        "instances": labels,
        "shape_markers": markers.shape_markers(labels, areas=found.areas, element=element),
        "centre_markers": markers.centre_markers(labels, radius=targets["centre_radius"]),
    }
    for name, array in maps.items():
        images.write(views.place(folder / name, row["sample"]), array, mpp=row["mpp"], labels=True)
    logger.info("%s: %d objects", row["sample"], len(np.unique(labels[labels > 0])))


def extract_patches(targets: Path, path: Path, *, classes: Sequence[str], size: int, stride: int) -> None:
    """Index the windows of every target in a folder as Parquet: `size` pixels a side, `stride` pixels apart.

    `classes` are the names of the classes in order.
    """
    frames = [
        index_patches(sample, images.read(path), classes, size=size, stride=stride)
        for sample, path in views.samples(targets).items()
    ]
    with finished_file(path) as partial:
        pd.concat(frames, ignore_index=True).to_parquet(partial, index=False)
