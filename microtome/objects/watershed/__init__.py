# SPDX-License-Identifier: MIT
"""Separate touching objects: marker watershed of probability maps, for whole images and tile by tile.

The default settings follow the program published with USE-Net (github.com/CIVA-Lab/USE-Net,
Postprocessing/postProcessing.m) step by step:

1. Mask and markers: probability above a threshold, as 8-bit values cut off; components of fewer than 50 and
   20 pixels are removed.
2. Watershed, 8-connected, of a flat landscape over the whole image: its lines are where the zones of two
   markers meet. They are cut out of the mask. Components without a marker stay; but a line between two other
   markers cuts whatever lies on it, and the line to a neighbour's marker may cut a component that has one.
3. Objects of fewer than 50 pixels are removed, background components of fewer than 100 are filled. Background
   is 8-connected here (MATLAB's bwareaopen of the complement), so a line that reaches the outside is no hole.
4. 8-connected components are numbered in raster order and dilated by a cross; where two meet, the larger
   number overwrites. (MATLAB numbers by columns, so there another of the two may win the pixel.)

What the program leaves to chance, the order in which equal heights are flooded, is a choice here:

* `flooding="queue"` is scikit-image's watershed. Where two zones meet in an even gap, the side of the
  one-pixel line depends on all markers of the image (so mirroring the image moves lines by a pixel), and it
  cannot be had tile by tile.
* `flooding="rings"` has the same zones with a rule for ties that looks at the neighbourhood alone (see
  `flood`). It is several times as fast, and tiles give exactly the whole image's result.

`scope="component"` floods within the mask: there a component without marker stays whole, and one marker never
splits. Surfaces that are not flat are flooded so in any case: the background is higher than the mask anyway,
and scikit-image can need a minute for 1000² pixels of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.config.prediction import Watershed
from microtome.io.raster import ArraySource, Raster, StackedSource
from microtome.objects.markers import EIGHT
from microtome.objects.watershed.steps import (
    checked,
    deepest,
    eroded_markers,
    first_step,
    grown,
    lines_between,
    solid,
)
from microtome.objects.watershed.tiles import separate_by_tiles


def separate(
    mask_probability: NDArray[np.floating],
    marker_probability: NDArray[np.floating] | None = None,
    settings: Watershed | None = None,
) -> NDArray[np.int32]:
    """Separate the objects of an image.

    Args:
        mask_probability: Probability of object (H, W), floating point, 0 to 1.
        marker_probability: Probability of marker (H, W); used with markers ``predicted``.
        settings: By default those of the published program. With `tile`, window after window of that size
            is worked on.

    Returns:
        Object numbers (H, W) int32, from 1 in raster order before dilation, 0 = background.

    Raises:
        ValueError: A map is no probability map, the shapes differ, or a marker map is needed and missing.

    Example:
        >>> mask = np.zeros((12, 30), np.float32)
        >>> mask[2:10, 2:28] = 0.9
        >>> marker = np.zeros_like(mask)
        >>> marker[4:8, 5:10] = marker[4:8, 20:25] = 0.8
        >>> separate(mask, marker).max(), separate(mask, marker * 0).max()
        (np.int32(2), np.int32(1))
    """
    settings = settings or Watershed()
    mask_probability = checked(mask_probability, "mask")
    if settings.markers == "predicted" and marker_probability is None:
        msg = "there is a mask map alone, expected a marker map too; set markers to eroded or distance"
        raise ValueError(msg)
    if settings.markers == "predicted" and np.shape(marker_probability) != mask_probability.shape:
        shapes = f"{np.shape(marker_probability)}, expected {mask_probability.shape}"
        msg = f"the marker map is {shapes}, as the mask map; pass two maps of one image"
        raise ValueError(msg)
    if settings.tile is not None:
        maps = (mask_probability, *([marker_probability] if settings.markers == "predicted" else []))
        source = StackedSource(tuple(ArraySource(np.asarray(each)) for each in maps))
        return separate_by_tiles(source, settings, None)
    mask = first_step(mask_probability, "mask", settings)
    markers = _markers(mask, marker_probability, settings)
    lines = lines_between(markers, mask, settings, probability=mask_probability)
    labels, _ = ndimage.label(solid(mask & ~lines, settings), EIGHT)
    return grown(labels, settings.dilation_radius)


def separate_tiled(source: Raster, settings: Watershed, *, scratch: Path | None = None) -> NDArray[np.int32]:
    """Separate the objects of an image that is read by windows; memory goes by the tile and by the objects.

    Every object has one number, also across tiles. The result equals `separate` of the whole image, number
    for number.

    Args:
        source: Probability maps (K, H, W): mask, and marker where K = 2.
        settings: With `tile`.
        scratch: Folder for the maps between the steps, 12 bytes a pixel, which the caller deletes; None: in
            memory.

    Returns:
        Object numbers (H, W) int32, with `scratch` mapped from a file in it.

    Raises:
        ValueError: As `separate`, or the settings have no tile.

    Example:
        >>> from microtome.io.images import ArraySource
        >>> maps = np.zeros((2, 12, 30), np.float32)
        >>> maps[0, 2:10, 2:28] = maps[1, 4:8, 5:10] = maps[1, 4:8, 20:25] = 0.9
        >>> tiles = Watershed(flooding="rings", reach=16, tile=8)
        >>> np.array_equal(separate_tiled(ArraySource(maps), tiles), separate(*maps, tiles))
        True
    """
    if settings.tile is None:
        msg = "watershed setting tile is None, expected the side of a tile in pixels, 2048 for example"
        raise ValueError(msg)
    wanted = 2 if settings.markers == "predicted" else 1
    if source.shape[0] < wanted:
        msg = "there is a mask map alone, expected a marker map too; set markers to eroded"
        raise ValueError(msg)
    return separate_by_tiles(source, settings, scratch)


def _markers(mask: NDArray[np.bool_], probability: NDArray | None, settings: Watershed) -> NDArray[np.int32]:
    """Numbers of the markers."""
    if settings.markers == "predicted":
        binary = first_step(probability, "marker", settings)
    elif settings.markers == "distance":
        binary = deepest(mask, settings.h)
    else:
        labels, _ = ndimage.label(mask, EIGHT)
        binary = eroded_markers(labels, np.bincount(labels.ravel()), settings)
    return ndimage.label(binary, EIGHT)[0]
