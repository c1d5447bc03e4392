# SPDX-License-Identifier: MIT
"""Memory for batches, used again once nobody holds the batch that lay in it."""

import math
import weakref
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import DTypeLike
from torch import Tensor

SMALLEST = 2**20
"""Bytes; smaller arrays are made anew, which costs nothing."""
KEPT = 8
"""Arrays of one size that are kept for later."""
PIXELS = tuple(map(np.dtype, ("uint8", "int8", "uint16", "int16", "float16", "float32")))
"""Types in which pixels are stored and sent to a device; others become the last."""
CLASSES = tuple(map(np.dtype, ("uint8", "int16", "int32", "int64")))
"""Types of labels, the smallest first."""


class Buffers:
    """Makes the tensors that windows are copied to.

    The system clears each page of fresh memory when it is first written to, which takes as long as the copy
    of a batch. So memory is kept: an array is lent, and comes back when the last tensor that shares it is
    gone. Threads may share buffers.

    Args:
        pinned: Page-locked memory, from which a GPU copies while the host goes on; PyTorch keeps that itself,
            until the copy is done.

    Example:
        >>> Buffers().empty((2, 1, 4, 4), np.uint16).dtype
        torch.uint16
    """

    def __init__(self, *, pinned: bool = False) -> None:
        self.pinned = pinned
        self._free: dict[int, deque[np.ndarray]] = {}

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> Tensor:
        """A tensor of that shape whose values are yet to be written."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if self.pinned or size < SMALLEST:
            return torch.empty(tuple(shape), dtype=as_torch(dtype), pin_memory=self.pinned)
        free = self._free.setdefault(size, deque(maxlen=KEPT))
        try:
            memory = free.pop()
        except IndexError:
            memory = np.empty(size, np.uint8)
        lent = memory.view(dtype).reshape(shape)  # the tensor holds this view, and nothing else does
        weakref.finalize(lent, free.append, memory).atexit = False
        return torch.from_numpy(lent)


def as_torch(dtype: DTypeLike) -> torch.dtype:
    """PyTorch's name of a type of NumPy.

    Example:
        >>> as_torch(np.uint16)
        torch.uint16
    """
    return torch.from_numpy(np.empty(0, dtype)).dtype


def type_of_pixels(dtypes: Iterable[DTypeLike]) -> np.dtype:
    """The type of a batch of images of some types: their common one, or float32.

    Example:
        >>> type_of_pixels([np.uint8, np.uint16]), type_of_pixels([np.uint8, np.float64])
        (dtype('uint16'), dtype('float32'))
    """
    common = np.result_type(*dtypes)
    common = np.dtype(np.uint8) if common == np.bool_ else common
    return common if common in PIXELS else PIXELS[-1]


def type_of_labels(dtypes: Iterable[DTypeLike]) -> np.dtype:
    """The smallest type of a batch of labels that holds all values of some types.

    Example:
        >>> type_of_labels([np.uint8]), type_of_labels([np.uint16, np.uint8])
        (dtype('uint8'), dtype('int32'))
    """
    common = np.result_type(*dtypes)
    return next((kind for kind in CLASSES if np.can_cast(common, kind)), CLASSES[-1])
