# SPDX-License-Identifier: MIT
"""The largest value that pixels can have, from some images and cubes: what networks divide by."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.io import images
from microtome.io.envi import open_cube
from microtome.study.modalities.cubes import is_envi
from microtome.study.survey.pictures import Picture

MOST_FILES = 5
DEPTHS = (255, 1023, 4095, 16383, 65535)
"""Largest values of cameras of 8 to 16 bits."""
SCALES = (1, 100, 255, 1000, 4095, 10_000, 65_535)
"""Values that programs store for a transmittance of 1."""
BRIGHT = 99.5
"""Percentile of a cube that is about its glass."""
EVERY = 7
"""Pixel and band of a cube that is looked at."""


def largest(pictures: Sequence[Picture]) -> float:
    """The largest value of the pixels' type as used: 4095 where a camera of 12 bits stored 16.

    Args:
        pictures: Images of one type.
    """
    dtype = pictures[0].dtype
    if dtype == "uint8":
        return float(DEPTHS[0])
    chosen = [
        pictures[n] for n in np.linspace(0, len(pictures) - 1, min(len(pictures), MOST_FILES), dtype=int)
    ]
    found = max(float(np.nanmax(images.read(one.path, page=one.page))) for one in chosen)
    if dtype.startswith("float"):
        return 1.0 if found <= 1 else float(f"{found:.3g}")
    return float(next((most for most in DEPTHS if found <= most), found))


def full_scale(pictures: Sequence[Picture]) -> float:
    """The largest value of the camera that recorded raw cubes and their references."""
    some = pictures[:MOST_FILES]
    paths = dict.fromkeys(path for one in some for path in (one.path, *_references(one)))
    found = max(float(_sampled(path).max()) for path in paths)
    return float(next((most for most in DEPTHS if found <= most), found))


def transmittance_of_one(pictures: Sequence[Picture]) -> float:
    """The value that stands for a transmittance of 1 in calibrated cubes, as their bright parts suggest."""
    found = float(np.median([np.percentile(_sampled(one.path), BRIGHT) for one in pictures[:MOST_FILES]]))
    return float(min(SCALES, key=lambda scale: abs(math.log(max(found, 1e-9) / scale))))


def _references(one: Picture) -> list[Path]:
    """The cubes that belong to a cube; a picture of it is none."""
    return [path for path in (one.more or {}).values() if is_envi(path.name)]


def _sampled(path: Path) -> NDArray[np.float64]:
    """Some bands of a cube, some pixels of them."""
    cube = open_cube(path)
    bands = [cube.read_band(band)[::EVERY, ::EVERY] for band in range(0, cube.bands, EVERY)]
    return np.nan_to_num(np.asarray(bands, np.float64))
