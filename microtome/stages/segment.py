# SPDX-License-Identifier: MIT
"""Turn probability maps into label maps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from microtome import images
from microtome.job import finished_folder
from microtome.stages.folders import read_map


def segment_batch(options: Mapping[str, Any], source: Path, folder: Path) -> None:
    """Turn every probability map in a folder into a map of class indices.

    Args:
        options: The rule's options (see `plan.StudyPlan.segment`): `threshold` calls class 1 what exceeds it,
            `argmax` takes the most probable of several classes.
        source: Folder of probability maps (K, H, W).
        folder: Gets one label map (H, W) uint8 a map.

    Raises:
        ValueError: The kind does not fit the number of maps.
    """
    with finished_folder(folder) as partial:
        for path in sorted(source.glob("*.tif")):
            labels = _labels(read_map(path), options, path)
            images.write(partial / path.name, labels, mpp=images.header(path).mpp)


def _labels(probability: np.ndarray, options: Mapping[str, Any], path: Path) -> np.ndarray:
    """Class indices (H, W) of one map."""
    wanted = "argmax" if len(probability) > 1 else "threshold"
    if options["kind"] != wanted:
        msg = f"{path} holds {len(probability)} map(s), segment.kind is {options['kind']}; set it to {wanted}"
        raise ValueError(msg)
    if wanted == "argmax":
        return probability.argmax(0).astype(np.uint8)
    return (probability[0] > options["threshold"]).astype(np.uint8)
