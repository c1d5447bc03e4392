# SPDX-License-Identifier: MIT
"""Slides of any size for benchmarks, made in seconds: a few tiles of tissue-like texture, again and again."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from microtome.stages.slides.heatmaps import Predictor

TILES = 8
MPP = 0.5
WINDOW = 512
CALLS = {"class": "tumor", "thresholds": [round(0.05 * step, 2) for step in range(1, 20)], "connectivity": 8}


_scratch: list[tempfile.TemporaryDirectory[str]] = []


def scratch() -> Path:
    """A new folder, which is deleted when the process ends."""
    _scratch.append(tempfile.TemporaryDirectory(prefix="microtome-benchmark-"))
    return Path(_scratch[-1].name)


@cache
def texture(number: int) -> NDArray:
    """A tile of 256² pixels, RGB: smooth spots and grain in the colours of eosin and haematoxylin."""
    import numpy as np
    from scipy import ndimage

    rng = np.random.default_rng(number)
    spots = ndimage.gaussian_filter(rng.random((256, 256)), 5, mode="wrap")
    spots = (spots - spots.min()) / np.ptp(spots)
    colour = spots[..., None] * np.array([230, 160, 210]) + (1 - spots[..., None]) * np.array([120, 80, 150])
    return np.clip(colour + rng.normal(0, 4, colour.shape), 0, 255).astype(np.uint8)


def write_slide(path: Path, rows: int, columns: int, kind: str = "tiff", mpp: float = MPP) -> Path:
    """Write a slide in a process of its own, whose memory is not that of what is measured."""
    command = [sys.executable, "-m", "benchmarks.slide_files", path, rows, columns, kind, mpp]
    subprocess.run([str(word) for word in command], check=True)
    return path


def write_here(path: Path, rows: int, columns: int, kind: str, mpp: float) -> None:
    """Write a pyramid of JPEG tiles, `tiff` or `scn`, textured everywhere."""
    import numpy as np

    from microtome.phantoms.slides.slide_files import Scan, write

    white = np.full(3, 245, np.uint8)
    scan = Scan((rows, columns), mpp, lambda row, column: texture((3 * row + column) % TILES), white)
    write(path, scan, kind)


def one_by_one(store: str = "uint8") -> Predictor:
    """The smallest network: what is measured is everything around it."""
    import torch

    from microtome.stages.slides.heatmaps import Predictor

    torch.manual_seed(0)
    predict = {"window": WINDOW, "overlap": 0.5, "weights": "constant", "batch_size": 8}
    options = {
        "predict": predict | {"store": {"dtype": store, "classes": ["tumor"]}},
        "input": {"scale": 255.0, "mean": 0.5, "std": 0.5},
        "classes": ["normal", "tumor"],
        "outputs": ["mask"],
        "activation": "softmax",
        "calls": CALLS,
    }
    return Predictor(torch.nn.Conv2d(3, 2, 1).eval(), options)


def prediction(
    path: Path, box: tuple[int, int, int, int] | None = None, *, crop: bool = True
) -> Callable[[], Any]:
    """What predicts a slide, or a box (y, x, height, width) of it, into a heat-map on disk."""
    import numpy as np

    from microtome.io.raster import ArraySource
    from microtome.io.section_boxes import Box
    from microtome.io.slides import SlideSource, describe
    from microtome.stages.slides.heatmaps import heat_map, lay_out, predict_sections

    source = SlideSource(describe(path, mpp=MPP, crop=crop))
    bounds, predictor, heat = source.reference.bounds, one_by_one(), path.with_name("map.tif")
    y, x, height, width = box or (0, 0, bounds.height, bounds.width)
    layout = lay_out(source, {1: Box(y=y, x=x, height=height, width=width)}, 1)
    mask = ArraySource(np.ones([-(-side // 16) for side in source.shape[1:]], np.uint8))

    def run() -> Any:
        with heat_map(heat, predictor, layout) as put:
            return predict_sections(predictor, layout, mask, put)[1].areas

    return run


if __name__ == "__main__":
    write_here(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], float(sys.argv[5]))
