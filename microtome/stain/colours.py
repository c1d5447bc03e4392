# SPDX-License-Identifier: MIT
"""Distinct colours of an RGB image, and what each of them can be: tissue, white, black or ink.

Every step of stain normalization treats a pixel by its colour alone, so all of them run on the distinct
colours with their counts (a 1000² H&E image has some 10⁵) and are spread over the pixels at the end. Results
do not depend on the order of pixels, and memory grows with the number of colours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

COLOURS = 1 << 24
LEVELS = 256
SORTED_PIXELS = 1 << 22  # up to this many pixels, sorting beats a table of all 2^24 colours
BLOCK_PIXELS = 1 << 20  # pixels worked on at once
RGB = 3

LUMINANCE = (0.2126, 0.7152, 0.0722)  # Y of linear sRGB, IEC 61966-2-1
LAB_CUBE, LAB_SLOPE, LAB_OFFSET = (6 / 29) ** 3, (29 / 6) ** 2 / 3, 4 / 29  # CIE 15: f(t) of L*
BLACK_LEVEL = 25  # all channels at or below a tenth of full scale: slide edge, not tissue
BLACK_INK = (60, 16)  # all channels up to the first, apart by up to the second: black ink
CHROMA = 10  # largest minus smallest channel up to which a pixel counts as grey
# Ink, by ratios of optical density; at most 4 of 10,000 pixels of each of the 30 images of MoNuSeg 2018 pass.
INK_DENSITY = 0.4  # least density of red
GREEN_INK = (1.2, 1.1)  # least red / green and blue / green
BLUE_INK = 1.4  # least red / green and red / blue

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class StainError(ValueError):
    """An image or profile from which no stain normalization can be made."""


@dataclass(frozen=True, eq=False)
class Colours:
    """Distinct colours of an image."""

    keys: npt.NDArray[np.uint32]  # r·2¹⁶ + G·2⁸ + B, ascending, (n,) uint32
    counts: npt.NDArray[np.int64]  # pixels of each, (n,) int64

    @property
    def pixels(self) -> int:
        """Pixels of the image."""
        return int(self.counts.sum())

    @property
    def channels(self) -> tuple[Rgb, Rgb, Rgb]:
        """Red, green and blue of each colour, (n,) uint8."""
        return channels(self.keys)

    def fraction(self, mask: Mask) -> float:
        """Part of the pixels whose colour is in a mask (n,)."""
        return float(self.counts[mask].sum() / self.counts.sum())


@dataclass(frozen=True, eq=False)
class Regions:
    """What the colours of an image are, masks (n,); tissue excludes black and ink where those are sought."""

    tissue: Mask
    black: Mask
    ink: Mask


def check_rgb(rgb: npt.NDArray, name: str = "rgb") -> None:
    """Refuse anything but (H, W, 3) uint8.

    Raises:
        StainError: Says what was found and how to convert it.

    Example:
        >>> check_rgb(np.zeros((2, 2, 4), np.uint8))
        Traceback (most recent call last):
        microtome.stain.colours.StainError: rgb: found shape (2, 2, 4) (with alpha), ... drop it: rgb[..., :3]
    """
    if not isinstance(rgb, np.ndarray):
        msg = f"{name}: found {type(rgb).__name__}, expected a NumPy array (H, W, 3) uint8; convert it first"
        raise StainError(msg)
    if rgb.size == 0 or rgb.ndim != RGB or rgb.shape[-1] != RGB:
        msg = f"{name}: found shape {rgb.shape}{_shape_remedy(rgb)}"
        raise StainError(msg)
    if rgb.dtype != np.uint8:
        remedy = {"u": "divide by 257", "f": "multiply values of 0..1 by 255"}.get(rgb.dtype.kind, "rescale")
        msg = f"{name}: found {rgb.dtype}, expected uint8, 0..255; {remedy}, round and convert"
        raise StainError(msg)


def _shape_remedy(rgb: npt.NDArray) -> str:
    expected = "expected (H, W, 3)"
    if rgb.size == 0:
        return f" (no pixels), {expected}"
    if rgb.ndim == RGB and rgb.shape[-1] == RGB + 1:
        return f" (with alpha), {expected}; drop it: rgb[..., :3]"
    if rgb.ndim == RGB and rgb.shape[0] == RGB:
        return f" (channels first), {expected}; use numpy.moveaxis(rgb, 0, -1)"
    return f", {expected}; stains can only be told apart in a colour image"


def distinct(rgb: Rgb) -> Colours:
    """Count the distinct colours of an image (H, W, 3) uint8.

    Example:
        >>> distinct(np.array([[[1, 2, 3], [0, 0, 9], [1, 2, 3]]], np.uint8))
        Colours(keys=array([    9, 66051], dtype=uint32), counts=array([1, 2]))
    """
    if rgb.shape[0] * rgb.shape[1] <= SORTED_PIXELS:
        return Colours(*np.unique(pack(rgb), return_counts=True))
    table = np.zeros(COLOURS, np.int64)
    for rows in blocks(rgb, SORTED_PIXELS):
        table += np.bincount(pack(rgb[rows]).ravel(), minlength=COLOURS)
    keys = np.flatnonzero(table)
    return Colours(keys.astype(np.uint32), table[keys])


def pack(rgb: Rgb) -> npt.NDArray[np.uint32]:
    """One number a pixel, (H, W) uint32."""
    keys = rgb[..., 0].astype(np.uint32, order="C")
    for channel in (1, 2):
        keys <<= np.uint32(8)
        keys |= rgb[..., channel]
    return keys


def channels(keys: npt.NDArray[np.uint32]) -> tuple[Rgb, Rgb, Rgb]:
    """Red, green and blue of packed colours, (n,) uint8."""
    return (keys >> 16).astype(np.uint8), (keys >> 8 & 255).astype(np.uint8), (keys & 255).astype(np.uint8)


def blocks(rgb: Rgb, pixels: int = BLOCK_PIXELS) -> Iterator[slice]:
    """Slices of rows with at most so many pixels (and at least one row)."""
    height, width = rgb.shape[:2]
    step = max(1, pixels // width)
    return (slice(start, start + step) for start in range(0, height, step))


def spread(rgb: Rgb, colours: Colours, values: npt.NDArray) -> npt.NDArray:
    """Values of the colours (n,) as values of the pixels (H, W)."""
    table = np.empty(COLOURS, values.dtype)  # pages that no colour touches cost nothing
    table[colours.keys] = values
    result = np.empty(rgb.shape[:2], values.dtype)
    for rows in blocks(rgb):
        result[rows] = table[pack(rgb[rows])]
    return result


def recolour(rgb: Rgb, colours: Colours, new: Rgb) -> Rgb:
    """Replace the colours of an image by new ones, (3, n) uint8; returns (H, W, 3) uint8."""
    quads = np.zeros((colours.keys.size, 4), np.uint8)
    quads[:, :RGB] = new.T
    table = np.empty(COLOURS, np.uint32)
    table[colours.keys] = quads.view(np.uint32)[:, 0]
    result = np.empty_like(rgb, order="C", subok=False)
    for rows in blocks(rgb):
        picked = table[pack(rgb[rows])]
        result[rows] = picked.view(np.uint8).reshape(*picked.shape, 4)[..., :RGB]
    return result


def luminosity(keys: npt.NDArray[np.uint32]) -> Floats:
    """CIE L* of packed sRGB colours, (n,), 0..100.

    Example:
        >>> luminosity(np.array([0, 0xFFFFFF], np.uint32)).round(3).tolist()
        [0.0, 100.0]
    """
    level = np.arange(LEVELS) / (LEVELS - 1)
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    parts = zip(LUMINANCE, channels(keys), strict=True)
    y = sum((weight * linear)[channel] for weight, channel in parts)
    return 116 * np.where(y > LAB_CUBE, np.cbrt(y), LAB_SLOPE * y + LAB_OFFSET) - 16


def regions(colours: Colours, *, brightest: float, exclude_black: bool, exclude_ink: bool) -> Regions:
    """Sort colours into tissue (an 8-bit L* / 255 below `brightest`), black and ink; the rest is white.

    Black (slide edge, black ink), and green and blue ink, are tissue too where they are not to be excluded.
    """
    l8 = np.rint(luminosity(colours.keys) * (LEVELS - 1) / 100)
    dark = l8 / (LEVELS - 1) < brightest
    none = np.zeros(dark.shape, bool)
    black = is_black(colours) if exclude_black else none
    ink = _ink(colours) & dark & ~black if exclude_ink else none
    return Regions(tissue=dark & ~black & ~ink, black=black, ink=ink)


def coloured(colours: Colours) -> Mask:
    """Colours that are not grey."""
    return np.max(colours.channels, 0) - np.min(colours.channels, 0) > CHROMA


def is_black(colours: Colours) -> Mask:
    """Slide edge, and black ink: dark and without colour."""
    largest, smallest = np.max(colours.channels, axis=0), np.min(colours.channels, axis=0)
    return (largest <= BLACK_LEVEL) | ((largest <= BLACK_INK[0]) & (largest - smallest <= BLACK_INK[1]))


def _ink(colours: Colours) -> Mask:
    """Green and blue ink. No mixture of H and E lets green through best, or absorbs red this much more."""
    density = np.log(LEVELS / (np.arange(LEVELS) + 1))
    red, green, blue = (density[channel] for channel in colours.channels)
    is_green = (red > GREEN_INK[0] * green) & (blue > GREEN_INK[1] * green)
    is_blue = red > BLUE_INK * np.maximum(green, blue)
    return (red > INK_DENSITY) & (is_green | is_blue)
