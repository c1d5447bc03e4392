# SPDX-License-Identifier: MIT
"""Batches of windows from images, in an order that depends on the seed and the epoch alone."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from microtome.class_maps import IGNORE
from microtome.io.raster import ArraySource, Raster
from microtome.training.balanced_windows import LabelledPixels
from microtome.training.labelled import ALONE, Labelled, Surroundings, Window
from microtome.training.window_lists import WindowLists

AHEAD = 2
"""Batches made ahead."""
Item = TypeVar("Item")
END = object()
HOLDOUT, COPY = 1, 2
"""Keys that keep the draws of the held-out share and of fixed copies apart from those of epochs."""


@dataclass(frozen=True)
class Batch:
    """Windows of images with their labels.

    Attributes:
        images: (N, C, H, W) float32, pixel values as stored.
        labels: (N, T, H, W) int64 class indices, `IGNORE` where unlabelled, one map for each output of the
            network; (N, 1, 1, 1) if only the class of the central pixel is asked for.
        samples: Names of the samples the windows come from.
        draws: Where the windows are fixed copies: the seed of each one's augmentation, None for a window as
            it is; empty where every epoch augments anew.
        margin: Pixels at each side that belong to the surroundings of a window, not to itself.
    """

    images: Tensor
    labels: Tensor
    samples: tuple[str, ...]
    draws: tuple[int | None, ...] = ()
    margin: int = 0


class BatchSource(Protocol):
    """What the training loop draws from."""

    def __len__(self) -> int:
        """Batches of an epoch."""
        ...

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch, the same at every call with the same number."""
        ...


def epoch_seed(seed: int, *keys: int) -> int:
    """A seed that depends on all its keys.

    Example:
        >>> epoch_seed(0, 1) != epoch_seed(0, 2)
        True
    """
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1, np.uint32)[0])


@dataclass(frozen=True)
class PatchBatches:
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
        readers: Threads that read the windows of a batch.
        around: What is read beyond each window.
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
    readers: int = 1
    around: Surroundings = ALONE

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
        order = np.random.default_rng([self.seed, 0, 0, HOLDOUT]).permutation(len(every))
        first, last = (round(edge * len(every)) for edge in self.share)
        if first == last:
            wanted = f"so that {self.share[0]:g} to {self.share[1]:g} of them are some"
            found = f"{len(every)} windows and copies cannot be shared out {wanted}"
            msg = f"{found}; raise sampler.holdout or sampler.copies"
            raise ValueError(msg)
        return every[np.sort(order[first:last])]

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        generator = np.random.default_rng([self.seed, number])
        order = np.tile(np.arange(len(self.items)), self.repeats)
        if self.shuffle:
            order = generator.permutation(order)
        for start in range(0, len(order), self.batch_size):
            chosen = self.items[order[start : start + self.batch_size]]
            places = [self._draw(int(window), generator) for window, _ in chosen]
            batch = _read(self.images, places, self.readers, self.around)
            draws = (epoch_seed(self.seed, COPY, int(w), int(copy)) if copy else None for w, copy in chosen)
            yield batch if self.copies is None else replace(batch, draws=tuple(draws))

    def _draw(self, number: int, generator: np.random.Generator) -> Window:
        """One window, cropped."""
        return _cropped(self.windows[number], self.crop, generator if self.shuffle else None)


@dataclass(frozen=True)
class ListBatches:
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
    """

    images: Mapping[str, Labelled]
    windows: Sequence[Window]
    lists: WindowLists
    batch_size: int
    crop: int | None = None
    seed: int = 0
    readers: int = 1
    around: Surroundings = ALONE

    def __post_init__(self) -> None:
        """Check that every window can be drawn.

        Raises:
            ValueError: There is no window, or a window of a sample that is not there.
        """
        _check_windows(self.images, self.windows)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.lists) // self.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        generator = np.random.default_rng([self.seed, number])
        order = self.lists.draw(generator)
        for start in range(0, len(order), self.batch_size):
            chosen = [self.windows[place] for place in order[start : start + self.batch_size].tolist()]
            places = [_cropped(window, self.crop, generator) for window in chosen]
            yield _read(self.images, places, self.readers, self.around)


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
    """

    images: Mapping[str, Labelled]
    size: int
    per_epoch: int | None
    batch_size: int
    seed: int = 0
    fixed: bool = False

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
        whole = [_whole(self.images[name]) for name in names]
        return LabelledPixels.collect(names, whole, window=self.size, ignore=IGNORE)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch; the label of a window is the class of its centre, (N, 1, 1, 1)."""
        generator = np.random.default_rng([self.seed, 0 if self.fixed else number + 1])
        pixels, count = self.pixels, self.per_epoch
        drawn = pixels.draw_all(generator) if count is None else pixels.draw(count, generator)
        for start in range(0, len(drawn), self.batch_size):
            yield _stack(self.pixels.windows(drawn[start : start + self.batch_size]))


def ahead(items: Iterator[Item], *, enabled: bool = True) -> Iterator[Item]:
    """Yield the same items in the same order, made by a thread while the caller works.

    Args:
        items: Where they come from; an error there is raised here, at its place.
        enabled: False makes each item when it is asked for.

    Example:
        >>> list(ahead(iter([1, 2, 3])))
        [1, 2, 3]
    """
    if not enabled:
        yield from items
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as pool:
        waiting = deque(pool.submit(next, items, END) for _ in range(AHEAD))
        while (item := waiting.popleft().result()) is not END:
            waiting.append(pool.submit(next, items, END))
            yield item


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


def _whole(labelled: Labelled) -> tuple[np.ndarray | Raster, np.ndarray]:
    """The image, (C, H, W) in full where it is held in memory, and the label (H, W) in full."""
    image, (_, height, width) = labelled.image, labelled.image.shape
    held = image.read(0, 0, height, width) if isinstance(image, ArraySource) else image
    return held, labelled.label.read(0, 0, height, width)[0]


def _read(
    images: Mapping[str, Labelled], windows: Sequence[Window], readers: int, around: Surroundings
) -> Batch:
    """A batch of windows, in their order, whichever of the threads reads which."""

    def read(window: Window) -> tuple[np.ndarray, np.ndarray, str]:
        return around.read(images[window[0]], window)

    if readers <= 1:
        return replace(_stack(list(map(read, windows))), margin=around.margin)
    with ThreadPoolExecutor(max_workers=readers, thread_name_prefix="read") as pool:
        return replace(_stack(list(pool.map(read, windows))), margin=around.margin)


def _stack(windows: Sequence[tuple[np.ndarray, np.ndarray, str]]) -> Batch:
    """Make a batch of windows."""
    images = torch.from_numpy(np.stack([image for image, _, _ in windows], dtype=np.float32))
    labels = torch.from_numpy(np.stack([label for _, label, _ in windows], dtype=np.int64))
    return Batch(images, labels, tuple(name for _, _, name in windows))
