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

from microtome.phantoms.mosaics.noise import smooth_noise
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
REACH = 3.0  # of the square in which an artefact lies, in radii of a circle as large
Field = NDArray[np.float32]
Window = tuple[slice, slice]


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
        _put_artefact(ground, (mosaic.number + number) % len(ARTEFACTS), count)
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
    return Layout(ground.classes, ground.artefacts)


@dataclass(eq=False)
class _Ground:
    """A mosaic that is being laid out; pixels that belong to nothing yet have the class `NONE`."""

    mpp: float
    rng: np.random.Generator
    places: Field  # ``(2, H, W)`` row and column with the bends of borders, µm
    classes: NDArray[np.uint8]
    artefacts: NDArray[np.uint8]

    @classmethod
    def of(cls, shape: tuple[int, int], mpp: float, rng: np.random.Generator) -> "_Ground":
        places = np.indices(shape, np.float32) * np.float32(mpp)
        for length, amplitude in WAVES:
            for axis in places:
                axis += np.float32(amplitude) * smooth_noise(shape, length / mpp, rng)
        return cls(mpp, rng, places, np.full(shape, NONE, np.uint8), np.full(shape, NONE, np.uint8))

    def noise(self, shape: tuple[int, ...], wavelength: float) -> Field:
        return smooth_noise(shape, max(wavelength / self.mpp, 2.0), self.rng)

    def give(
        self, count: int, score: Field, pattern: int, kind: int = NONE, window: Window = (slice(None),) * 2
    ) -> None:
        """Make the `count` free pixels of the lowest score in a window a pattern."""
        free = np.flatnonzero(self.classes[window] == NONE)
        first = np.unravel_index(free[_lowest(score.ravel()[free], count)[0]], score.shape)
        self.classes[window][first], self.artefacts[window][first] = pattern, kind


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


def _put_artefact(ground: _Ground, kind: int, pixels: int) -> None:
    """Put an artefact, a rough ellipse, somewhere; what is dark begins at a border."""
    rng, shape = ground.rng, np.array(ground.classes.shape)
    middle = rng.uniform(0.08, 0.92, 2)
    if kind == DARK:
        middle[rng.integers(2)] = rng.integers(2)
    window = _window(ground, middle * shape, pixels)
    ratio, turn = np.sqrt(rng.uniform(1, LONGEST[kind])), rng.uniform(0, np.pi)
    y, x = ground.places[:, *window] - (middle * shape * ground.mpp).astype(np.float32)[:, None, None]
    along, across = np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x - np.sin(turn) * y
    radius = np.sqrt(pixels / np.pi) * ground.mpp
    rough = ground.noise(y.shape, 0.8 * radius) + np.float32(0.2) * ground.noise(y.shape, 0.25 * radius)
    distance = np.hypot(along / np.float32(ratio), across * np.float32(ratio))
    ground.give(pixels, distance + np.float32(ROUGHNESS[kind] * radius) * rough, ARTIFACT, kind, window)


def _window(ground: _Ground, middle: NDArray[np.float64], pixels: int) -> Window:
    """The square around a place (pixels) in which so many pixels are free, with room for any outline."""
    reach = REACH * np.sqrt(pixels / np.pi)
    while True:
        rows, columns = (slice(max(0, int(place - reach)), int(place + reach) + 1) for place in middle)
        if (ground.classes[rows, columns] == NONE).sum() >= pixels:
            return rows, columns
        reach *= 1.5


def _lesion_distance(ground: _Ground) -> Field:
    """Distance from the middle of the lesion, in parts of the mosaic's sides."""
    shape = ground.classes.shape
    extent = np.array(shape) * ground.mpp
    middle = extent * ground.rng.uniform(0.38, 0.62, 2)
    y, x = ((axis - start) / side for axis, start, side in zip(ground.places, middle, extent, strict=True))
    rough = 1 + LESION_ROUGHNESS * ground.noise(shape, 0.35 * float(extent.max()))
    return np.hypot(y.astype(np.float32), x.astype(np.float32)) * rough


def _cut(ground: _Ground, regions: Sequence[tuple[int, int]]) -> None:
    """Deal the free pixels to regions, each a pattern and its number of pixels, which add up to them."""
    classes, places = ground.classes.reshape(-1), ground.places.reshape(2, -1)
    waiting = [(np.flatnonzero(classes == NONE), list(regions))]
    while waiting:
        pixels, parts = waiting.pop()
        if len(parts) <= 1:
            classes[pixels] = parts[0][0] if parts else BACKGROUND
            continue
        counts = np.cumsum([count for _, count in parts])
        place = int(np.abs(counts[:-1] - counts[-1] / 2).argmin()) + 1
        first, rest = _lowest(_along(places[:, pixels], ground.rng), int(counts[place - 1]))
        waiting += [(np.sort(pixels[first]), parts[:place]), (np.sort(pixels[rest]), parts[place:])]


def _along(places: Field, rng: np.random.Generator) -> Field:
    """Where places ``(2, N)`` lie along the direction, nearly, in which they extend furthest."""
    y, x = places - places.mean(1, keepdims=True)
    turn = 0.5 * np.arctan2(2 * (y * x).mean(), (y * y).mean() - (x * x).mean())
    turn += rng.uniform(-LEANING, LEANING)
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
