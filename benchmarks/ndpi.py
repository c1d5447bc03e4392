# SPDX-License-Identifier: MIT
"""Slides as scanners of Hamamatsu write them (NDPI), to measure and to test how they are read.

Each level is one JPEG in strips of 8 rows that can be decoded by themselves (restart markers), so whoever
wants a window decodes whole rows. OpenSlide shows each also at a half, a fourth and an eighth of its size.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

FORMAT, LENS, PLACES = 65420, 65421, (65422, 65423, 65424)
"""Tags of NDPI: that it is one, the magnification, and offsets of columns, rows and focus."""
MACRO, MACRO_SIZE = -1.0, (64, 160)
CENTIMETRE = 1e4


def write_ndpi(
    path: Path, levels: Sequence[NDArray[np.uint8]], mpp: float, *, lens: float = 20.0, quality: int = 85
) -> None:
    """Write a slide.

    Args:
        path: The file.
        levels: Pixels (H, W, 3) of the levels, finest first, sides multiples of 8.
        mpp: Micrometres per pixel of the finest.
        lens: Its magnification.
        quality: Of the JPEG compression.
    """
    with tifffile.TiffWriter(path) as file:
        for pixels in levels:
            factor = len(levels[0]) / len(pixels)
            density = CENTIMETRE / (mpp * factor)
            page = _page(pixels, lens / factor, quality)
            file.write(**page, resolution=(density, density), resolutionunit="CENTIMETER")
        file.write(**_page(np.full((*MACRO_SIZE, 3), 240, np.uint8), MACRO, quality))


def _page(pixels: NDArray[np.uint8], lens: float, quality: int) -> dict[str, object]:
    encoded = io.BytesIO()
    options = {"quality": quality, "subsampling": 0, "restart_marker_rows": 1}
    Image.fromarray(pixels).save(encoded, "JPEG", **options)
    return {
        "data": iter([encoded.getvalue()]),
        "shape": pixels.shape,
        "dtype": np.uint8,
        "rowsperstrip": len(pixels),
        "compression": "jpeg",
        "photometric": "rgb",
        "metadata": None,
        "description": None,
        "software": "NDP.scan",
        "extratags": [(FORMAT, "I", 1, 1, True), (LENS, "f", 1, lens, True)]
        + [(tag, "i", 1, 0, True) for tag in PLACES],
    }
