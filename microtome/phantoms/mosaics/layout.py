# SPDX-License-Identifier: MIT
"""Where the patterns of a mosaic lie, to the pixel as many as its sheet says, and what readers labelled.

Artefacts lie over everything; non-lesion is what lies beyond the lesion, and parts of it that are not at the
junction; the rest of the lesion is cut again and again across its longer side, so that patterns are compact
regions with wavy borders. Lengths are µm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.phantoms._noise import smooth_noise
from microtome.phantoms.mosaics.sheet import ARTIFACT, BACKGROUND, CLASSES, UNLABELLED, Mosaic

SATURATED, DARK, BRIGHT_BUBBLE, DARK_BUBBLE = range(4)
ARTEFACTS = ("saturation", "under-illumination", "bright air bubble", "dark air bubble")
NONE = 255
"""In a map of artefacts: pixels without one."""
ROUGHNESS = (0.30, 0.25, 0.42, 0.07)  # of the outline, by artefact, as a share of its radius
LONGEST = (1.8, 1.5, 1.7, 1.3)  # ratio of its half axes, at most
ARTEFACT_AREA = 0.05e6  # µm², about
REGION_AREA = 0.12e6  # of a pattern, likewise
BEYOND = 0.65  # share of the non-lesion that lies beyond the lesion
LESION_ROUGHNESS = 0.14
WAVES = ((220.0, 32.0), (70.0, 7.0))  # wavelength and amplitude of the bends of borders
LEANING = 0.5  # radians by which cuts leave the straight way across
CLEAR = 80.0  # distance from other patterns beyond which nothing gets clearer
WHIM, WHIM_LENGTH = 0.55, 330.0  # how much readers leave out of what is as clear, and in what pieces
Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Layout:
    """What each pixel of a mosaic is.

    Attributes:
        classes: ``(H, W)`` uint8, places in `CLASSES`.
        artefacts: ``(H, W)`` uint8, which of `ARTEFACTS` a pixel of that class is, `NONE` elsewhere.
    """

    classes: NDArray[np.uint8]
    artefacts: NDArray[np.uint8]


def lay_out(mosaic: Mosaic, mpp: float, rng: np.random.Generator) -> Layout:
    """Draw where the patterns of a mosaic lie; each has as many pixels as `mosaic.pixels` says.

    Example:
        >>> from microtome.config.phantoms.mosaics import MosaicPhantomData
        >>> from microtome.phantoms.mosaics.sheet import mosaics
        >>> mosaic = mosaics(MosaicPhantomData(size=128))[0]
        >>> found = lay_out(mosaic, 2.0, np.random.default_rng(0))
        >>> np.bincount(found.classes.ravel(), minlength=6).tolist() == list(mosaic.pixels)
        True
    """
    ground = _Ground.of(mosaic.shape, mpp, rng)
    for number, count in enumerate(_pieces(mosaic.pixels[ARTIFACT], ARTEFACT_AREA / mpp**2, rng)):
        kind = (mosaic.number + number) % len(ARTEFACTS)
        ground.give(count, _blob_distance(ground, kind, count), ARTIFACT, kind)
    beyond = round(BEYOND * mosaic.pixels[BACKGROUND])
    ground.give(beyond, -_lesion_distance(ground), BACKGROUND)
    left = {BACKGROUND: mosaic.pixels[BACKGROUND] - beyond}
    left |= {pattern: mosaic.pixels[pattern] for pattern in range(ARTIFACT + 1, len(CLASSES))}
    regions = [
        (pattern, count)
        for pattern, pixels in left.items()
        for count in _pieces(pixels, REGION_AREA / mpp**2, rng)
    ]
    _cut(ground, [regions[place] for place in rng.permutation(len(regions))])
    return Layout(ground.classes.reshape(mosaic.shape), ground.artefacts.reshape(mosaic.shape))


@dataclass(eq=False)
class _Ground:
    """A mosaic that is being laid out: flat arrays, and the pixels that belong to nothing yet."""

    shape: tuple[int, int]
    mpp: float
    rng: np.random.Generator
    places: Field  # ``(2, H * W)`` row and column with the bends of borders, µm
    classes: NDArray[np.uint8]
    artefacts: NDArray[np.uint8]
    free: NDArray[np.intp]

    @classmethod
    def of(cls, shape: tuple[int, int], mpp: float, rng: np.random.Generator) -> "_Ground":
        places = np.indices(shape, np.float32) * np.float32(mpp)
        for length, amplitude in WAVES:
            places += np.float32(amplitude) * smooth_noise((2, *shape), length / mpp, rng)
        blank = np.full(places[0].size, NONE, np.uint8)
        return cls(shape, mpp, rng, places.reshape(2, -1), blank, blank.copy(), np.arange(blank.size))

    def noise(self, wavelength: float) -> Field:
        return smooth_noise(self.shape, max(wavelength / self.mpp, 2.0), self.rng).ravel()

    def give(self, count: int, score: Field, pattern: int, kind: int = NONE) -> None:
        """Make the `count` free pixels of the lowest score a pattern."""
        first, rest = _lowest(score[self.free], count)
        self.classes[self.free[first]], self.artefacts[self.free[first]] = pattern, kind
        self.free = np.sort(self.free[rest])


def _lowest(values: Field, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the `count` lowest values, and of the others."""
    order = np.argpartition(values, count - 1) if 0 < count < values.size else np.arange(values.size)
    return order[:count], order[count:]


