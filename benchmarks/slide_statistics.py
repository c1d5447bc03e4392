# SPDX-License-Identifier: MIT
"""The largest region of a section at each of 19 thresholds, against labelling the map once for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE, QUICK_SIDE = 8000, 512
GRAIN, NESTS = 8, 60.0
"""Pixels of a step of the noise that maps are made of, and standard deviation of what nests follow."""
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
SPARSE, DENSE = 0.05, 0.4
"""Shares of a section that are tumour."""


def probabilities(quick: bool, share: float) -> NDArray:
    """A map (side, side) float32 with nests that cover a share of it, their borders blurred and uneven."""
    import numpy as np
    from scipy import ndimage
    from scipy.special import expit

    side = QUICK_SIDE if quick else SIDE
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, side // GRAIN, side // GRAIN), np.float32)
    fields = [
        ndimage.gaussian_filter(one, sigma / GRAIN) for one, sigma in zip(noise, (NESTS, GRAIN), strict=True)
    ]
    logits = (
        8 * (fields[0] - np.quantile(fields[0], 1 - share)) / fields[0].std() + fields[1] / fields[1].std()
    )
    return expit(ndimage.zoom(logits.astype(np.float32), GRAIN, order=1))


def labelled(probability: NDArray) -> Sequence[int]:
    import numpy as np
    from scipy import ndimage

    found = (ndimage.label(probability >= threshold, np.ones((3, 3)))[0] for threshold in THRESHOLDS)
    return [int(np.bincount(labels.ravel())[1:].max(initial=0)) for labels in found]


def ours(share: float) -> Callable[[bool], Prepared]:
    """Segments of rows, joined for all thresholds together."""

    def prepare(quick: bool) -> Prepared:
        import numpy as np

        from microtome.slides.statistics import largest_regions

        probability = probabilities(quick, share)

        def error(pixels: NDArray) -> float:
            return float(np.abs(pixels - labelled(probability)).max())

        return Prepared(lambda: largest_regions(probability, THRESHOLDS).pixels, error)

    return prepare


def peer(share: float) -> Callable[[bool], Prepared]:
    """SciPy's labels, threshold by threshold."""

    def prepare(quick: bool) -> Prepared:
        probability = probabilities(quick, share)
        return Prepared(lambda: labelled(probability))

    return prepare


CASE = Case(
    name="slide_statistics",
    title=f"largest region at {len(THRESHOLDS)} thresholds, {SIDE} x {SIDE} probabilities",
    variants={
        "ours, 5 % tumour": ours(SPARSE),
        "scipy, 5 % tumour": peer(SPARSE),
        "ours, 40 % tumour": ours(DENSE),
        "scipy, 40 % tumour": peer(DENSE),
    },
    comparisons=[
        Comparison("section statistics, 5 % tumour", "ours, 5 % tumour", "scipy, 5 % tumour", 10.0),
        Comparison("section statistics, 40 % tumour", "ours, 40 % tumour", "scipy, 40 % tumour", 10.0),
    ],
    note="equal to SciPy's labels in every pixel",
)
