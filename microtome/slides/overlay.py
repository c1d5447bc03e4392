# SPDX-License-Identifier: MIT
"""What was found on a slide, drawn over it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

TISSUE, LEFT_OUT = (0, 150, 60), (220, 0, 200)
"""Colours of the outline of tissue, and of what was left out as pen or border."""
DIMMED, TINTED = 0.6, 0.5
"""How much of its colour the glass keeps, and what was left out takes on."""
EVERY_NEIGHBOUR = np.ones((3, 3), bool)


def draw(rgb: NDArray[np.uint8], tissue: NDArray[np.bool_], left_out: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw tissue (outlined, the rest paler) and what was left out (tinted) over a slide.

    Args:
        rgb: (3, H, W).
        tissue: (H, W).
        left_out: (H, W).

    Returns:
        (H, W, 3); inside tissue the pixels are those of the slide.

    Example:
        >>> slide, tissue = np.zeros((3, 5, 5), np.uint8), np.pad(np.ones((3, 3), bool), 1)
        >>> draw(slide, tissue, np.zeros((5, 5), bool))[..., 1].tolist()[2]
        [102, 150, 0, 150, 102]
    """
    picture = np.moveaxis(rgb, 0, -1).astype(np.float32)
    picture = np.where(tissue[..., None], picture, 255 + DIMMED * (picture - 255))
    tinted = (1 - TINTED) * picture + TINTED * np.array(LEFT_OUT, np.float32)
    picture = np.where(left_out[..., None], tinted, picture)
    picture[tissue & ~ndimage.binary_erosion(tissue, EVERY_NEIGHBOUR)] = TISSUE
    return np.round(picture).astype(np.uint8)


def draw_boxes(
    picture: NDArray[np.uint8], boxes: Sequence[tuple[int, int, int, int]], colors: Sequence[Sequence[int]]
) -> NDArray[np.uint8]:
    """Draw the edges of boxes, two pixels wide, over a picture.

    Args:
        picture: (H, W, 3).
        boxes: First row, first column, row below the last, column beside the last; pixels of the picture.
        colors: Of each box, three values of 0 to 255.

    Example:
        >>> drawn = draw_boxes(np.zeros((6, 8, 3), np.uint8), [(0, 0, 6, 8)], [(9, 9, 9)])
        >>> drawn[2, :, 0].tolist()
        [9, 9, 0, 0, 0, 0, 9, 9]
    """
    drawn, (height, width) = picture.copy(), picture.shape[:2]
    for (top, left, bottom, right), color in zip(boxes, colors, strict=True):
        top, left, bottom, right = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
        inside = drawn[top:bottom, left:right]
        for edge in (inside[:2], inside[-2:], inside[:, :2], inside[:, -2:]):
            edge[...] = color
    return drawn