def _pieces(pixels: int, size: float, rng: np.random.Generator) -> list[int]:
    """Numbers of pixels that add up, of some `size` on average."""
    if pixels == 0:
        return []
    number = max(1, round(pixels / size))
    ends = np.rint(pixels * np.cumsum(weights := rng.uniform(0.6, 1.4, number)) / weights.sum()).astype(int)
    return np.diff(ends, prepend=0).tolist()


def _blob_distance(ground: _Ground, kind: int, pixels: int) -> Field:
    """Distance from the middle of an artefact, a rough ellipse; what is dark begins at a border."""
    rng, extent = ground.rng, np.array(ground.shape) * ground.mpp
    middle = rng.uniform(0.08, 0.92, 2)
    if kind == DARK:
        middle[rng.integers(2)] = rng.integers(2)
    ratio, turn = np.sqrt(rng.uniform(1, LONGEST[kind])), rng.uniform(0, np.pi)
    y, x = ground.places - (middle * extent).astype(np.float32)[:, None]
    along, across = np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x - np.sin(turn) * y
    radius = np.sqrt(pixels / np.pi) * ground.mpp
    rough = ground.noise(0.8 * radius) + np.float32(0.2) * ground.noise(0.25 * radius)
    distance = np.hypot(along / np.float32(ratio), across * np.float32(ratio))
    return distance + np.float32(ROUGHNESS[kind] * radius) * rough


def _lesion_distance(ground: _Ground) -> Field:
    """Distance from the middle of the lesion, in parts of the mosaic's sides."""
    extent = np.array(ground.shape) * ground.mpp
    middle = extent * ground.rng.uniform(0.38, 0.62, 2)
    y, x = (ground.places - middle.astype(np.float32)[:, None]) / extent.astype(np.float32)[:, None]
    return np.hypot(y, x) * (1 + LESION_ROUGHNESS * ground.noise(0.35 * float(extent.max())))


def _cut(ground: _Ground, regions: Sequence[tuple[int, int]]) -> None:
    """Deal the free pixels to regions, each a pattern and its number of pixels, which add up to them."""
    waiting = [(ground.free, list(regions))]
    while waiting:
        pixels, parts = waiting.pop()
        if len(parts) <= 1:
            ground.classes[pixels] = parts[0][0] if parts else BACKGROUND
            continue
        counts = np.cumsum([count for _, count in parts])
        place = int(np.abs(counts[:-1] - counts[-1] / 2).argmin()) + 1
        first, rest = _lowest(_along(ground, pixels), int(counts[place - 1]))
        waiting += [(np.sort(pixels[first]), parts[:place]), (np.sort(pixels[rest]), parts[place:])]


def _along(ground: _Ground, pixels: NDArray[np.intp]) -> Field:
    """Place of pixels along the direction, nearly, in which they extend furthest."""
    y, x = ground.places[:, pixels]
    y, x = y - y.mean(), x - x.mean()
    turn = 0.5 * np.arctan2(2 * (y * x).mean(), (y * y).mean() - (x * x).mean())
    turn += ground.rng.uniform(-LEANING, LEANING)
    return np.float32(np.cos(turn)) * y + np.float32(np.sin(turn)) * x


def draw_labels(
    classes: NDArray[np.uint8], mosaic: Mosaic, mpp: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """What readers labelled: of each pattern the clearest `mosaic.labelled` pixels, away from others.

    Returns:
        ``(H, W)`` uint8, the class, or `UNLABELLED`.
    """
    clearness = np.minimum(border_distance(classes) * np.float32(mpp / CLEAR), 1)
    clearness = ndimage.uniform_filter(clearness, max(1, round(0.25 * CLEAR / mpp)))
    score = -(clearness + WHIM * smooth_noise(classes.shape, WHIM_LENGTH / mpp, rng)).ravel()
    labels = np.full(classes.size, UNLABELLED, np.uint8)
    for pattern, count in enumerate(mosaic.labelled):
        pixels = np.flatnonzero(classes.ravel() == pattern)
        labels[pixels[_lowest(score[pixels], count)[0]]] = pattern
    return labels.reshape(classes.shape)


def border_distance(classes: NDArray[np.uint8]) -> Field:
    """Distance (pixels) of each pixel from the nearest one beside which another class lies."""
    apart = np.zeros(classes.shape, bool)
    apart[1:] |= classes[1:] != classes[:-1]
    apart[:, 1:] |= classes[:, 1:] != classes[:, :-1]
    if not apart.any():
        return np.full(classes.shape, max(classes.shape), np.float32)
    return ndimage.distance_transform_edt(~apart).astype(np.float32)
