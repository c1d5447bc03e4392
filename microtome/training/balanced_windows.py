# SPDX-License-Identifier: MIT
"""Labelled pixels of several images by class, and the windows around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from microtome.io.raster import Raster, read_mirrored
from microtome.networks.windows import mirror

LEAST_CLASSES = 2
LARGEST_SHORT = np.iinfo(np.uint32).max


@dataclass(frozen=True, eq=False)
class LabelledPixels:
    """The pixels of some images; a pixel is known by its number, counted through the images laid end to end.

    Attributes:
        names: Sample names.
        images: Each image (C, H + window - 1, W + window - 1), mirrored at its borders; or a raster (C, H, W)
            that is read by windows.
        labels: (pixels,) class of each pixel.
        starts: (images + 1,) number of the first pixel of each image, and of all pixels.
        widths: (images,) columns of each image.
        by_class: Numbers of the pixels of each class, in ascending order, without unlabelled pixels.
        window: Side of the windows.
    """

    names: tuple[str, ...]
    images: tuple[NDArray | Raster, ...]
    labels: NDArray[np.integer]
    starts: NDArray[np.int64]
    widths: NDArray[np.int64]
    by_class: tuple[NDArray[np.integer], ...]
    window: int

    @classmethod
    def collect(
        cls,
        names: Sequence[str],
        images: Sequence[tuple[NDArray | Raster, NDArray]],
        *,
        window: int,
        ignore: int,
    ) -> Self:
        """Lay out images.

        Args:
            names: Sample names.
            images: Image (C, H, W), or a raster that is to be read by windows, and label (H, W) of each.
            window: Side of the windows, odd.
            ignore: Label of unlabelled pixels.

        Raises:
            ValueError: The labels hold fewer than two classes, or the window is even.
        """
        labels = np.concatenate([label.ravel() for _, label in images])
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
            images=tuple(
                mirror(image, window) if isinstance(image, np.ndarray) else image for image, _ in images
            ),
            labels=labels,
            starts=np.cumsum([0, *(label.size for _, label in images)]),
            widths=np.array([label.shape[1] for _, label in images]),
            by_class=tuple(np.flatnonzero(labels == value).astype(number) for value in classes),
            window=window,
        )

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

    def windows(self, pixels: NDArray[np.int64]) -> list[tuple[NDArray, NDArray, str]]:
        """The window (C, window, window) around each pixel, the pixel's class (1, 1, 1), and its sample."""
        image = np.searchsorted(self.starts, pixels, side="right") - 1
        rows, columns = np.divmod(pixels - self.starts[image], self.widths[image])
        labels = self.labels[pixels].reshape(-1, 1, 1, 1)
        places = zip(image.tolist(), rows.tolist(), columns.tolist(), labels, strict=True)
        return [(self._window(i, y, x), label, self.names[i]) for i, y, x, label in places]

    def _window(self, number: int, row: int, column: int) -> NDArray:
        """The window (C, window, window) around a pixel of an image."""
        image, side = self.images[number], self.window
        if isinstance(image, np.ndarray):
            return image[:, row : row + side, column : column + side]
        return read_mirrored(image, row - side // 2, column - side // 2, side, side)
