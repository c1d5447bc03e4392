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
    """Turn every probability map in a folder into a map of class indices."""
    with finished_folder(folder) as partial:
        for path in sorted(source.glob("*.tif")):
            probability = read_map(path)
            if options["kind"] == "argmax":
                labels = probability.argmax(0).astype(np.uint8)
            else:
                labels = (probability[0] > options["threshold"]).astype(np.uint8)
            images.write(partial / path.name, labels, mpp=images.header(path).mpp)
