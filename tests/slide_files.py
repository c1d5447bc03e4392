# SPDX-License-Identifier: MIT
"""Small slides of two colours, their annotations and boxes, as tests of studies need them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

GLASS, TISSUE, TUMOUR = (244, 243, 245), (222, 160, 190), (110, 60, 140)
BOX_COLUMNS = ("y", "x", "height", "width", "label")
Square = tuple[int, int, int]
"""Row and column of the corner, and side."""


def stained(height: int, width: int, nests: Iterable[Square], seed: int = 0) -> NDArray[np.uint8]:
    """An ellipse of tissue on glass, with squares of tumour: (height, width, 3)."""
    rows, columns = np.ogrid[:height, :width]
    inside = ((rows / height - 0.5) / 0.42) ** 2 + ((columns / width - 0.5) / 0.42) ** 2 < 1
    image = np.where(inside[..., None], TISSUE, GLASS)
    for y, x, side in nests:
        image[y : y + side, x : x + side] = TUMOUR
    noise = np.random.default_rng(seed).integers(-9, 10, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def write_slide(path: Path, pixels: NDArray, *, mpp: float | None = 0.5) -> None:
    """A tiled TIFF, which says its pixel size unless that is None."""
    tags: dict[str, Any] = {}
    if mpp:
        tags = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, tile=(256, 256), photometric="rgb", **tags)


def write_annotations(path: Path, outlines: Mapping[str, Iterable[Square]]) -> None:
    """Squares of each class as GeoJSON, as QuPath exports annotations."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [_ring(*square)]},
            "properties": {"objectType": "annotation", "classification": {"name": name}},
        }
        for name, squares in outlines.items()
        for square in squares
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def _ring(y: int, x: int, side: int) -> list[list[int]]:
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]


def write_boxes(path: Path, boxes: Iterable[tuple[int, int, int, int, str]]) -> None:
    """Boxes of sections with labels as a table."""
    lines = ["\t".join(BOX_COLUMNS), *("\t".join(map(str, box)) for box in boxes)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
