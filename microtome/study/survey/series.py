# SPDX-License-Identifier: MIT
"""Whether numbered images are slices that follow one another: neighbours are alike."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from skimage.transform import downscale_local_mean

from microtome.io import images
from microtome.study.survey.pictures import Picture

MOST = 12
"""Neighbours that are looked at."""
SIDE = 64
"""Pixels of a side, about, at which they are compared."""
LEAST, ABOVE = 0.1, 0.1
"""Correlation that neighbours have at least, and by how much they have more than distant images."""


def neighbours_are_alike(pictures: Sequence[Picture]) -> bool:
    """Whether images correlate more with the next one than with a distant one, in their order.

    Args:
        pictures: Grey images of one size, more than three.
    """
    chosen = [_small(one) for one in pictures[:MOST]]
    half = len(chosen) // 2
    near = np.median([_correlation(*pair) for pair in pairwise(chosen)])
    far = np.median([_correlation(*pair) for pair in zip(chosen, chosen[half:], strict=False)])
    return bool(near > LEAST and near > far + ABOVE)


def _small(one: Picture) -> NDArray[np.float64]:
    array = images.read(one.path, page=one.page).astype(float)
    factor = max(1, min(array.shape[:2]) // SIDE)
    return downscale_local_mean(array, (factor, factor))


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's; 0 where an image has a single value."""
    if not (one.std() and other.std()):
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
