# SPDX-License-Identifier: MIT
"""The marker watershed by tiles, equal to that of the whole image.

Each step reads windows wider than a tile by as much as the step looks around, and writes the tile. Between
the steps lie maps of the whole image, in memory or in files; components that cross tiles are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from microtome.objects.markers import EIGHT
from microtome.objects.watershed.flood import RING_SPEED
from microtome.objects.watershed.steps import (
    LARGEST_RADIUS,
    eroded_markers,
    first_step,
    grown,
    lines_between,
    smallest_part,
    solid,
)

if TYPE_CHECKING:
    from microtome.config.prediction import Watershed
    from microtome.io.raster import Raster

Slices = tuple[slice, slice]


@dataclass(frozen=True)
class Window:
    """A tile with margins, cut off at the image's edge.

    `outer` is the window and `core` the tile, both in the image; `inner` is the tile in the window.
    """

    outer: Slices
    core: Slices
    inner: Slices

    @property
    def place(self) -> tuple[int, int, int, int]:
        """First row, first column, height, width."""
        rows, columns = self.outer
        return rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start


@dataclass(frozen=True)
class Scratch:
    """Maps of the whole image between the steps, as files in a folder or, without one, in memory."""

    shape: tuple[int, int]
    folder: Path | None

    def new(self, name: str, dtype: DTypeLike) -> NDArray:
        """A map of zeros."""
        if self.folder is None:
            return np.zeros(self.shape, dtype)
        return np.lib.format.open_memmap(self.folder / f"{name}.npy", "w+", dtype, self.shape)


def windows(shape: tuple[int, int], side: int, margin: int) -> Iterator[Window]:
    """The tiles of an image in raster order, with margins."""
    for y in range(0, shape[0], side):
        for x in range(0, shape[1], side):
            core = (slice(y, min(y + side, shape[0])), slice(x, min(x + side, shape[1])))
            outer = tuple(
                slice(max(0, part.start - margin), min(size, part.stop + margin))
                for part, size in zip(core, shape, strict=True)
            )
            inner = tuple(
                slice(part.start - wide.start, part.stop - wide.start)
                for part, wide in zip(core, outer, strict=True)
            )
            yield Window(outer, core, inner)


def separate_by_tiles(source: Raster, settings: Watershed, folder: Path | None) -> NDArray[np.int32]:
    """Objects of an image of any size (see `microtome.objects.watershed.separate_tiled`)."""
    scratch = Scratch(source.shape[1:], folder)
    side = settings.tile
    mask = scratch.new("mask", bool)
    _threshold(source, 0, mask, settings)
    markers = _marker_numbers(source, mask, scratch, settings)
    cut = scratch.new("cut", bool)
    for window in windows(mask.shape, side, RING_SPEED * settings.reach + 1):
        wanted = np.zeros_like(mask[window.outer])
        wanted[window.inner] = mask[window.core]
        lines = lines_between(markers[window.outer], mask[window.outer], settings, wanted=wanted)
        cut[window.core] = (wanted & ~lines)[window.inner]
    whole = scratch.new("solid", bool)
    _apply(cut, whole, side, settings.min_object_area + settings.max_hole_area, lambda w: solid(w, settings))
    number_components(whole, markers, side)
    if settings.dilation_radius == 0:
        return markers
    labels = scratch.new("labels", np.int32)
    _apply(markers, labels, side, settings.dilation_radius, lambda w: grown(w, settings.dilation_radius))
    return labels


def _threshold(source: Raster, channel: int, out: NDArray[np.bool_], settings: Watershed) -> None:
    """The mask (channel 0) or the markers (channel 1) without their small components."""
    name = ("mask", "marker")[channel]
    for window in windows(out.shape, settings.tile, smallest_part(name, settings)):
        values = source.read(*window.place)[channel]
        out[window.core] = first_step(values, name, settings, first=window.place[:2])[window.inner]


def _marker_numbers(
    source: Raster, mask: NDArray[np.bool_], scratch: Scratch, settings: Watershed
) -> NDArray[np.int32]:
    """Numbers of the markers in the whole image."""
    numbers, binary = scratch.new("numbers", np.int32), scratch.new("markers", bool)
    if settings.markers == "predicted":
        _threshold(source, 1, binary, settings)
    else:
        count = number_components(mask, numbers, settings.tile)
        areas = np.zeros(count + 1, np.int64)
        for window in windows(mask.shape, settings.tile, 0):
            areas += np.bincount(numbers[window.core].ravel(), minlength=count + 1)
        margin = LARGEST_RADIUS + settings.min_marker_area
        _apply(numbers, binary, settings.tile, margin, lambda w: eroded_markers(w, areas, settings))
    number_components(binary, numbers, settings.tile)
    return numbers


def _apply(
    source: NDArray, out: NDArray, side: int, margin: int, compute: Callable[[NDArray], NDArray]
) -> None:
    """Compute a map from another one, tile by tile."""
    for window in windows(out.shape, side, margin):
        out[window.core] = compute(source[window.outer])[window.inner]


def number_components(binary: NDArray[np.bool_], out: NDArray[np.int32], side: int) -> int:
    """Number the 8-connected components in raster order of their first pixels, as `scipy.ndimage.label` does.

    Of (H, W) bool, tile by tile of this side, into `out`, (H, W) int32; returns how many there are.

    Example:
        >>> labels = np.zeros((2, 4), np.int32)
        >>> number_components(np.array([[0, 1, 0, 1], [1, 0, 0, 1]], bool), labels, side=2), labels.tolist()
        (2, [[0, 1, 0, 2], [1, 0, 0, 2]])
    """
    total, firsts, seams = 0, [], []
    for window in windows(binary.shape, side, 0):
        labels, count = ndimage.label(binary[window.core], EIGHT)
        labels[labels > 0] += total
        out[window.core] = labels
        firsts.append(_first_pixels(labels, count, total, window, binary.shape[1]))
        seams.append(_seam_pairs(out, window))
        total += count
    pairs = np.concatenate(seams) - 1
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(total, total))
    groups, group = connected_components(links, directed=False) if total else (0, np.zeros(0, np.int32))
    earliest = np.full(groups, np.iinfo(np.int64).max)
    np.minimum.at(earliest, group, np.concatenate(firsts))
    rank = np.empty(groups, np.int32)
    rank[np.argsort(earliest)] = np.arange(1, groups + 1, dtype=np.int32)
    final = np.concatenate((np.zeros(1, np.int32), rank[group]))
    for window in windows(binary.shape, side, 0):
        out[window.core] = final[out[window.core]]
    return groups


def _first_pixels(
    labels: NDArray[np.int32], count: int, total: int, window: Window, width: int
) -> NDArray[np.int64]:
    """Raster index in the image of the first pixel of each component of a tile."""
    first = np.zeros(count, np.int64)
    places = np.flatnonzero(labels)[::-1]
    first[labels.ravel()[places] - total - 1] = places
    rows, columns = np.divmod(first, labels.shape[1])
    return (rows + window.core[0].start) * width + columns + window.core[1].start


def _seam_pairs(numbers: NDArray[np.int32], window: Window) -> NDArray[np.int64]:
    """Pairs of numbers (N, 2) that touch across the upper and the left edge of a tile."""
    rows, columns = window.core
    pairs = [np.empty((0, 2), np.int64)]
    if rows.start:
        start = max(0, columns.start - 1)
        above_it = numbers[rows.start - 1, start : columns.stop + 1]
        pairs.append(_touching(numbers[rows.start, columns], above_it, columns.start - start))
    if columns.start:
        start = max(0, rows.start - 1)
        left_of_it = numbers[start : rows.stop, columns.start - 1]
        pairs.append(_touching(numbers[rows, columns.start], left_of_it, rows.start - start))
    return np.concatenate(pairs)


def _touching(edge: NDArray[np.int32], other: NDArray[np.int32], lead: int) -> NDArray[np.int64]:
    """Pairs of numbers at most one pixel apart along an edge; `other` starts `lead` pixels earlier."""
    padded = np.zeros(edge.size + 2, np.int64)
    known = other[: edge.size + 1 + lead]
    padded[1 - lead : 1 - lead + known.size] = known
    pairs = np.concatenate(
        [np.stack((edge, padded[shift : shift + edge.size]), axis=1) for shift in range(3)]
    )
    return np.unique(pairs[(pairs > 0).all(1)], axis=0)
