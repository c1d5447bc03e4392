# SPDX-License-Identifier: MIT
"""Distance of the boundaries of two masks: Hausdorff, its 95th percentile, average, boundary F.

The boundary of a mask is made of its pixels that have a neighbour, above, below, left or right, that is
labelled and of another class. So what an image cuts off, or where labels end, is no boundary. Distances are
between the centres of pixels, pixels, from each boundary pixel of one mask to the nearest of the other.

HD95 is the larger of both 95th percentiles (Huttenlocher et al. 1993, doi:10.1109/34.232073, with the
percentile in the place of the maximum), the average surface distance the mean of all distances of both sides
together (ASSD; Heimann et al. 2009, doi:10.1109/TMI.2009.2013851), and boundary F the harmonic mean of the
shares of both boundaries that lie within a tolerance of the other (Csurka et al., BMVC 2013,
doi:10.5244/C.27.32).

Without a boundary on both sides nothing is defined (NaN). With one on one side alone F is 0 and the distances
are the diagonal of the image, the largest there can be, so that a mask that was missed costs something.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

PERCENTILE = 95
Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Boundaries:
    """Distances of two boundaries, pixels.

    Attributes:
        hausdorff: The largest one.
        hd95: The larger of the 95th percentiles of both sides.
        average: Mean over both sides together.
        f: Harmonic mean of the shares within the tolerance, 0 to 1.
    """

    hausdorff: float
    hd95: float
    average: float
    f: float


def boundary(mask: Mask, valid: Mask) -> Mask:
    """The boundary of a mask.

    Args:
        mask: True where a pixel is of the class, (H, W).
        valid: Labelled pixels, (H, W).

    Returns:
        Pixels of the boundary, (H, W).

    Example:
        >>> mask = np.array([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]], bool)
        >>> boundary(mask, np.ones_like(mask)).astype(int).tolist()
        [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 0, 0], [0, 1, 0, 0]]
    """
    other = np.pad(valid & ~mask, 1)
    beside = other[:-2, 1:-1] | other[2:, 1:-1] | other[1:-1, :-2] | other[1:-1, 2:]
    return mask & valid & beside


def distances(truth: Mask, found: Mask) -> tuple[Distances, Distances]:
    """From each pixel of one boundary to the nearest of the other, both ways.

    Args:
        truth: Pixels of a boundary, (H, W), at least one.
        found: Those of the other, at least one.

    Returns:
        Distances of the pixels of `truth`, then of those of `found`, pixels.

    Example:
        >>> one, other = np.zeros((3, 6), bool), np.zeros((3, 6), bool)
        >>> one[1, [1, 2]], other[1, 5] = True, True
        >>> [values.tolist() for values in distances(one, other)]
        [[4.0, 3.0], [3.0]]
    """
    places = np.argwhere(truth), np.argwhere(found)
    trees = [KDTree(points) for points in places]
    return trees[1].query(places[0])[0], trees[0].query(places[1])[0]


def compare(truth: Mask, found: Mask, *, valid: Mask | None = None, tolerance: float = 2.0) -> Boundaries:
    """Compare the boundaries of two masks.

    Args:
        truth: The true mask, (H, W).
        found: The mask that was found, (H, W).
        valid: Labelled pixels, (H, W); None: all.
        tolerance: Pixels within which a boundary counts as found.

    Raises:
        ValueError: The masks differ in shape, or are no images of true and false.

    Example:
        >>> truth, found = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
        >>> truth[2:7, 2:7], found[2:7, 3:8] = True, True
        >>> result = compare(truth, found, tolerance=0.5)
        >>> result.hausdorff, round(result.f, 3)
        (1.0, 0.5)
    """
    if truth.dtype != bool or found.dtype != bool or truth.ndim != 2 or truth.shape != found.shape:
        given = f"{truth.shape} {truth.dtype} and {found.shape} {found.dtype}"
        msg = f"masks of {given}; expected two of bool and one shape (H, W)"
        raise ValueError(msg)
    valid = np.ones(truth.shape, bool) if valid is None else valid
    lines = boundary(truth, valid), boundary(found, valid)
    if not all(line.any() for line in lines):
        return _alone(truth.shape) if any(line.any() for line in lines) else Boundaries(*[float("nan")] * 4)
    missed, extra = distances(*lines)
    recall, precision = np.mean(missed <= tolerance), np.mean(extra <= tolerance)
    total = recall + precision
    return Boundaries(
        hausdorff=float(max(missed.max(), extra.max())),
        hd95=float(max(np.percentile(missed, PERCENTILE), np.percentile(extra, PERCENTILE))),
        average=float(np.concatenate([missed, extra]).mean()),
        f=float(2 * recall * precision / total) if total else 0.0,
    )


def _alone(shape: tuple[int, ...]) -> Boundaries:
    """What is said of a boundary without another."""
    diagonal = float(np.hypot(*(side - 1 for side in shape)))
    return Boundaries(diagonal, diagonal, diagonal, 0.0)
