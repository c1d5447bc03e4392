# SPDX-License-Identifier: MIT
"""Batches of windows from images, in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from microtome.class_maps import IGNORE
from microtome.io.raster import ArraySource, Raster
from microtome.training.balanced_windows import LabelledPixels, MirroredImages
from microtome.training.batch import Batch, BatchSource, Drawn
from microtome.training.buffers import Buffers
from microtome.training.cutting import Cutter, channels_first
from microtome.training.labelled import ALONE, Labelled, Surroundings, Window
from microtome.training.resident import Resident
from microtome.training.window_lists import WindowLists

__all__ = [
    "BalancedWindowBatches",
    "Batch",
    "BatchSource",
    "Drawn",
    "ListBatches",
    "PatchBatches",
    "WindowSource",
    "epoch_seed",
]

HOLDOUT, COPY = 1, 2
"""Keys that keep the draws of the held-out share and of fixed copies apart from those of epochs."""


def epoch_seed(seed: int, *keys: int) -> int:
    """A seed that depends on all its keys.

    Example:
        >>> epoch_seed(0, 1) != epoch_seed(0, 2)
        True
    """
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1, np.uint32)[0])


class WindowSource:
    """What sources of windows of images have in common: how they are read."""

    @cached_property
    def cutter(self) -> Cutter:
        """Cuts windows on the host."""
        return Cutter(self.images, self.around, self.buffers, self.readers)

    def read(self, drawn: Drawn) -> Batch:
        """Read the windows of a batch, cut where the images lie."""
        if self.resident:
            return self.resident.cut(drawn, self.around)
        return self.cutter.cut(drawn)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        return map(self.read, self.drawn(number))


@dataclass(frozen=True)
class PatchBatches(WindowSource):
    """The windows of a patch index, each `repeats` times an epoch, in a new order.

    Attributes:
        images: Sample name to image and label.
        windows: (sample, y, x, size) of each window.
        batch_size: Windows of a batch; the last may be smaller.
        crop: Side of a random square inside each window; None takes the window whole.
        repeats: Times each window is drawn in an epoch.
        seed: Of order and crops.
        shuffle: False for validation: the index's order, crops in the centre.
        copies: Fixed augmented copies beside each window; None augments anew in each epoch.
        share: Which of all windows and copies are drawn, as a range of their random order, 0 to 1.
        by_sample: That order is one of samples, whose windows and copies stay together.
        readers: Threads that read the windows of a batch.
        around: What is read beyond each window.
        buffers: Where batches lie.
        resident: The images on a device, where batches are cut; None: on the host.
    """

    images: Mapping[str, Labelled]
    windows: Sequence[Window]
    batch_size: int
    crop: int | None = None
    repeats: int = 1
    seed: int = 0
    shuffle: bool = True
    copies: int | None = None
    share: tuple[float, float] = (0.0, 1.0)
    by_sample: bool = False
    readers: int = 1
    around: Surroundings = ALONE
    buffers: Buffers = field(default_factory=Buffers, repr=False, compare=False)
    resident: Resident | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check that every window can be drawn.

        Raises:
            ValueError: There is no window, or a window of a sample that is not there.
        """
        _check_windows(self.images, self.windows)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.items) * self.repeats // self.batch_size)

    @cached_property
    def items(self) -> np.ndarray:
        """What an epoch draws from: (n, 2) window and copy, copy 0 being the window itself.

        Raises:
            ValueError: The share holds nothing.
        """
        copies = 1 + (self.copies or 0)
        every = np.stack(np.meshgrid(np.arange(len(self.windows)), np.arange(copies), indexing="ij"), -1)
        every = every.reshape(-1, 2)
        if self.share == (0.0, 1.0):
            return every
        units = np.arange(len(every))
        if self.by_sample:
            samples = [sample for sample, *_ in self.windows]
            units = np.unique(samples, return_inverse=True)[1][every[:, 0]]
        return every[np.isin(units, self._shared_out(int(units.max()) + 1))]

    def _shared_out(self, count: int) -> NDArray[np.int64]:
        """Which of so many samples, or windows and copies, are in the share."""
        order = np.random.default_rng([self.seed, 0, 0, HOLDOUT]).permutation(count)
        first, last = (round(edge * count) for edge in self.share)
        if first == last:
            kind = "images" if self.by_sample else "windows and copies"
            more = "take more images" if self.by_sample else "sampler.copies"
            wanted = f"so that {self.share[0]:g} to {self.share[1]:g} of them are some"
            msg = f"{count} {kind} cannot be shared out {wanted}; raise sampler.holdout or {more}"
            raise ValueError(msg)
        return order[first:last]

    def drawn(self, number: int) -> Iterator[Drawn]:
        """Which windows the batches of an epoch hold."""
        generator = np.random.default_rng([self.seed, number])
        order = np.tile(np.arange(len(self.items)), self.repeats)
        if self.shuffle:
            order = generator.permutation(order)
        for place, chosen in enumerate(_split(self.items[order], self.batch_size)):
            windows = [self._draw(window, generator) for window, _ in chosen.tolist()]
            yield Drawn.of(place, windows, () if self.copies is None else self._seeds(chosen))

    def _seeds(self, chosen: NDArray[np.int64]) -> list[int | None]:
        """The seed of each window's augmentation; none for those that are no copy."""
        return [epoch_seed(self.seed, COPY, *one) if one[1] else None for one in chosen.tolist()]

    def _draw(self, number: int, generator: np.random.Generator) -> Window:
        """One window, cropped."""
        return _cropped(self.windows[number], self.crop, generator if self.shuffle else None)


