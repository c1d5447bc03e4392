# SPDX-License-Identifier: MIT
"""Classes of objects: the vote of an object's pixels, and the map of classes that follows from it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from microtome.io.raster import Raster

STRIP = 1024
"""Rows of a large image that are read at once."""


def vote(labels: NDArray[np.integer], classes: NDArray[np.integer], count: int) -> dict[int, int]:
    """The class that most pixels of each object have, as HoVer-Net's (doi:10.1016/j.media.2019.101563).

    Args:
        labels: (H, W) object numbers, 0 = background.
        classes: (H, W) class indices; pixels of class 0, the background, and of `count` or more have no vote.
        count: Classes, the background among them.

    Returns:
        Class index by object number, the smallest of equals; 0 for objects none of whose pixels has a vote.

    Example:
        >>> vote(np.array([[4, 4, 4, 7, 9]]), np.array([[2, 1, 2, 1, 0]]), 3)
        {4: 2, 7: 1, 9: 0}
    """
    numbers, index = np.unique(labels, return_inverse=True)
    votes = _votes(index.reshape(labels.shape), classes, len(numbers), count)
    return {n: c for n, c in zip(numbers.tolist(), votes.argmax(1).tolist(), strict=True) if n}


def vote_of_maps(labels: NDArray[np.int32], source: Raster) -> dict[int, int]:
    """The class of each object by probability maps: each pixel votes for its most probable class of objects.

    Args:
        labels: (H, W) object numbers without large gaps, 0 = background.
        source: Probabilities (K, H, W), the background first; read strip by strip.

    Returns:
        Class index, 1 to K - 1, by object number.

    Example:
        >>> from microtome.io.raster import ArraySource
        >>> maps = np.array([[[0.6, 0.0]], [[0.1, 0.3]], [[0.3, 0.7]]], np.float32)
        >>> vote_of_maps(np.array([[1, 2]], np.int32), ArraySource(maps))
        {1: 2, 2: 2}
    """
    count, height, width = source.shape
    size = int(labels.max(initial=0)) + 1
    votes = np.zeros((size, count), np.int64)
    for top in range(0, height, STRIP):
        rows = min(STRIP, height - top)
        winners = source.read(top, 0, rows, width)[1:].argmax(0) + 1
        votes += _votes(labels[top : top + rows], winners, size, count)
    present = np.flatnonzero(votes.any(axis=1))
    return {number: int(votes[number].argmax()) for number in present.tolist() if number}


def class_map(labels: NDArray[np.int32], of: Mapping[int, int]) -> NDArray[np.uint8]:
    """The class index of each pixel (H, W) uint8, 0 outside of objects, from numbers and their classes.

    Example:
        >>> class_map(np.array([[0, 7, 9]], np.int32), {7: 1, 9: 2})
        array([[0, 1, 2]], dtype=uint8)
    """
    largest = int(labels.max(initial=0))
    if largest > labels.size:  # few objects with large numbers
        numbers, labels = np.unique(labels, return_inverse=True)
        return np.array([of.get(number, 0) for number in numbers.tolist()], np.uint8)[labels]
    table = np.zeros(largest + 1, np.uint8)
    present = [number for number in of if number <= largest]
    table[present] = [of[number] for number in present]
    return table[labels]


def _votes(index: NDArray, classes: NDArray, size: int, count: int) -> NDArray[np.int64]:
    """(size, count) votes of each class in each object, none for the background."""
    known = (classes > 0) & (classes < count)
    flat = index[known].astype(np.int64) * count + classes[known]
    return np.bincount(flat, minlength=size * count).reshape(size, count)
