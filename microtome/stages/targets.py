# SPDX-License-Identifier: MIT
"""From labels to what training and evaluation take."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from microtome import images, instances
from microtome.job import finished_folder
from microtome.targets import semantic_target

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
        targets: `config.study.Targets` as a mapping; `semantic` ones have `classes` and `ignore`.

    Raises:
        ValueError: A label has values or a shape that it cannot have.
    """
    write = _write_instances if targets["kind"] == "instances" else _write_semantic
    with finished_folder(folder) as partial:
        for row in samples:
            if row["label"] is not None:
                write(row, root, partial, targets)


def _write_semantic(row: Row, root: Path, folder: Path, targets: Options) -> None:
    target = semantic_target(
        images.read(root / row["label"], page=row["page"], palette="index"),
        dict(targets["classes"]),
        ignore=targets["ignore"],
        name=f"label '{row['label']}' of sample {row['sample']}",
    )
    images.write(folder / f"{row['sample']}.tif", target, mpp=row["mpp"])


def _write_instances(row: Row, root: Path, folder: Path, targets: Options) -> None:
    header = images.header(root / row["image"])
    shape = (header.height, header.width)
    found = instances.load_instances(root / row["label"], shape, convention=targets["convention"])
    labels, element = found.labels, targets["marker_element"]
    maps = {
        ".": (labels > 0).astype(np.uint8),
        "instances": labels,
        "shape_markers": instances.shape_markers(labels, areas=found.areas, element=element),
        "centre_markers": instances.centre_markers(labels, radius=targets["centre_radius"]),
    }
    for name, array in maps.items():
        images.write(folder / name / f"{row['sample']}.tif", array, mpp=row["mpp"], labels=True)
    logger.info("%s: %d objects", row["sample"], len(np.unique(labels[labels > 0])))
