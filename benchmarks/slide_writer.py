# SPDX-License-Identifier: MIT
"""Writing a heat-map as a pyramid, band by band, against writing an array as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.harness import Case, Comparison, Prepared
from benchmarks.slide_files import scratch

SIDE, QUICK_SIDE, BAND = 20_480, 2_048, 512
LEAST = 83.0
"""Megapixels a second of the prototype, one core."""


def heat(rows: int, columns: int) -> Any:
    """Smooth values of 0 to 255 with some background, (rows, columns)."""
    import numpy as np
    from scipy import ndimage

    small = ndimage.gaussian_filter(np.random.default_rng(0).random((rows // 16, columns // 16)), 4)
    small = np.clip((small - small.mean()) / small.std() / 3, 0, 1) * 255
    return np.kron(small, np.ones((16, 16))).astype(np.uint8)


def streamed(quick: bool) -> Prepared:
    from microtome.io.tiff_stream import PyramidWriter

    side, folder = QUICK_SIDE if quick else SIDE, scratch()
    band = heat(BAND, side)[None]

    def run() -> None:
        with PyramidWriter(folder / "map.tif", (1, side, side), band.dtype, mpp=1.0) as writer:
            for y in range(0, side, BAND):
                writer.write(y, band)

    return Prepared(run)


def whole(quick: bool) -> Prepared:
    import numpy as np

    from microtome.io import images

    side, folder = QUICK_SIDE if quick else SIDE, scratch()
    band = heat(BAND, side)

    def run() -> None:
        images.write(folder / "map.tif", np.tile(band, (side // BAND, 1)), mpp=1.0, tile=512)

    return Prepared(run)


Variant = Callable[[bool], Prepared]
VARIANTS: dict[str, Variant] = {"streamed": streamed, "whole": whole}

CASE = Case(
    name="slide_writer",
    title=f"a heat-map of {SIDE}² bytes as a tiled pyramid (deflate)",
    variants=VARIANTS,
    comparisons=[
        Comparison("bands into the streaming writer", "streamed", "whole", 1.0),
        Comparison("likewise: peak memory", "streamed", "whole", 4.0, metric="peak_mb"),
        Comparison(f"time, for {LEAST:g} Mpx/s", "streamed", SIDE**2 / 1e6 / LEAST, 1.0),
    ],
)
