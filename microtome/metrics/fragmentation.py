# SPDX-License-Identifier: MIT
"""How fragmented a class map is: its regions for each mm², and the share of its area that lies in small ones.

A region is what is connected, by edges or corners, of one class. Where only a part of an image is looked at
(what is labelled, what is not), regions are those of the map within this part, so that what the edge of the
part cuts is cut alike in truth and prediction.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SMALL_MM2 = 0.01
"""Area below which a region is a small one: 100 µm × 100 µm, some ten cells across."""
EDGES_AND_CORNERS = 2
UM2_OF_MM2 = 1e6


@dataclass(frozen=True)
class Fragmentation:
    """Regions of a class map.

    Attributes:
        regions: Their number.
        mm2: The area of all, mm².
        small_mm2: The area of the small ones, mm².
    """

    regions: int
    mm2: float
    small_mm2: float

    @property
    def regions_per_mm2(self) -> float:
        """Regions for each mm²; NaN where there is no area."""
        return self.regions / self.mm2 if self.mm2 else float("nan")

    @property
    def small_share(self) -> float:
        """Share of the area that lies in small regions, 0 to 1; NaN where there is no area."""
        return self.small_mm2 / self.mm2 if self.mm2 else float("nan")


def fragmentation(
    classes: npt.NDArray[np.integer],
    within: npt.NDArray[np.bool_],
    *,
    mpp: float,
    small: float = SMALL_MM2,
) -> Fragmentation:
    """Count the regions of a class map.

    Args:
        classes: Class of each pixel, (H, W) integer; free outside of `within`.
        within: Where regions are looked at, (H, W) bool.
        mpp: Side of a pixel, µm.
        small: Area below which a region is small, mm².

    Raises:
        ValueError: The shapes differ, or the pixel size is not above 0.

    Example:
        >>> classes = np.array([[0, 0, 1], [0, 1, 0]])
        >>> found = fragmentation(classes, np.ones((2, 3), bool), mpp=100, small=0.025)
        >>> found.regions, f"{found.mm2:.2f}", f"{found.small_share:.3f}"  # corners connect
        (2, '0.06', '0.333')
    """
    if classes.shape != within.shape or not mpp > 0:
        found = f"classes {classes.shape}, within {within.shape}, {mpp} µm a pixel"
        msg = f"{found}; expected one shape, and pixels of more than 0 µm"
        raise ValueError(msg)
    from skimage.measure import label  # slow to import, and most families need none

    numbered = np.where(within, classes.astype(np.int32) + 1, 0)
    sizes = np.bincount(label(numbered, background=0, connectivity=EDGES_AND_CORNERS).ravel())[1:]
    areas = sizes * mpp**2
    in_small = areas[areas < small * UM2_OF_MM2]
    return Fragmentation(sizes.size, areas.sum() / UM2_OF_MM2, in_small.sum() / UM2_OF_MM2)
