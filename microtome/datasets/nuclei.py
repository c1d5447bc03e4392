# SPDX-License-Identifier: MIT
"""Images of nuclei with their classes: what the adapters of such data sets share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.io import images

COLUMNS = ("sample", "patient", "block", "group", "part", "image", "label", "types", "mpp")
MPP = 0.25
"""Micrometres per pixel at 40x."""


@dataclass(frozen=True)
class Row:
    """One annotated image.

    Attributes:
        sample: Unique name.
        image: Image file, relative to the data set's folder, as all paths.
        label: Numbers of the objects, or outlines.
        types: Map of the classes of the objects; empty where they are of one class.
        part: `train`, `val` or `test`, as published.
        group: Tissue or organ.
        patient: The patient, where published.
        block: What the publication keeps in one part, such as a fold.
        mpp: Micrometres per pixel.
    """

    sample: str
    image: str
    label: str
    types: str = ""
    part: str = ""
    group: str = ""
    patient: str = ""
    block: str = ""
    mpp: float = MPP


def to_sheet(rows: Sequence[Row]) -> str:
    """Format rows as a sample sheet (tab-separated, with a header); columns that no row fills are left out.

    Example:
        >>> print(to_sheet([Row("a", "a.png", "a.tif", part="test")]).replace(chr(9), ","))
        sample,part,image,label,mpp
        a,test,a.png,a.tif,0.25
    """
    filled = [column for column in COLUMNS if any(getattr(row, column) for row in rows)]
    lines = ["\t".join(str(getattr(row, column)) for column in filled) for row in rows]
    return "\n".join(["\t".join(filled), *lines]) + "\n"


def write_maps(
    folder: Path, name: str, labels: NDArray[np.integer], types: NDArray[np.integer] | None
) -> dict[str, str]:
    """Write numbers of objects and the map of their classes.

    Args:
        folder: Gets `objects/{name}.png` (16 bits) and `types/{name}.png`.
        name: Of the image.
        labels: (H, W) numbers up to 65,535.
        types: (H, W) classes up to 255; None where objects are of one class.

    Returns:
        The absolute paths of `label` and `types`.
    """
    paths = {"label": folder / "objects" / f"{name}.png", "types": folder / "types" / f"{name}.png"}
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    images.write_png(paths["label"], labels.astype(np.uint16))
    if types is None:
        return {"label": str(paths["label"].absolute())}
    images.write_png(paths["types"], types.astype(np.uint8))
    return {key: str(path.absolute()) for key, path in paths.items()}
