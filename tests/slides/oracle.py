# SPDX-License-Identifier: MIT
"""What slides should look like, computed by brute force from what OpenSlide or tifffile decode."""

from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray


def openslide_level(path: Path, level: int) -> NDArray[np.uint8]:
    """All pixels of a level within the bounds of the slide, (H, W, 3)."""
    with openslide.OpenSlide(path) as slide:
        told, factor = slide.properties, slide.level_downsamples[level]
        place = tuple(int(told.get(f"openslide.bounds-{axis}", 0)) for axis in "xy")
        full = slide.dimensions if place == (0, 0) else None
        width, height = full or (int(told[f"openslide.bounds-{side}"]) for side in ("width", "height"))
        size = (width, height) if level == 0 else (int(width / factor), int(height / factor))
        size = slide.level_dimensions[level] if full else size
        pixels = np.asarray(slide.read_region(place, level, size))
    assert (pixels[..., 3] == 255).all()
    return pixels[..., :3]


def area_average(pixels: NDArray[np.uint8], step: tuple[float, float]) -> NDArray[np.float64]:
    """The mean of what lies under each larger pixel, (h, w, 3); `step` pixels of rows and columns each."""
    height, width = (int(length / size + 1e-6) for length, size in zip(pixels.shape, step, strict=False))
    rows, columns = _overlaps(height, step[0], len(pixels)), _overlaps(width, step[1], pixels.shape[1])
    across = np.tensordot(rows, pixels.astype(np.float64), 1)
    return np.einsum("xw,ywc->yxc", columns, across, optimize=True)


def _overlaps(count: int, step: float, length: int) -> NDArray[np.float64]:
    """What part of each of `count` larger pixels lies over each of `length` ones."""
    edges, pixels = np.arange(count + 1) * step, np.arange(length)
    low, high = np.maximum(edges[:-1, None], pixels), np.minimum(edges[1:, None], pixels + 1)
    return np.clip(high - low, 0, None) / step
