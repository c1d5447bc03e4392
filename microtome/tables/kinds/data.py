# SPDX-License-Identifier: MIT
"""Composition of the data: samples per part, pixels, class fractions."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from microtome.config.checks import UNLABELLED
from microtome.io import views
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts import left_out

NEEDS = frozenset({"labels"})
CLASS_OPTIONS = ("classes",)
PIXEL_COLUMNS = ("sample", "part", "class", "pixels")
TOTAL = "total"
WINDOW = 4096
PART_ORDER = ("train", "val", "test")
REMEDY = "the composition of the data needs targets; give the samples labels, or count with `count_pixels`"


def tabulate(inputs: Inputs, *, title: str = "Composition of the data", classes: Sequence[str] = ()) -> Table:
    """Tabulate samples, pixels and class fractions per part.

    Args:
        inputs: Targets and splits.
        title: Caption.
        classes: Classes, in order; by default as they occur.

    Returns:
        One row per part and a total. Fractions are of the labelled pixels.

    Raises:
        ValueError: There are no pixels, or a class asked for does not occur.
    """
    pixels = inputs.collected(count, PIXEL_COLUMNS, REMEDY)
    named = [name for name in pixels["class"].unique() if name != UNLABELLED]
    chosen = list(classes) or named
    if set(chosen) - set(named):
        msg = f"classes {sorted(set(chosen) - set(named))} do not occur; the data hold {named}"
        raise ValueError(msg)
    parts = [part for part in PART_ORDER if part in set(pixels["part"])]
    parts += sorted(set(pixels["part"]) - set(parts))
    rows = [_row(part, pixels[pixels["part"] == part], chosen) for part in parts]
    rows.append(_row(TOTAL, pixels, chosen))
    frame = pd.DataFrame(rows).assign(data=" + ".join(inputs.data_kinds))
    columns = (
        Column("part", "Part", kind="text"),
        Column("samples", "Samples", format=".0f"),
        Column("pixels", "Pixels", format=",.0f"),
        Column("labelled", "Labelled", unit="% of pixels", format=".1f"),
        *(Column(f"fraction_{name}", name, unit="% of labelled", format=".1f") for name in chosen),
        Column("data", "Data", kind="text"),
    )
    note = f"Fractions are pooled over the pixels of each part. {left_out.note(inputs)}".strip()
    return Table(frame, columns, title, note, inputs.data_kinds)


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


def _row(part: str, pixels: pd.DataFrame, classes: Sequence[str]) -> dict[str, object]:
    total = int(pixels["pixels"].sum())
    by_class = pixels.groupby("class")["pixels"].sum()
    labelled = total - int(by_class.get(UNLABELLED, 0))
    percent = {f"fraction_{name}": _percent(by_class.get(name, 0), labelled) for name in classes}
    head = {"part": part, "samples": pixels["sample"].nunique(), "pixels": total}
    return head | {"labelled": _percent(labelled, total)} | percent


def _percent(count: float, whole: float) -> float:
    return 100.0 * float(count) / float(whole) if whole else float("nan")
