# SPDX-License-Identifier: MIT
"""Batch folders: each holds one file a sample."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from microtome.io import images

INSTANCES = "instances"
"""Folder of the maps of objects, beside the class maps."""


def read_map(path: Path) -> np.ndarray:
    """A probability map (K, H, W)."""
    source = images.open_source(path)
    return source.read(0, 0, *source.shape[1:])


def find_sample(folders: Iterable[Path], sample: str) -> Path:
    """The file of a sample in one of several batch folders.

    Raises:
        FileNotFoundError: None has it.
    """
    folders = [Path(folder) for folder in folders]
    for folder in folders:
        if (folder / f"{sample}.tif").is_file():
            return folder / f"{sample}.tif"
    msg = f"no file of sample '{sample}' in {', '.join(map(str, folders))}; has it an image and a label?"
    raise FileNotFoundError(msg)
