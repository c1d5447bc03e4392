# SPDX-License-Identifier: MIT
"""Where stained tissue lies on a slide, seen at some 8 µm per pixel.

Otsu's threshold alone takes pen for tissue, or loses all tissue beside a black border (as dark pixels draw
the threshold to themselves). So pen and borders, which absorb otherwise than the stains of histology, are
taken out before it is found: hematoxylin and eosin absorb green most; blue and green ink absorb red more, red
ink absorbs blue as much as green and lets red pass, and black absorbs all alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from microtome.config.sections import Glass, WholeTissue
from microtome.io.errors import ImageError

Mask = NDArray[np.bool_]
Spacing = tuple[float, float]
"""Rows and columns of the mask, µm."""

WHITE = 255.0
RGB = 3
INK_RED = 1.15
"""Blue and green ink absorb red so many times as much as green; hematoxylin 0.93, eosin 0.07 times."""
INK_DENSITY = 0.15
"""Optical density (base 10) from on which a colour is told."""
RED_INK_RED, RED_INK_BLUE, RED_INK_DENSITY = 0.3, 0.75, 0.4
"""Red ink absorbs at most and at least so many times as much red and blue as green, of which so much."""
LEAST_INK = 10_000
"""µm²; smaller specks of a colour of ink are dust, or bluish nuclei."""
BLACK, NEUTRAL = 100, 30
"""Largest value of a black pixel, and largest difference of its channels."""
GLASS, GLASS_SATURATION = 200, 0.1
"""Smallest value and largest saturation of a pixel of glass, which may have a tint."""
LEAST_GLASS = 0.01
"""Share of glass below which a field is tissue from edge to edge."""
LEAST_SATURATION, MOST_SATURATION = 8 / 255, 0.2
"""Bounds of the threshold: what is paler is glass with noise, and what is more coloured is no glass, whatever
Otsu's threshold says of a slide without tissue, or of a field with little glass."""
LEAST_PIECE = 0.02
"""Share of a small picture that a piece of tissue has at least."""
DARK = 70
"""Median brightness below which what is not black is fluorescence, not stained tissue."""
LEAST_COLOURED = 0.01
"""Share of pixels that are not black, below which all is dark."""
EVERY_NEIGHBOUR = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class TissueMask:
    """Tissue of a slide.

    Attributes:
        tissue: (H, W), what is tissue.
        left_out: (H, W), pen and black borders, with what lies near them.
        threshold: Saturation (0 to 1) above which pixels are tissue; None: all are.
    """

    tissue: Mask
    left_out: Mask
    threshold: float | None

    @property
    def shares(self) -> Mapping[str, float]:
        """The shares of the slide that are tissue, and that were left out as pen or border."""
        return {"tissue": float(self.tissue.mean()), "left_out": float(self.left_out.mean())}


def find_tissue(
    rgb: NDArray[np.uint8], options: Glass | WholeTissue, *, spacing: Spacing, name: Any = "slide"
) -> TissueMask:
    """Find the tissue of a slide in bright field.

    Args:
        rgb: (3, H, W), transparent parts white.
        options: Of the study.
        spacing: Size of a pixel, µm (rows, columns).
        name: The file, for messages.

    Returns:
        The mask; a field without glass is all tissue, but for pen and borders.

    Raises:
        ImageError: The slide is no bright field but dark, as fluorescence is, or it has no tissue.

    Example:
        >>> slide = np.full((3, 60, 60), 245, np.uint8)
        >>> slide[:, 10:50, 10:50] = np.array([200, 120, 170], np.uint8)[:, None, None]
        >>> found = find_tissue(slide, Glass(closing=0), spacing=(8, 8))
        >>> int(found.tissue.sum()), int(found.left_out.sum())
        (1600, 0)
    """
    _check(rgb, name)
    if isinstance(options, WholeTissue):
        shape = rgb.shape[1:]
        return TissueMask(np.ones(shape, bool), np.zeros(shape, bool), None)
    refuse_dark(rgb, name=name)
    glass = glass_color(rgb)
    seen = rgb if glass is None else balanced(rgb, glass)
    left_out = _left_out(seen, options, spacing)
    threshold = None if glass is None else _threshold(seen, left_out, options.otsu)
    tissue = ~left_out
    if threshold is not None:
        tissue &= _cleaned(tissue & (saturation(seen) > threshold), options, spacing)
    if not tissue.any():
        found = (
            f"no tissue of {options.least_area:g} µm² or more ({float(left_out.mean()):.1%} is pen or border)"
        )
        remedy = "leave the slide out of the sheet, or see slides.tissue (least_area; kind: whole)"
        raise ImageError(name, found, "stained tissue on light glass", remedy)
    return TissueMask(tissue, left_out, threshold)


