# SPDX-License-Identifier: MIT
"""Index the windows of targets."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from microtome import images
from microtome.job import finished_file
from microtome.patches import index_patches


def extract_patches(targets: Path, path: Path, *, classes: Sequence[str], size: int, stride: int) -> None:
    """Index the windows of every target in a folder as Parquet.

    Args:
        targets: Batch folder of targets.
        path: The index.
        classes: Class names in order.
        size: Side of a window in pixels.
        stride: Pixels between windows.
    """
    files = sorted(targets.glob("*.tif"))
    frames = [index_patches(f.stem, images.read(f), classes, size=size, stride=stride) for f in files]
    with finished_file(path) as partial:
        pd.concat(frames, ignore_index=True).to_parquet(partial, index=False)
