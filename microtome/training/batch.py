# SPDX-License-Identifier: MIT
"""A batch of windows: as it is drawn, as it is stored, and on its way to a device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microtome.training.labelled import Window


@dataclass(frozen=True, eq=False)
class Drawn:
    """Which windows a batch holds, before a pixel of them is read.

    Attributes:
        number: Of the batch in its epoch, from 0.
        samples: Names of the samples that the windows are of.
        rows: (N,) int64, row of the upper left corner of each; a window may reach beyond its image.
        columns: (N,) int64, likewise.
        size: Side of all windows, pixels.
        draws: Where the windows are fixed copies, see `Batch.draws`.
    """

    number: int
    samples: tuple[str, ...]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    size: int
    draws: tuple[int | None, ...] = ()

    @classmethod
    def of(cls, number: int, windows: Sequence[Window], draws: Sequence[int | None] = ()) -> Self:
        """The batch of some windows.

        Raises:
            ValueError: They are of several sizes.

        Example:
            >>> drawn = Drawn.of(0, [("a", 0, 4, 8), ("b", 2, 0, 8)])
            >>> drawn.samples, drawn.rows.tolist(), drawn.columns.tolist(), len(drawn)
            (('a', 'b'), [0, 2], [4, 0], 2)
        """
        samples, rows, columns, sizes = zip(*windows, strict=True)
        if len(set(sizes)) > 1:
            found = f"windows of {' and '.join(map(str, sorted(set(sizes))))} pixels in one batch"
            msg = f"found {found}, expected one size; set sampler.crop, or list the windows anew"
            raise ValueError(msg)
        places = (np.array(values, np.int64) for values in (rows, columns))
        return cls(number, samples, *places, sizes[0], tuple(draws))

    def __len__(self) -> int:
        """Windows of the batch."""
        return len(self.samples)


@dataclass(frozen=True)
class Batch:
    """Windows of images with their labels, as they are stored.

    Attributes:
        images: (N, C, H, W), pixel values as stored: uint8, int8, uint16, int16, float16 or float32.
        labels: (N, T, H, W) class indices, `IGNORE` where unlabelled, one map for each output of the network;
            (N, 1, 1, 1) if only the class of the central pixel is asked for. uint8, or the smallest of int16,
            int32 and int64 that holds the values of the files.
        samples: Names of the samples the windows come from.
        draws: Where the windows are fixed copies: the seed of each one's augmentation, None for a window as
            it is; empty where every epoch augments anew.
        margin: Pixels at each side that belong to the surroundings of a window, not to itself.
        known: Whether it is certain, without a look at the labels, that each of them is one: none is
            `IGNORE`.
        binary: Whether it is certain, likewise, that each of them is 0 or 1.
    """

    images: Tensor
    labels: Tensor
    samples: tuple[str, ...]
    draws: tuple[int | None, ...] = ()
    margin: int = 0
    known: bool = field(default=False, kw_only=True)
    binary: bool = field(default=False, kw_only=True)

    def pinned(self) -> Self:
        """In page-locked memory, from which a GPU copies while the host goes on; needs CUDA.

        What lies there, or on a device, is not copied again.
        """
        return replace(self, images=_pinned(self.images), labels=_pinned(self.labels))

    def on(self, device: torch.device) -> Self:
        """On a device, as stored; from page-locked memory the copy does not wait.

        Example:
            >>> batch = Batch(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.zeros(1, 1, 2, 2), ("a",))
            >>> batch.on(torch.device("meta")).images.dtype
            torch.uint8
        """
        return replace(self, images=_sent(self.images, device), labels=_sent(self.labels, device))


class BatchSource(Protocol):
    """What the training loop draws from."""

    def __len__(self) -> int:
        """Batches of an epoch."""
        ...

    def drawn(self, number: int) -> Iterator[Drawn]:
        """Which windows the batches of an epoch hold, the same at every call with the same number; cheap."""
        ...

    def read(self, drawn: Drawn) -> Batch:
        """Read the windows of a batch; several threads may read several batches."""
        ...

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch: `read` of each of `drawn`."""
        ...


def _sent(values: Tensor, device: torch.device) -> Tensor:
    """Values on a device; page-locked memory alone is PyTorch's until the copy ends, other is used again."""
    if device.type == "mps" and values.dtype == torch.uint16:  # a type that Metal's back end does not take
        values = values.int()
    return values.to(device, non_blocking=values.is_pinned())


def _pinned(values: Tensor) -> Tensor:
    return values if values.device.type != "cpu" or values.is_pinned() else values.pin_memory()
