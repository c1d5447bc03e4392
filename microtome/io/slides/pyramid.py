# SPDX-License-Identifier: MIT
"""Which level of a pyramid is read for a pixel size, and where the pixels of an image lie in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from microtome.io.errors import ImageError
from microtome.io.slides.area import NEAR, Axis

Pair = tuple[float, float]
"""Of rows and of columns."""
Size = tuple[int, int]
"""Rows and columns."""
ENLARGED = 2.0
"""How much larger than its finest pixels a slide is shown at most; beyond, every detail would be invented."""


class Box(NamedTuple):
    """A rectangle of slide pixels.

    Attributes:
        y: Row of its corner.
        x: Column of its corner.
        height: Rows.
        width: Columns.
    """

    y: int
    x: int
    height: int
    width: int


@dataclass(frozen=True)
class Lattice:
    """The pixels of an image of a slide.

    Attributes:
        level: The level they are made from.
        rows: Axis of the rows, in pixels of the level.
        columns: Axis of the columns.
        mpp: Pixel size of the image in µm, of rows and columns.
    """

    level: int
    rows: Axis
    columns: Axis
    mpp: Pair


def factors(sizes: Sequence[Size]) -> list[Pair]:
    """Slide pixels in a pixel of each level, of rows and columns.

    Scanners average whole numbers of pixels and round the size of the level, so that the ratio of the sizes
    is a little off; a power of two, or else a whole number, is taken where it explains the size.

    Example:
        >>> factors([(3567, 4443), (1783, 2221)])
        [(1.0, 1.0), (2.0, 2.0)]
    """
    return [_factor(sizes[0], size) for size in sizes]


def _factor(full: Size, size: Size) -> Pair:
    ratios = [whole / part for whole, part in zip(full, size, strict=True)]
    middle = math.sqrt(math.prod(ratios))
    for guess in (2 ** round(math.log2(middle)), round(middle)):
        if guess >= 1 and all(abs(w / guess - p) < 1 for w, p in zip(full, size, strict=True)):
            return float(guess), float(guess)
    return ratios[0], ratios[1]


def lattice(
    path: Path, sizes: Sequence[Size], slide_mpp: Pair, bounds: Box, mpp: float, tolerance: float
) -> Lattice:
    """The pixels of the image of a slide at a pixel size.

    A level whose pixel sizes are within the tolerance is taken as it is, and the corner is moved to its next
    pixel; else pixels of exactly this size begin at the corner of the bounds, and are averaged from the next
    finer level. Of pixels at the far ends, whole ones alone are shown.

    Args:
        path: The slide, for messages.
        sizes: Rows and columns of each level, finest first.
        slide_mpp: Pixel size of level 0, µm.
        bounds: What is shown, slide pixels.
        mpp: The pixel size wanted, µm.
        tolerance: Relative.

    Raises:
        ImageError: The slide is too coarse.
    """
    found = factors(sizes)
    ratios = [tuple(mpp / (s * f) for s, f in zip(slide_mpp, factor, strict=True)) for factor in found]
    _check_fineness(path, slide_mpp, ratios[0], mpp)
    near = [number for number, pair in enumerate(ratios) if all(abs(1 / r - 1) <= tolerance for r in pair)]
    if near:
        level = min(near, key=lambda number: abs(math.log(math.prod(ratios[number]))))
        rows, columns = _as_it_is(sizes[level], found[level], bounds)
        return Lattice(level, rows, columns, (slide_mpp[0] * found[level][0], slide_mpp[1] * found[level][1]))
    level = max((number for number, pair in enumerate(ratios) if min(pair) >= 1 - NEAR), default=0)
    rows, columns = (
        _axis(bounds[axis], bounds[axis + 2], found[level][axis], ratios[level][axis], sizes[level][axis])
        for axis in range(2)
    )
    return Lattice(level, rows, columns, (mpp, mpp))


def _check_fineness(path: Path, slide_mpp: Pair, ratio: Pair, mpp: float) -> None:
    if min(ratio) * ENLARGED < 1 - NEAR:
        found = f"pixels of {max(slide_mpp):g} µm, of which images of {mpp:g} µm per pixel cannot be made"
        remedy = "ask for a coarser pixel size, or check the one of the slide"
        raise ImageError(path, found, f"pixels of at most {mpp * ENLARGED:g} µm", remedy)


def _as_it_is(size: Size, factor: Pair, bounds: Box) -> tuple[Axis, Axis]:
    axes = []
    for axis in range(2):
        start = min(round(bounds[axis] / factor[axis]), size[axis] - 1)
        length = max(math.ceil(bounds[axis + 2] / factor[axis] - NEAR), 1)
        axes.append(Axis(float(start), 1.0, min(length, size[axis] - start), size[axis]))
    return axes[0], axes[1]


def _axis(corner: int, extent: int, factor: float, step: float, limit: int) -> Axis:
    step = float(round(step)) if abs(step - round(step)) < NEAR else step
    return Axis(corner / factor, step, max(math.floor(extent / factor / step + NEAR), 1), limit)
