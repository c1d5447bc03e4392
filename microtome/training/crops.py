# SPDX-License-Identifier: MIT
"""Crops of whole images, drawn anew each epoch: anywhere, or rich in objects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from microtome.training.batch import Drawn
from microtome.training.batches import WindowSource
from microtome.training.buffers import Buffers
from microtome.training.class_blocks import ClassBlocks
from microtome.training.labelled import ALONE, Labelled, Surroundings
from microtome.training.resident import Resident


@dataclass(frozen=True)
class CropBatches(WindowSource):
    """Squares of whole images, drawn anew each epoch, without a patch index.

    An image is drawn by its share of all pixels, then a place in it; a square lies wholly inside, unless the
    image is smaller, which is then mirrored. A share of them are instead drawn around objects
    (`ClassBlocks.draw`), moved inward at the borders: the oversampling of foreground of nnU-Net (Isensee et
    al. 2021, doi:10.1038/s41592-020-01008-z).

    Attributes:
        images: Sample name to image and label.
        size: Side of a square, pixels.
        batch_size: Windows of a batch; the last may be smaller.
        per_epoch: Crops of an epoch; None: as many as would cover each image once.
        rich: Share of them that are drawn around objects, 0 to 1.
        seed: Of the draw.
        readers: Threads that read the windows of a batch.
        around: What is read beyond each window.
        buffers: Where batches lie.
        resident: The images on a device, where batches are cut; None: on the host.
    """

    images: Mapping[str, Labelled]
    size: int
    batch_size: int
    per_epoch: int | None = None
    rich: float = 0.0
    seed: int = 0
    readers: int = 1
    around: Surroundings = ALONE
    buffers: Buffers = field(default_factory=Buffers, repr=False, compare=False)
    resident: Resident | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-self.crops // self.batch_size)

    @property
    def crops(self) -> int:
        """Crops of an epoch."""
        return self.per_epoch or int((-(-self.extents // self.size)).prod(1).sum())

    @cached_property
    def extents(self) -> NDArray[np.int64]:
        """Rows and columns of each image, (images, 2)."""
        return np.array([one.image.shape[1:] for one in self.images.values()], np.int64)

    @cached_property
    def blocks(self) -> ClassBlocks:
        """Where objects lie.

        Raises:
            ValueError: The labels hold none.
        """
        return ClassBlocks.collect({name: one.label for name, one in self.images.items()})

    def drawn(self, number: int) -> Iterator[Drawn]:
        """Which windows the batches of an epoch hold."""
        generator, names = np.random.default_rng([self.seed, number]), list(self.images)
        places = generator.permutation(self._places(generator))
        for number_in_epoch, start in enumerate(range(0, len(places), self.batch_size)):
            some = places[start : start + self.batch_size]
            samples = tuple(names[place] for place in some[:, 0].tolist())
            yield Drawn(number_in_epoch, samples, some[:, 1], some[:, 2], self.size)

    def _places(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """Image, row and column of the upper left corner of each crop of an epoch, (crops, 3)."""
        rich = round(self.rich * self.crops)
        centres = self.blocks.draw(rich, generator) if rich else np.empty((0, 3), np.int64)
        area = self.extents.prod(1)
        chosen = generator.choice(len(area), self.crops - rich, p=area / area.sum())
        room = np.maximum(self.extents - self.size, 0)
        corners = generator.integers(0, room[chosen] + 1)
        around = np.clip(centres[:, 1:] - self.size // 2, 0, room[centres[:, 0]])
        return np.concatenate([np.c_[chosen, corners], np.c_[centres[:, 0], around]])
