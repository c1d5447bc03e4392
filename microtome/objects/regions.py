# SPDX-License-Identifier: MIT
"""Regions between boundaries: watershed on the probability of the boundary, from minima of some depth.

A threshold lets two regions merge through the weakest pixel of the boundary between them. The watershed
closes it: each minimum of the (smoothed) probability that is deeper than `h` is flooded, and where two floods
meet is a line. The depth of a minimum, its dynamics, is how high one has to climb from it to reach a deeper
one (Grimaud, *A new measure of contrast: the dynamics*, Proc. SPIE 1769, 1992), so `h` is what thresholds are
elsewhere: two regions stay apart if the boundary between them is nowhere weaker than `h` above the shallower
of the two. scikit-image's `h_minima` takes two minima of equal height, such as the interiors of cells at
probability 0, for two whatever lies between them; the minima of its reconstruction by erosion are one.

As in the scores of boundaries (`microtome.metrics.boundaries`) regions are 4-connected: two of them never
touch by an edge.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_minima, reconstruction
from skimage.segmentation import watershed

from microtome.config.prediction import BoundaryWatershed
from microtome.objects.watershed.steps import checked

FOUR = ndimage.generate_binary_structure(2, 1)
"""Neighbours that share an edge."""
SMALLEST = np.finfo(np.float32).eps
"""Depth of a minimum, at least: the accuracy of a probability."""


def separate_regions(
    boundary: NDArray[np.floating], settings: BoundaryWatershed | None = None
) -> NDArray[np.int32]:
    """The regions between boundaries.

    Args:
        boundary: Probability of the boundary (H, W), floating point, 0 to 1.
        settings: Smoothing, depth, and threshold if there is one.

    Returns:
        Region numbers (H, W) int32, from 1 on, 0 = boundary. One region where nothing separates two.

    Raises:
        ValueError: The map is no probability map.

    Example:
        >>> settings = BoundaryWatershed(h=0.2, sigma=0)
        >>> separate_regions(np.float32([[0.1, 0.2, 0.9, 0.5, 0.3, 0.4, 0.3]] * 2), settings)
        array([[1, 1, 0, 2, 2, 2, 2],
               [1, 1, 0, 2, 2, 2, 2]], dtype=int32)
    """
    settings = settings or BoundaryWatershed()
    heights = np.clip(checked(boundary, "boundary"), 0, 1).astype(np.float32)
    if settings.sigma:
        heights = ndimage.gaussian_filter(heights, settings.sigma, mode="reflect")
    raised = heights + np.float32(max(settings.h, SMALLEST))
    filled = reconstruction(raised, heights, method="erosion", footprint=FOUR).astype(np.float32)
    minima, count = ndimage.label(local_minima(filled, connectivity=1), FOUR)
    if count > 1:
        regions = watershed(heights, minima, connectivity=FOUR, watershed_line=True).astype(np.int32)
    else:
        regions = np.ones(heights.shape, np.int32)
    return (
        regions if settings.threshold is None else _above_is_boundary(regions, boundary, settings.threshold)
    )


def _above_is_boundary(
    regions: NDArray[np.int32], boundary: NDArray[np.floating], threshold: float
) -> NDArray[np.int32]:
    """The regions where the boundary is not above a threshold, numbered anew: one may fall into several."""
    return ndimage.label((regions > 0) & (boundary <= threshold), FOUR)[0].astype(np.int32)
