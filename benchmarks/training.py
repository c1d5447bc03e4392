# SPDX-License-Identifier: MIT
"""Host time of a training batch at paper scale: windows of images in memory, drawn, read and copied."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import torch

from benchmarks.harness import Case, Comparison, Prepared
from microtome.io.images import open_source, write
from microtome.io.raster import ArraySource, StackedSource
from microtome.networks.windows import mirror
from microtome.training.batches import BalancedWindowBatches, Batch, BatchSource, Drawn, PatchBatches
from microtome.training.labelled import Labelled
from microtome.training.reading import in_order

Item = TypeVar("Item")
READERS = 2
"""Threads that read batches, one for each core."""
RAW = 95
"""Side of the windows of N4, and of those from which a network of 65 pixels sees non-uniform ones."""
REPEATS = 10
"""Times each window is drawn, so that memory is long in use."""
QUICK = 2
"""Batches with --quick."""


def images(count: int, shape: tuple[int, int, int], maps: int, dtype: str) -> dict[str, Labelled]:
    """Images of noise, with labels of two classes in some maps."""
    generator, found = np.random.default_rng(0), {}
    for number in range(count):
        pixels = generator.integers(0, 256, shape, np.uint8).astype(dtype)
        labels = [generator.integers(0, 2, shape[1:], np.uint8) for _ in range(maps)]
        sources = tuple(map(ArraySource, labels))
        label = StackedSource(sources) if maps > 1 else sources[0]
        found[f"s{number:02}"] = Labelled(ArraySource(pixels), label)
    return found


def in_files(every: dict[str, Labelled]) -> dict[str, Labelled]:
    """The same images as bands of cubes are stored, read by window; their labels in memory."""
    found = {}
    for name, one in every.items():
        path = Path(_folder().name) / f"{name}.tif"
        write(path, one.image.array, compression="none", tile=None)
        found[name] = Labelled(open_source(path, cache_bytes=0), one.label)
    return found


@cache
def _folder() -> TemporaryDirectory:
    return TemporaryDirectory()


def patches(every: dict[str, Labelled], size: int, batch_size: int) -> PatchBatches:
    """Windows side by side."""
    windows = [
        (name, y, x, size)
        for name, one in every.items()
        for y in range(0, one.image.shape[1] - size + 1, size)
        for x in range(0, one.image.shape[2] - size + 1, size)
    ]
    return PatchBatches(every, windows, batch_size, repeats=REPEATS)


def balanced(every: dict[str, Labelled], count: int) -> BalancedWindowBatches:
    """Windows around pixels, a hundred in each batch."""
    return BalancedWindowBatches(every, RAW, 100 * count, 100)


# Task: its batches, how many of them are timed, and the milliseconds that each may take.
TASKS: dict[str, tuple[Callable[[int], BatchSource], int, float]] = {
    "melanoma": (lambda _: patches(images(16, (16, 512, 512), 1, "float32"), 256, 8), 80, 8),
    "melanoma, by window": (
        lambda _: patches(in_files(images(16, (16, 512, 512), 1, "float32")), 256, 8),
        80,
        8,
    ),
    "membranes, N4": (lambda count: balanced(images(24, (1, 512, 512), 1, "uint8"), count), 400, 1),
    "membranes, 65 px": (lambda count: balanced(images(24, (1, 512, 512), 1, "uint8"), count), 400, 1),
    "nuclei": (lambda _: patches(images(32, (3, 1000, 1000), 2, "uint8"), 1000, 8), 40, 15),
    "membranes, U-Net": (lambda _: patches(images(80, (1, 512, 512), 1, "uint8"), 512, 4), 200, 2),
}
BEFORE = ", before"


def after(name: str, quick: bool) -> Prepared:
    """Batches as training draws and reads them, by two threads."""
    make, count, _ = TASKS[name]
    count = QUICK if quick else count
    source = make(count)

    def run() -> Batch:
        calls = (partial(source.read, drawn) for drawn in _some(source, count))
        return _last(in_order(calls, threads=READERS))

    def error(batch: Batch) -> float:
        drawn = _last(_some(source, count))
        pixels, labels = stacked(source, drawn)
        pairs = ((batch.images.float(), pixels), (batch.labels.long(), labels))
        return max(float((found - expected).abs().max()) for found, expected in pairs)

    return Prepared(run, error, warm=True, scale=1 / count)


def before(name: str, quick: bool) -> Prepared:
    """The same batches, stacked as they were."""
    make, count, _ = TASKS[name]
    count = QUICK if quick else count
    source = make(count)

    def run() -> None:
        for drawn in _some(source, count):
            stacked(source, drawn)

    return Prepared(run, warm=True, scale=1 / count)


def stacked(source: BatchSource, drawn: Drawn) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows as float32 and their labels as int64, each copied on its own and then together."""
    cut = _around if isinstance(source, BalancedWindowBatches) else _window
    places = zip(drawn.samples, drawn.rows.tolist(), drawn.columns.tolist(), strict=True)
    windows = [cut(source.images[name], row, column, drawn.size) for name, row, column in places]
    pixels = np.stack([image for image, _ in windows], dtype=np.float32)
    labels = np.stack([label for _, label in windows], dtype=np.int64)
    return torch.from_numpy(pixels), torch.from_numpy(labels)


def _window(one: Labelled, row: int, column: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    return one.image.read(row, column, size, size), one.label.read(row, column, size, size)


def _around(one: Labelled, row: int, column: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The window of an image that was mirrored once, and the label of its centre."""
    y, x = row + size // 2, column + size // 2
    window = _mirrored(one.image, size)[:, y : y + size, x : x + size]
    return window, one.label.array[y, x].reshape(1, 1, 1)


@cache
def _mirrored(image: ArraySource, size: int) -> np.ndarray:
    return mirror(image.array, size)


def _last(items: Iterator[Item]) -> Item:
    """The last of some, each of which is let go before the next."""
    return deque(items, maxlen=1).pop()


def _some(source: BatchSource, count: int) -> Iterator[Drawn]:
    """So many batches of one epoch."""
    return islice(source.drawn(0), count)


CASE = Case(
    "training",
    "host time of a batch: 8 × 16 × 256² float32 (melanoma), 100 × 95² uint8 (N4 and networks of 65 px), "
    "8 × 3 × 1000² uint8 with two maps (nuclei), 4 × 512² uint8 (U-Net)",
    {name: partial(after, name) for name in TASKS}
    | {f"{name}{BEFORE}": partial(before, name) for name in TASKS},
    [Comparison(f"{name}: {TASKS[name][2]} ms", name, TASKS[name][2] / 1000, 1.0) for name in TASKS]
    + [Comparison(f"{name}: before", name, f"{name}{BEFORE}", None) for name in TASKS],
    note=f"Read by {READERS} threads; before: by one, stacked as float32 and int64. Images lie in memory, or "
    "in files of which the system has copies there; augmentation is not counted, as it runs on the device.",
)
