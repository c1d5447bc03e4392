# SPDX-License-Identifier: MIT
"""Windows of images in memory or in files, copied once: from where they lie to where the batch lies."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from microtome.class_maps import IGNORE
from microtome.io.raster import HIGH_DIMENSIONS, ArraySource, Raster, StackedSource, read_mirrored
from microtome.training.batch import Batch, Drawn
from microtome.training.buffers import Buffers, type_of_labels, type_of_pixels
from microtome.training.labelled import ALONE, Labelled, Surroundings

Piece = tuple[slice, slice]
"""Where some neighbouring positions of a window lie in it, and where in the image."""


@dataclass(frozen=True)
class Cutter:
    """Cuts the windows of batches on the host.

    Attributes:
        images: Sample name to image and labels; of one number of channels, of any types.
        around: What is read beyond each window.
        buffers: Where batches lie.
        readers: Threads that share the windows of a batch.
    """

    images: Mapping[str, Labelled]
    around: Surroundings = ALONE
    buffers: Buffers = field(default_factory=Buffers, repr=False, compare=False)
    readers: int = 1

    @cached_property
    def channels(self) -> tuple[int, int]:
        """Channels of the images, and maps of the labels.

        Raises:
            ValueError: Images have different numbers of them.
        """
        every = {name: (one.image.shape[0], one.label.shape[0]) for name, one in self.images.items()}
        first = next(iter(every))
        other = next((name for name in every if every[name] != every[first]), None)
        if other is not None:
            found, expected = (
                "{} channel(s) and {} map(s) of labels".format(*every[name]) for name in (other, first)
            )
            msg = f"sample {other}: found {found}, expected {expected} as of sample {first}; convert the file"
            raise ValueError(msg)
        return every[first]

    @cached_property
    def types(self) -> tuple[np.dtype, np.dtype]:
        """Types of the pixels and labels of every batch, whichever samples it is of."""
        every = self.images.values()
        return type_of_pixels({one.image.dtype for one in every}), type_of_labels(
            {one.label.dtype for one in every}
        )

    def cut(self, drawn: Drawn) -> Batch:
        """The windows of a batch."""
        side, margin = drawn.size + 2 * self.around.margin, self.around.margin
        pixels, labels = (
            self.buffers.empty((len(drawn), channels, side, side), dtype)
            for channels, dtype in zip(self.channels, self.types, strict=True)
        )
        into = pixels.numpy(), labels.numpy()

        def copy(place: int) -> None:
            corner = int(drawn.rows[place]) - margin, int(drawn.columns[place]) - margin
            one = self.images[drawn.samples[place]]
            copy_mirrored(one.image, *corner, into[0][place])
            copy_labels = copy_mirrored if self.around.mirrors_labels else copy_inside
            copy_labels(one.label, *corner, into[1][place])

        _for_each(copy, len(drawn), self.readers)
        return Batch(pixels, labels, drawn.samples, drawn.draws, margin, known=all_labelled(into[1]))


def all_labelled(labels: NDArray[np.integer]) -> bool:
    """Whether no pixel is without a label.

    Example:
        >>> all_labelled(np.array([0, 1], np.uint8)), all_labelled(np.array([0, IGNORE], np.uint8))
        (True, False)
    """
    if labels.dtype == np.uint8:  # the largest value there is, which is found without a copy
        return int(labels.max()) != IGNORE
    return not (labels == IGNORE).any()


def copy_mirrored(source: Raster, y: int, x: int, out: NDArray) -> None:
    """Copy a window that may reach beyond the image, continued there by reflection.

    Args:
        source: The image.
        y: Row of the window's upper left corner.
        x: Its column.
        out: (C, height, width), written to; of a type that holds the values.

    Example:
        >>> out = np.zeros((1, 1, 5), np.uint8)
        >>> copy_mirrored(ArraySource(np.array([[1, 2, 3]])), 0, -1, out)
        >>> out.tolist()
        [[[2, 1, 2, 3, 2]]]
    """
    if isinstance(source, StackedSource):
        _copy_stacked(copy_mirrored, source, y, x, out)
    elif isinstance(source, ArraySource):
        image = channels_first(source.array)
        for to_rows, rows in pieces(y, out.shape[1], image.shape[1]):
            for to_columns, columns in pieces(x, out.shape[2], image.shape[2]):
                out[:, to_rows, to_columns] = image[:, rows, columns]
    else:
        out[...] = read_mirrored(source, y, x, *out.shape[1:])


def copy_inside(source: Raster, y: int, x: int, out: NDArray) -> None:
    """Copy a window of labels that may reach beyond the image, where there are none; as `copy_mirrored`.

    Example:
        >>> out = np.zeros((1, 1, 5), np.uint8)
        >>> copy_inside(ArraySource(np.array([[1, 2, 3]])), 0, -1, out)
        >>> out.tolist()
        [[[255, 1, 2, 3, 255]]]
    """
    if isinstance(source, StackedSource):
        _copy_stacked(copy_inside, source, y, x, out)
        return
    _, height, width = source.shape
    top, left = max(y, 0), max(x, 0)
    rows, columns = min(y + out.shape[1], height) - top, min(x + out.shape[2], width) - left
    if (rows, columns) != out.shape[1:]:
        out[...] = IGNORE
    if rows > 0 < columns:
        inside = out[:, top - y : top - y + rows, left - x : left - x + columns]
        copy_mirrored(source, top, left, inside)


def pieces(start: int, count: int, length: int) -> Iterator[Piece]:
    """Runs of positions that lie one after the other in an image, or one before the other where it is
    mirrored.

    Args:
        start: First position, may be negative or beyond the image.
        count: Positions.
        length: Pixels of the image along this axis.

    Example:
        >>> [(to, at) for to, at in pieces(-1, 4, 3)]
        [(slice(0, 1, None), slice(1, 0, -1)), (slice(1, 4, None), slice(0, 3, None))]
    """
    if length == 1:  # every position shows the one pixel there is
        yield slice(0, count), slice(0, 1)
        return
    period, done = 2 * (length - 1), 0
    while done < count:
        phase = (start + done) % period
        if phase < length:
            taken = min(length - phase, count - done)
            at = slice(phase, phase + taken)
        else:
            first = period - phase
            taken = min(first, count - done)
            at = slice(first, first - taken, -1)
        yield slice(done, done + taken), at
        done += taken


def _copy_stacked(
    copy: Callable[[Raster, int, int, NDArray], None], source: StackedSource, y: int, x: int, out: NDArray
) -> None:
    first = 0
    for one in source.sources:
        copy(one, y, x, out[first : first + one.shape[0]])
        first += one.shape[0]


def channels_first(array: NDArray) -> NDArray:
    """An image in memory as (C, H, W): a view."""
    return array if array.ndim == HIGH_DIMENSIONS else array[None]


def _for_each(copy: Callable[[int], None], count: int, readers: int) -> None:
    """Call with each number, by so many threads."""
    if readers <= 1:
        for place in range(count):
            copy(place)
        return
    with ThreadPoolExecutor(max_workers=readers, thread_name_prefix="window") as pool:
        for _ in pool.map(copy, range(count)):
            pass
