# SPDX-License-Identifier: MIT
"""The marker watershed: floods, and tiles against the whole image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE, COUNT, QUICK_SIDE, QUICK_COUNT = 1000, 700, 200, 30
LARGE = 4
"""The large image repeats the small one so often along a side, so that making it takes little memory."""
REACH, TILE = 64, 512


def maps(*, quick: bool, repeats: int = 1) -> NDArray:
    """Mask and marker probabilities (2, side, side) float32."""
    import numpy as np
    from scipy import ndimage

    from benchmarks import nuclei

    labels = nuclei.labels(*((QUICK_SIDE, QUICK_COUNT) if quick else (SIDE, COUNT)))
    edge = ndimage.maximum_filter(labels, 9) != ndimage.minimum_filter(labels, 9)
    parts = (labels > 0, (labels > 0) & ~edge)
    blurred = [0.95 * ndimage.gaussian_filter(part.astype(np.float32), 1) for part in parts]
    return np.tile(np.stack(blurred), (1, repeats, repeats))


def whole(flooding: str, *, quick: bool, repeats: int = 1) -> Prepared:
    from microtome.config.prediction import Watershed
    from microtome.objects.watershed import separate

    mask, marker = maps(quick=quick, repeats=repeats)
    reach = REACH if flooding == "rings" else None
    settings = Watershed(flooding=flooding, reach=reach)
    return Prepared(lambda: separate(mask, marker, settings))


def queue(quick: bool) -> Prepared:
    return whole("queue", quick=quick)


def rings(quick: bool) -> Prepared:
    return whole("rings", quick=quick)


def rings_large(quick: bool) -> Prepared:
    return whole("rings", quick=quick, repeats=LARGE)


def tiled_large(quick: bool) -> Prepared:
    """By windows of a file-like source, maps between the steps in files."""
    import tempfile
    from pathlib import Path

    from microtome.config.prediction import Watershed
    from microtome.io.images import ArraySource
    from microtome.objects.watershed import separate, separate_tiled

    both = maps(quick=quick, repeats=LARGE)
    settings = Watershed(flooding="rings", reach=REACH, tile=TILE)
    folder = tempfile.TemporaryDirectory()

    def run() -> Any:
        return separate_tiled(ArraySource(both), settings, scratch=Path(folder.name))

    def error(found: NDArray) -> float:
        wanted = separate(*both, Watershed(flooding="rings", reach=REACH))
        difference = float((found != wanted).sum())
        folder.cleanup()
        return difference

    return Prepared(run, error)


CASE = Case(
    name="watershed",
    title="marker watershed, 700 nuclei in 1000² and 11,200 in 4000²",
    variants={"queue": queue, "rings": rings, "rings_large": rings_large, "tiled_large": tiled_large},
    comparisons=[
        Comparison("rings over scikit-image's queue", "rings", "queue", 2.0),
        Comparison("tiles of 512 over the whole 4000²", "tiled_large", "rings_large", None),
        Comparison("tiles of 512 over the whole 4000²", "tiled_large", "rings_large", None, "peak_mb"),
    ],
    note="error: pixels in which tiles differ from the whole; their memory counts file pages",
)
