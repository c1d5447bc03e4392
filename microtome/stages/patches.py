# SPDX-License-Identifier: MIT
"""Index the windows of targets, which training draws from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from microtome.files import finished_file
from microtome.io import images, views
from microtome.training.patches import index_patches


def extract_patches(
    targets: Path,
    path: Path,
    *,
    classes: Sequence[str],
    size: int,
    stride: int,
    regions: Sequence[str] = (),
    labelled: float = 0.0,
) -> None:
    """Index the windows of every target in a folder as Parquet: `size` pixels a side, `stride` pixels apart.

    `classes` and `regions` are their names in order; windows of which less than the share `labelled` has a
    label are left out.
    """
    options = {"size": size, "stride": stride, "regions": regions, "labelled": labelled}
    frames = [
        index_patches(sample, images.read(file), classes, **options, bits=_bits_of(file))
        for sample, file in views.samples(targets).items()
    ]
    with finished_file(path) as partial:
        pd.concat(frames, ignore_index=True).to_parquet(partial, index=False)


def _bits_of(target: Path) -> np.ndarray | None:
    """The regions beside a target; None of a label that is no outlines."""
    file = target.parent / views.REGIONS / target.name
    return images.read(file) if file.is_file() else None