@dataclass(frozen=True)
class ListBatches(WindowSource):
    """Windows drawn from lists, anew each epoch and in a new order.

    Attributes:
        images: Sample name to image and label.
        windows: (sample, y, x, size) of each window of the index.
        lists: Which of them are drawn, and how many.
        batch_size: Windows of a batch; the last may be smaller.
        crop: Side of a random square inside each window; None takes the window whole.
        seed: Of draws, order and crops.
        readers: Threads that read the windows of a batch.
        around: What is read beyond each window.
        buffers: Where batches lie.
        resident: The images on a device, where batches are cut; None: on the host.
    """

    images: Mapping[str, Labelled]
    windows: Sequence[Window]
    lists: WindowLists
    batch_size: int
    crop: int | None = None
    seed: int = 0
    readers: int = 1
    around: Surroundings = ALONE
    buffers: Buffers = field(default_factory=Buffers, repr=False, compare=False)
    resident: Resident | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check that every window can be drawn.

        Raises:
            ValueError: There is no window, or a window of a sample that is not there.
        """
        _check_windows(self.images, self.windows)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.lists) // self.batch_size)

    def drawn(self, number: int) -> Iterator[Drawn]:
        """Which windows the batches of an epoch hold."""
        generator = np.random.default_rng([self.seed, number])
        order = self.lists.draw(generator)
        for place, chosen in enumerate(_split(order, self.batch_size)):
            windows = [_cropped(self.windows[window], self.crop, generator) for window in chosen.tolist()]
            yield Drawn.of(place, windows)


@dataclass(frozen=True)
class BalancedWindowBatches:
    """Windows around pixels, equally many of each class, drawn anew each epoch (Ciresan et al. 2012).

    An epoch is balanced exactly (the first classes have one window more where their number does not divide
    `per_epoch`), a single batch on average.

    Attributes:
        images: Sample name to image and label; labels are held in memory.
        size: Side of a window, odd.
        per_epoch: Windows of an epoch; None: every pixel of the rarest class of each image, and as many
            others of each class, none of them twice.
        batch_size: Windows of a batch.
        seed: Of the draw.
        fixed: True draws the same windows every epoch (validation).
        buffers: Where batches lie.
        resident: The images on a device, where batches are cut; None: on the host.
    """

    images: Mapping[str, Labelled]
    size: int
    per_epoch: int | None
    batch_size: int
    seed: int = 0
    fixed: bool = False
    buffers: Buffers = field(default_factory=Buffers, repr=False, compare=False)
    resident: Resident | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        """Batches of an epoch."""
        count = self.pixels.balanced if self.per_epoch is None else self.per_epoch
        return -(-count // self.batch_size)

    @cached_property
    def pixels(self) -> LabelledPixels:
        """All labelled pixels by class.

        Raises:
            ValueError: The labels hold fewer than two classes, or `size` is even.
        """
        names = sorted(self.images)
        maps = [_map(self.images[name].label) for name in names]
        return LabelledPixels.collect(names, maps, ignore=IGNORE)

    @cached_property
    def mirrored(self) -> MirroredImages:
        """The images with whole windows around all pixels."""
        return MirroredImages.of({name: one.image for name, one in self.images.items()}, self.size)

    @cached_property
    def cutter(self) -> Cutter:
        """Channels and types of the images and labels."""
        return Cutter(self.images)

    def drawn(self, number: int) -> Iterator[Drawn]:
        """Which windows the batches of an epoch hold."""
        generator = np.random.default_rng([self.seed, 0 if self.fixed else number + 1])
        pixels, count, half = self.pixels, self.per_epoch, self.size // 2
        chosen = pixels.draw_all(generator) if count is None else pixels.draw(count, generator)
        for place, some in enumerate(_split(chosen, self.batch_size)):
            samples, rows, columns = pixels.places(some)
            yield Drawn(place, samples, rows - half, columns - half, self.size)

    def read(self, drawn: Drawn) -> Batch:
        """The windows of a batch; the label of each is the class of its centre, (N, 1, 1, 1)."""
        half, (channels, _), (dtype, of_labels) = self.size // 2, self.cutter.channels, self.cutter.types
        classes = self.pixels.classes(drawn.samples, drawn.rows + half, drawn.columns + half)
        classes = classes.astype(of_labels).reshape(-1, 1, 1, 1)
        if self.resident:
            images, labels = self.resident.pixels(drawn), self.resident.send(classes)
            return Batch(images, labels, drawn.samples, known=True)
        images = self.buffers.empty((len(drawn), channels, self.size, self.size), dtype)
        self.mirrored.copy(drawn, images.numpy())
        return Batch(images, torch.from_numpy(classes), drawn.samples, known=True)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        return map(self.read, self.drawn(number))


def _check_windows(images: Mapping[str, Labelled], windows: Sequence[Window]) -> None:
    """Refuse an index without windows, or with those of other samples."""
    if not windows:
        msg = f"the patch index holds no window of the samples {_listed(images)}; have they labels?"
        raise ValueError(msg)
    unknown = {sample for sample, *_ in windows} - set(images)
    if unknown:
        msg = f"the patch index names {_listed(unknown)}, expected samples among {_listed(images)}"
        raise ValueError(msg)


def _cropped(window: Window, crop: int | None, generator: np.random.Generator | None) -> Window:
    """A square of a window, at random or, without a generator, in its middle."""
    sample, y, x, size = window
    if not crop or crop >= size:
        return window
    room = size - crop
    dy, dx = (room // 2, room // 2) if generator is None else generator.integers(0, room + 1, 2)
    return sample, y + int(dy), x + int(dx), crop


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "(none)"


def _map(label: Raster) -> NDArray:
    """The first label map in full, (H, W)."""
    if isinstance(label, ArraySource):
        return channels_first(label.array)[0]
    _, height, width = label.shape
    return label.read(0, 0, height, width)[0]


def _split(order: NDArray, size: int) -> Iterator[NDArray]:
    """Neighbours in an order, so many at a time; the last may be fewer."""
    return (order[start : start + size] for start in range(0, len(order), size))
