# SPDX-License-Identifier: MIT
"""Images that lie on a GPU while a network is trained: batches are cut where they are needed."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microtome.class_maps import IGNORE
from microtome.io.raster import Raster
from microtome.training.batch import Batch, Drawn
from microtome.training.buffers import Buffers, as_torch, type_of_labels, type_of_pixels
from microtome.training.cutting import Cutter, all_labelled
from microtome.training.labelled import ALONE, Labelled, Surroundings

logger = logging.getLogger(__name__)
ROWS = 1024
"""Rows that are read at once on the way to a device."""
TWO_BYTES = torch.int16
"""As which unsigned 16-bit values are gathered, for which PyTorch has no kernels."""


@dataclass(frozen=True, eq=False)
class Resident:
    """Images and labels on a device, laid end to end, pixel after pixel.

    Attributes:
        images: (C, pixels of all images), in the type of every batch.
        labels: (T, pixels of all images), likewise.
        places: Sample name to its place.
        starts: (images,) int64, number of the first pixel of each image.
        sizes: (images, 2) int64, rows and columns.
        complete: (images,) bool, whether every pixel has a label in every map.
        binary: (images,) bool, whether every pixel of every map is 0 or 1.
        buffers: What is sent to the device lies there first.
    """

    images: Tensor
    labels: Tensor
    places: Mapping[str, int]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    complete: NDArray[np.bool_]
    binary: NDArray[np.bool_]
    buffers: Buffers

    @classmethod
    def collect(cls, images: Mapping[str, Labelled], device: torch.device) -> Self:
        """Copy images to a device, some rows at a time.

        Raises:
            ValueError: Images have different numbers of channels.
            torch.OutOfMemoryError: The device has no room for them.
        """
        cutter = Cutter(images)
        sizes = np.array([one.image.shape[1:] for one in images.values()], np.int64)
        starts = np.cumsum([0, *sizes.prod(1)])
        pixels, labels = (
            torch.empty((channels, int(starts[-1])), dtype=as_torch(dtype), device=device)
            for channels, dtype in zip(cutter.channels, cutter.types, strict=True)
        )
        for start, one in zip(starts.tolist(), images.values(), strict=False):
            for source, out, dtype in zip(
                (one.image, one.label), (pixels, labels), cutter.types, strict=True
            ):
                _send(source, out[:, start:], dtype)
        complete, binary = (
            np.array([all(map(every, _strips(one.label))) for one in images.values()])
            for every in (all_labelled, _all_binary)
        )
        names = {name: place for place, name in enumerate(images)}
        pinned = Buffers(pinned=device.type == "cuda")
        logger.info("%.0f MB of images lie on the device", (pixels.nbytes + labels.nbytes) / 2**20)
        return cls(pixels, labels, names, starts[:-1], sizes, complete, binary, pinned)

    def cut(self, drawn: Drawn, around: Surroundings = ALONE) -> Batch:
        """The windows of a batch, on the device; nothing waits for it."""
        image, side = self._images_of(drawn), drawn.size + 2 * around.margin
        at = self._places(drawn, image, around.margin)
        pixels, labels = (_gathered(values, at.index, side) for values in (self.images, self.labels))
        if not around.mirrors_labels:
            labels = torch.where(at.inside, labels, IGNORE)
        inside = around.mirrors_labels or self._are_inside(drawn, image, around.margin)
        known, binary = (inside and bool(every[image].all()) for every in (self.complete, self.binary))
        told = {"known": known, "binary": binary}
        return Batch(pixels, labels, drawn.samples, drawn.draws, around.margin, **told)

    def pixels(self, drawn: Drawn) -> Tensor:
        """The pixels of the windows of a batch, on the device."""
        at = self._places(drawn, self._images_of(drawn), 0)
        return _gathered(self.images, at.index, drawn.size)

    def send(self, values: NDArray) -> Tensor:
        """Small values on the device, without waiting for it."""
        sent = self.buffers.empty(values.shape, values.dtype)
        sent.numpy()[...] = values
        return sent.to(self.images.device, non_blocking=True)

    def _images_of(self, drawn: Drawn) -> NDArray[np.int64]:
        return np.array([self.places[name] for name in drawn.samples])

    def _places(self, drawn: Drawn, image: NDArray[np.int64], margin: int) -> "_Places":
        """Where the pixels of each window lie, mirrored at the borders of its image."""
        corner = drawn.rows - margin, drawn.columns - margin
        numbers = np.stack([self.starts[image], *self.sizes[image].T, *corner])
        start, height, width, row, column = self.send(numbers).unbind()
        along = torch.arange(drawn.size + 2 * margin, device=self.images.device)
        rows, columns = row[:, None] + along, column[:, None] + along
        first = start[:, None] + _reflected(rows, height) * width[:, None]
        index = first[:, :, None] + _reflected(columns, width)[:, None, :]
        return _Places(
            index, (_within(rows, height)[:, :, None] & _within(columns, width)[:, None, :])[:, None]
        )

    def _are_inside(self, drawn: Drawn, image: NDArray[np.int64], margin: int) -> bool:
        """Whether no window reaches beyond its image."""
        corner = np.stack([drawn.rows, drawn.columns], 1) - margin
        end = corner + drawn.size + 2 * margin
        return bool(((corner >= 0) & (end <= self.sizes[image])).all())


def bytes_of(images: Iterable[Labelled]) -> int:
    """The room that images with their labels take on a device.

    Example:
        >>> from microtome.io.raster import ArraySource
        >>> one = ArraySource(np.zeros((3, 4), np.uint8))
        >>> bytes_of([Labelled(one, one)])
        24
    """
    told = [(one.image.shape, one.image.dtype, one.label.shape[0], one.label.dtype) for one in images]
    shapes, pixels, maps, labels = zip(*told, strict=True)
    each = shapes[0][0] * type_of_pixels(pixels).itemsize + maps[0] * type_of_labels(labels).itemsize
    return each * sum(height * width for _, height, width in shapes)


class _Places(NamedTuple):
    """Numbers of the pixels of windows, (N, side, side), and whether they are of the image, (N, 1, …)."""

    index: Tensor
    inside: Tensor


def _strips(source: Raster) -> Iterator[NDArray]:
    """An image from top to bottom, some rows at a time."""
    _, height, width = source.shape
    return (source.read(y, 0, min(ROWS, height - y), width) for y in range(0, height, ROWS))


def _all_binary(labels: NDArray[np.integer]) -> bool:
    return int(labels.min()) >= 0 and int(labels.max()) <= 1


def _send(source: Raster, out: Tensor, dtype: np.dtype) -> None:
    """Copy an image to the first columns of a matrix."""
    first = 0
    for strip in _strips(source):
        flat = np.ascontiguousarray(strip.reshape(len(strip), -1), dtype)
        out[:, first : first + flat.shape[1]].copy_(torch.from_numpy(flat))
        first += flat.shape[1]


def _gathered(values: Tensor, index: Tensor, side: int) -> Tensor:
    """Windows (N, C, side, side) of the columns of a matrix."""
    kind = values.dtype
    values = values.view(TWO_BYTES) if kind == torch.uint16 else values
    found = values.index_select(1, index.flatten()).view(kind)
    return found.view(len(values), -1, side, side).transpose(0, 1).contiguous()


def _reflected(positions: Tensor, length: Tensor) -> Tensor:
    """Positions (N, side) folded into images of some lengths (N,), mirrored at the outermost pixels."""
    period = (2 * (length - 1)).clamp(min=1)[:, None]
    folded = positions.remainder(period)
    return torch.minimum(folded, period - folded)


def _within(positions: Tensor, length: Tensor) -> Tensor:
    return (positions >= 0) & (positions < length[:, None])
