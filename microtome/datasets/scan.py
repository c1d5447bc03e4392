# SPDX-License-Identifier: MIT
"""From the folder of a public data set, as published, to a sample sheet."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from microtome.datasets import names
from microtome.faults import nearest
from microtome.registry import load_entry


def make_sheet(dataset: str, folder: Path, labels: Path | None = None) -> str:
    """List the images of a data set as a sample sheet; draw the label images that it does not bring.

    Args:
        dataset: One of `microtome.datasets.names()`; its module describes the folder.
        folder: The data set; the sheet's paths start from it.
        labels: Folder for what the data set does not bring as images: label images of hyperspectral scenes (1
            tumour, 0 other), images and labels of PanNuke, labels of CoNSeP; by default ``labels`` in
            `folder`. The study needs ``data.allow_outside`` if it is not inside `folder`.

    Returns:
        The sheet, tab-separated.

    Raises:
        ValueError: The data set is unknown, or the folder is not as published; says what is missing.
    """
    if dataset not in names():
        msg = f"found data set {dataset!r}, expected {nearest(dataset, names())}"
        raise ValueError(msg)
    adapter = load_entry("microtome.datasets", dataset, kind="data set")
    rows = adapter.discover(folder)
    if hasattr(adapter, "write_labels"):
        drawn = adapter.write_labels(folder, rows, labels or folder / "labels")
        rows = [replace(row, **_written(row, folder)) for row in drawn]
    return adapter.to_sheet(rows)


def _written(row: Any, folder: Path) -> dict[str, str]:
    """The paths of a row, from the folder on."""
    paths = {name: getattr(row, name, "") for name in ("image", "label", "types")}
    return {name: _inside(path, folder) for name, path in paths.items() if path}


def _inside(path: str, folder: Path) -> str:
    """A path from the folder on, if it lies in it."""
    place, root = Path(path), folder.absolute()
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else path
