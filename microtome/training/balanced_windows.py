# SPDX-License-Identifier: MIT
"""Labelled pixels of several images by class, and the windows around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from microtome.io.raster import ArraySource, Raster, read_mirrored
from microtome.networks.windows import mirror
from microtome.training.batch import Drawn
from microtome.training.cutting import channels_first

LEAST_CLASSES = 2
LARGEST_SHORT = np.iinfo(np.uint32).max


@dataclass(frozen=True, eq=False)
class LabelledPixels:
    """The pixels of some images; a pixel is known by its number, counted through the images laid end to end.

    Attributes:
        names: Sample names.
        labels: (pixels,) class of each pixel.
        starts: (images + 1,) number of the first pixel of each image, and of all pixels.
        widths: (images,) columns of each image.
        by_class: Numbers of the pixels of each class, in ascending order, without unlabelled pixels.
    """

    names: tuple[str, ...]
    labels: NDArray[np.integer]
    starts: NDArray[np.int64]
    widths: NDArray[np.int64]
    by_class: tuple[NDArray[np.integer], ...]

    @classmethod
    def collect(cls, names: Sequence[str], maps: Sequence[NDArray], *, ignore: int) -> Self:
        """Lay out images.

        Args:
            names: Sample names.
            maps: Label map (H, W) of each.
            ignore: Label of unlabelled pixels.

        Raises:
            ValueError: The labels hold fewer than two classes.
        """
        labels = np.concatenate([label.ravel() for label in maps])
        classes = [value for value in np.unique(labels) if value != ignore]
        if len(classes) < LEAST_CLASSES:
            msg = (
                f"the labels of {', '.join(names)} hold {len(classes)} class(es); balanced windows need at "
                "least two. Check the labels, or put other samples into this part."
            )
            raise ValueError(msg)
        number = np.uint32 if labels.size <= LARGEST_SHORT else np.int64
        return cls(
            names=tuple(names),
            labels=labels,
            starts=np.cumsum([0, *(label.size for label in maps)]),
            widths=np.array([label.shape[1] for label in maps]),
            by_class=tuple(np.flatnonzero(labels == value).astype(number) for value in classes),
        )

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Sample name to its place."""
        return {name: place for place, name in enumerate(self.names)}

    def places(
        self, pixels: NDArray[np.int64]
    ) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
        """Samples, rows and columns of pixels."""
        image = np.searchsorted(self.starts, pixels, side="right") - 1
        rows, columns = np.divmod(pixels - self.starts[image], self.widths[image])
        return tuple(self.names[place] for place in image.tolist()), rows, columns

    def classes(
        self, samples: Sequence[str], rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.integer]:
        """The class of pixels, (N,)."""
        image = np.array([self.numbers[name] for name in samples])
        return self.labels[self.starts[image] + rows * self.widths[image] + columns]

    def draw(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Draw `count` pixels with replacement, equally many of each class, in random order."""
        share, rest = divmod(count, len(self.by_class))
        drawn = [
            generator.choice(pixels, share + (position < rest), replace=True)
            for position, pixels in enumerate(self.by_class)
        ]
        return generator.permutation(np.concatenate(drawn).astype(np.int64))

    @cached_property
    def shares(self) -> tuple[tuple[NDArray[np.integer], ...], ...]:
        """The pixels of each class of each image that has two classes or more, by image.

        Raises:
            ValueError: No image has two classes.
        """
        cuts = [np.split(pixels, np.searchsorted(pixels, self.starts[1:-1])) for pixels in self.by_class]
        found = [tuple(pixels for pixels in image if pixels.size) for image in zip(*cuts, strict=True)]
        mixed = tuple(image for image in found if len(image) >= LEAST_CLASSES)
        if not mixed:
            names = ", ".join(self.names)
            msg = f"none of {names} holds two classes; give sampler.per_epoch a number of windows"
            raise ValueError(msg)
        return mixed

    @property
    def balanced(self) -> int:
        """How many pixels `draw_all` draws."""
        return sum(len(image) * min(pixels.size for pixels in image) for image in self.shares)

    def draw_all(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """Every pixel of the rarest class of each image and as many of each other, in random order.

        None is drawn twice. Images of one class alone give none.
        """
        drawn = [
            generator.choice(pixels, min(one.size for one in image), replace=False)
            for image in self.shares
            for pixels in image
        ]
        return generator.permutation(np.concatenate(drawn).astype(np.int64))


@dataclass(frozen=True, eq=False)
class MirroredImages:
    """Images whose every pixel has a whole window around it.

    Attributes:
        images: Sample name to image in memory, (C, H + window - 1, W + window - 1), mirrored at its borders;
            or to a raster (C, H, W) that is read by windows.
        window: Side of the windows, odd.
    """

    images: Mapping[str, NDArray | Raster]
    window: int

    @classmethod
    def of(cls, images: Mapping[str, Raster], window: int) -> Self:
        """Those in memory are mirrored once.

        Raises:
            ValueError: The window is even.
        """
        every = {
            name: mirror(channels_first(one.array), window) if isinstance(one, ArraySource) else one
            for name, one in images.items()
        }
        return cls(every, window)

    def copy(self, drawn: Drawn, out: NDArray) -> None:
        """Copy the windows of a batch to `out`, (N, C, window, window)."""
        half, side = self.window // 2, self.window
        places = zip(drawn.samples, drawn.rows.tolist(), drawn.columns.tolist(), strict=True)
        for into, (name, row, column) in zip(out, places, strict=True):
            image = self.images[name]
            if isinstance(image, np.ndarray):  # the corner of a window is as far inside as the mirror is wide
                y, x = row + half, column + half
                into[...] = image[:, y : y + side, x : x + side]
            else:
                into[...] = read_mirrored(image, row, column, side, side)