def glass_color(rgb: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """The colour of the glass (3,), 0 to 255; None where a picture (3, H, W) shows no glass.

    Pure white, by which scanners fill what they have not scanned, counts where there is no other glass.

    Example:
        >>> glass_color(np.array([[[248, 255, 90]], [[231, 255, 40]], [[241, 255, 80]]], np.uint8)).tolist()
        [248.0, 231.0, 241.0]
    """
    is_glass = (rgb.min(axis=0) >= GLASS) & (saturation(rgb) <= GLASS_SATURATION)
    tinted = is_glass & (rgb.min(axis=0) < WHITE)
    for found in (tinted, is_glass):
        if found.mean() >= LEAST_GLASS:
            return np.median(rgb[:, found], axis=1)
    return None


def balanced(rgb: NDArray[np.uint8], glass: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A picture (3, H, W) as it is on white glass.

    Example:
        >>> balanced(np.array([[[124]], [[231]], [[255]]], np.uint8), np.array([248.0, 231, 241])).tolist()
        [[[128]], [[255]], [[255]]]
    """
    steps = np.arange(WHITE + 1)[:, None] * WHITE / glass
    table = np.minimum(np.round(steps), WHITE).astype(np.uint8)
    return np.stack([table[channel, at] for at, channel in enumerate(rgb)])


def pen(rgb: NDArray[np.uint8]) -> Mask:
    """Where ink of a pen (blue, green, red, black) or a black border is; (3, H, W) to (H, W).

    Example:
        >>> inks = [[30, 60, 170], [20, 140, 60], [210, 30, 40], [20, 20, 20]]
        >>> stains = [[120, 80, 160], [230, 130, 180], [140, 90, 50], [250, 250, 250]]
        >>> pen(np.array(inks + stains, np.uint8).T[:, None]).astype(int).tolist()
        [[1, 1, 1, 1, 0, 0, 0, 0]]
    """
    red, green, blue = _density(rgb)
    cold = (red > INK_RED * green) & (red > INK_DENSITY)
    warm = (red < RED_INK_RED * green) & (blue > RED_INK_BLUE * green) & (green > RED_INK_DENSITY)
    return cold | warm | _black(rgb)


def saturation(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Saturation of the model HSV, 0 to 1; (3, H, W) to (H, W).

    Example:
        >>> saturation(np.array([[[200]], [[100]], [[150]]], np.uint8)).tolist()
        [[0.5]]
    """
    largest = rgb.max(axis=0)
    spread = (largest - rgb.min(axis=0)).astype(np.float32)
    return np.divide(spread, largest, out=np.zeros_like(spread), where=largest > 0)


def refuse_dark(rgb: NDArray[np.uint8], *, name: Any = "slide") -> None:
    """Refuse a slide that is dark where it is not black, as fluorescence is; (3, H, W).

    Raises:
        ImageError: It is.
    """
    coloured = rgb[:, ~_black(rgb)]
    brightness = coloured.mean(axis=0) if coloured.size else np.zeros(1)
    median = float(np.median(brightness))
    if median < DARK or coloured.shape[1] < LEAST_COLOURED * rgb[0].size:
        found = f"a dark slide (median brightness {median:.0f} of 255), as fluorescence is"
        remedy = "leave the slide out of the sheet"
        raise ImageError(name, found, "bright field: stained tissue on light glass", remedy)


def _left_out(rgb: NDArray[np.uint8], options: Glass, spacing: Spacing) -> Mask:
    """Strokes of pen and borders, with what lies near them, where colours mix."""
    if not options.pen:
        return np.zeros(rgb.shape[1:], bool)
    strokes = _without_small(pen(rgb), LEAST_INK / (spacing[0] * spacing[1]), connected=EVERY_NEIGHBOUR)
    return _near(strokes, options.pen_margin, spacing)


def _threshold(rgb: NDArray[np.uint8], left_out: Mask, share: float) -> float:
    """The saturation that parts glass and tissue."""
    levels = np.round(saturation(rgb)[~left_out] * WHITE).astype(np.uint8)
    otsu = float(threshold_otsu(levels)) / WHITE if levels.size and np.ptp(levels) else 0.0
    return min(max(share * otsu, LEAST_SATURATION), MOST_SATURATION)


def _cleaned(mask: Mask, options: Glass, spacing: Spacing) -> Mask:
    """Gaps closed, small holes filled, small pieces left out."""
    pixel = spacing[0] * spacing[1]
    closed = _closed(mask, options.closing / 2, spacing)
    filled = ~_without_small(~closed, options.holes / pixel, connected=None)
    least = min(options.least_area / pixel, LEAST_PIECE * mask.size)
    return _without_small(filled, least, connected=EVERY_NEIGHBOUR)


def _without_small(mask: Mask, pixels: float, *, connected: Mask | None) -> Mask:
    """Without the pieces of fewer pixels; None: pieces are connected by edges."""
    labels, _ = ndimage.label(mask, connected)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= max(pixels, 1))[labels]


def _closed(mask: Mask, radius: float, spacing: Spacing) -> Mask:
    """Closing by a disk (µm); beyond the edges of the picture there is nothing."""
    if radius == 0 or not mask.any():
        return mask
    rows, columns = (int(np.ceil(radius / side)) + 1 for side in spacing)
    wide = np.pad(mask, ((rows, rows), (columns, columns)))
    grown = _near(wide, radius, spacing)
    kept = ndimage.distance_transform_edt(grown, sampling=spacing) > radius
    return (wide | kept)[rows:-rows, columns:-columns]


def _near(mask: Mask, reach: float, spacing: Spacing) -> Mask:
    """Pixels whose centre is at most so far (µm) from that of a pixel of the mask."""
    if reach == 0 or not mask.any():
        return mask
    return ndimage.distance_transform_edt(~mask, sampling=spacing) <= reach


def _density(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Optical density, base 10, of each channel."""
    table = -np.log10(np.maximum(np.arange(256), 1) / WHITE).astype(np.float32)
    return table[rgb]


def _black(rgb: NDArray[np.uint8]) -> Mask:
    largest = rgb.max(axis=0)
    return (largest <= BLACK) & (largest - rgb.min(axis=0) <= NEUTRAL)


def _check(rgb: NDArray, name: Any) -> None:
    if rgb.ndim != RGB or rgb.shape[0] != RGB or rgb.dtype != np.uint8 or rgb.size == 0:
        found = f"{rgb.dtype} values of shape {rgb.shape}"
        raise ImageError(name, found, "uint8 (3, H, W)", "see docs/how-to/slides.md")
