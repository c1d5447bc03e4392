# SPDX-License-Identifier: MIT
"""Pixels of each image by class, counted in the targets by windows, and shares of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from microtome.config.checks import UNLABELLED
from microtome.io import views
from microtome.provenance import tsv
from microtome.tables.inputs import Inputs

PIXEL_COLUMNS = ("sample", "part", "class", "pixels")
REMEDY = "the composition of the data needs targets; give the samples labels, or count with `count_pixels`"
WINDOW = 4096
PER_CENT = 100


def count(inputs: Inputs) -> pd.DataFrame:
    """Count the pixels of each class in all targets (`Inputs.files`: ``labels``, ``splits``).

    One row per sample and class (`PIXEL_COLUMNS`); empty if there are no targets.
    """
    paths = inputs.found("labels", f"*{views.IMAGE}")
    parts = inputs.parts() if paths else {}
    frames = [
        count_pixels(window, inputs.classes, sample=path.stem, part=parts[path.stem])
        for path in paths
        for window in _windows(path)
    ]
    if not frames:
        return pd.DataFrame(columns=list(PIXEL_COLUMNS))
    keys = ["sample", "part", "class"]
    return pd.concat(frames).groupby(keys, sort=False, as_index=False)["pixels"].sum()


def _windows(path: Path) -> Iterator[np.ndarray]:
    """The class ids (H, W) of a target by windows: that of a slide is too large to read at once."""
    source = views.open_raster(path)
    _, height, width = source.shape
    for top in range(0, height, WINDOW):
        for left in range(0, width, WINDOW):
            yield source.read(top, left, min(WINDOW, height - top), min(WINDOW, width - left))[0]


def count_pixels(target: np.ndarray, classes: Sequence[str], *, sample: str, part: str) -> pd.DataFrame:
    """Count the pixels of each class of one target of (H, W) integer class ids.

    One row per class and one for unlabelled pixels, which ids without a class are (`PIXEL_COLUMNS`).

    Example:
        >>> target = np.array([[0, 1], [1, 255]])
        >>> count_pixels(target, ["membrane", "cell"], sample="01", part="train")["pixels"].tolist()
        [1, 2, 1]
    """
    counts = {name: int(np.count_nonzero(target == value)) for value, name in enumerate(classes)}
    counts[UNLABELLED] = target.size - sum(counts.values())
    rows = [(sample, part, name, count) for name, count in counts.items()]
    return pd.DataFrame(rows, columns=list(PIXEL_COLUMNS))


def by_image(inputs: Inputs) -> pd.DataFrame:
    """Pixels of each image: rows samples, columns the classes in order and `UNLABELLED` (int64).

    Raises:
        ValueError: There are no targets.
    """
    counted = inputs.collected(count, PIXEL_COLUMNS, REMEDY)
    table = counted.pivot_table(index="sample", columns="class", values="pixels", aggfunc="sum")
    return table[[*inputs.classes, UNLABELLED]]


def parts_by_split(inputs: Inputs) -> dict[str, dict[str, str]]:
    """The part of each sample, by split (`Inputs.files`: ``splits``)."""
    tables = {path.stem: tsv.read(path) for path in inputs.files["splits"]}
    return {name: dict(zip(one["sample"], one["part"], strict=True)) for name, one in tables.items()}


def of_parts(pixels: pd.DataFrame, part_of: Mapping[str, str], parts: Collection[str]) -> pd.DataFrame:
    """The rows of the images that are in some parts of a split."""
    return pixels[[part_of.get(sample) in parts for sample in pixels.index]]


def shares(pixels: pd.DataFrame, classes: Sequence[str]) -> pd.Series:
    """The share of each class in the labelled pixels of some images together, per cent; NaN of none.

    Example:
        >>> shares(pd.DataFrame({"a": [1, 1], "b": [2, 0], "unlabelled": [9, 9]}), ["a", "b"]).tolist()
        [50.0, 50.0]
    """
    total = pixels[list(classes)].sum().astype(float)
    return PER_CENT * total / total.sum() if total.sum() else total * float("nan")
