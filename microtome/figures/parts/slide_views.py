# SPDX-License-Identifier: MIT
"""Parts of slides at the resolution of a figure: pictures, masks and maps, each over the same slide pixels.

A layer is read window by window and reduced while it is read, so that memory goes with the figure's size and
not with the slide's. Layers of different pixel sizes lie over one another by their extents.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from microtome.figures.parts.panels import frame_panel, to_show
from microtome.figures.parts.style import EDGE
from microtome.io import images, views
from microtome.io.raster import Raster
from microtome.io.section_boxes import Box
from microtome.io.slides import SlideSource

RGB = 3
PIXELS = 900
"""Pixels of a picture's longer side, at most twice as many."""
READ = 2**22
"""Pixels that are read at once."""
HALF = 0.5
CASING = 0.9
"""Points of white on each side of an outline, so that it stands out from any tissue."""
Pair = tuple[float, float]
Value = Callable[[NDArray], NDArray]
Join = Callable[[NDArray, int], NDArray]
"""What values (H, W, …) become in blocks of so many pixels a side."""


@dataclass(frozen=True)
class View:
    """A rectangle of a slide.

    Attributes:
        sample: Name of the slide.
        path: Its picture, or the reference to it.
        box: The rectangle, slide pixels.
        size: Rows and columns of the slide.
        mpp: Pixel size of the slide in µm, of rows and columns; None where it is not known.
    """

    sample: str
    path: Path
    box: Box
    size: tuple[int, int]
    mpp: Pair | None

    def of(self, box: Box) -> "View":
        """Another rectangle of the same slide, cut where it leaves the slide."""
        top, left = max(box.y, 0), max(box.x, 0)
        height, width = min(box.bottom, self.size[0]) - top, min(box.right, self.size[1]) - left
        cut = Box(y=top, x=left, height=height, width=width, label=box.label, section=box.section)
        return View(self.sample, self.path, cut, self.size, self.mpp)

    @property
    def aspect(self) -> float:
        """Width in parts of the height."""
        return self.box.width / self.box.height

    @property
    def pixel_area(self) -> float:
        """Of a slide pixel in µm²; 1 where it is not known."""
        return self.mpp[0] * self.mpp[1] if self.mpp else 1.0


@dataclass(frozen=True, eq=False)
class Layer:
    """What is shown of a view.

    Attributes:
        values: (h, w) or (h, w, 3) float.
        start: Where its first row and column begin, slide pixels from the corner of the view.
        step: Slide pixels of a row and of a column.
    """

    values: NDArray
    start: Pair
    step: Pair

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top, as Matplotlib takes them."""
        rows, columns = self.values.shape[:2]
        top, left = self.start
        return left, left + columns * self.step[1], top + rows * self.step[0], top

    @property
    def centres(self) -> tuple[NDArray, NDArray]:
        """Where rows and columns have their middle."""
        rows, columns = self.values.shape[:2]
        return tuple(
            start + (np.arange(count) + HALF) * step
            for start, count, step in zip(self.start, (rows, columns), self.step, strict=True)
        )


def open_view(folders: Sequence[Path], sample: str) -> View:
    """A view of a whole slide, whose picture or reference lies in one of some batch folders.

    Raises:
        FileNotFoundError: It lies in none.
    """
    path = views.find_sample(folders, sample)
    source = views.open_raster(path)
    if isinstance(source, SlideSource):
        bounds, mpp = source.reference.bounds, source.reference.slide_mpp
        size = (bounds.height, bounds.width)
    else:
        size, found = source.shape[1:], images.header(path).mpp
        mpp = (found, found) if found else None
    return View(sample, path, Box(y=0, x=0, height=size[0], width=size[1]), size, mpp)


def read_picture(view: View, pixels: int = PIXELS) -> Layer:
    """The picture of a view, (h, w, 3), 0 to 1; of one channel three that are alike (`panels.to_show`)."""
    source, step = views.open_raster(view.path), max(view.box.height, view.box.width) / pixels
    scale = (1.0, 1.0)
    if isinstance(source, SlideSource):
        source = source.at(max(source.reference.slide_mpp) * max(step, 1.0))
        scale = source.scale
    layer = _reduced(source, view.box, scale, pixels, _colours, _means)
    return Layer(to_show(layer.values, source.dtype), layer.start, layer.step)


def _colours(block: NDArray) -> NDArray:
    """A block (C, h, w) as (h, w, 3); of one or two channels the first, three times."""
    shown = block[:RGB] if len(block) >= RGB else block[:1].repeat(RGB, axis=0)
    return np.moveaxis(shown, 0, -1).astype(np.float64)


def read_layer(path: Path, view: View, value: Value, pixels: int = PIXELS, *, most: bool = False) -> Layer:
    """What is to be shown of a mask, a target or a map that covers a slide.

    Args:
        path: The file; its pixel size says how it lies over the slide, else its shape.
        view: What is read of it.
        value: Makes values (h, w) of a block (C, h, w) of the file.
        pixels: Of the longer side, about.
        most: Whether the largest of values that share a pixel is shown; else their mean.
    """
    return _over(path, view, value, pixels, _largest if most else _means)


def read_classes(path: Path, view: View, pixels: int = PIXELS) -> Layer:
    """The class ids (h, w) of a target or a segmentation that covers a slide or an image.

    Of ids that share a pixel the one in their middle is shown, so that no class is made of two others.
    """
    return _over(path, view, lambda block: block[0], pixels, _middles)


def _over(path: Path, view: View, value: Value, pixels: int, join: Join) -> Layer:
    """A file over a view, by its pixel size or else by its shape."""
    raster, mpp = views.open_raster(path), images.header(path).mpp
    shape = raster.shape[1:]
    if mpp and view.mpp:
        scale = (mpp / view.mpp[0], mpp / view.mpp[1])
    else:
        scale = (view.size[0] / shape[0], view.size[1] / shape[1])
    return _reduced(raster, view.box, scale, pixels, value, join)


def _reduced(raster: Raster, box: Box, scale: Pair, pixels: int, value: Value, join: Join) -> Layer:
    """The part of a raster below a box, in blocks of so many pixels that about `pixels` are left."""
    rows, columns = (
        _below(start, end, step, length)
        for start, end, step, length in zip(
            (box.y, box.x), (box.bottom, box.right), scale, raster.shape[1:], strict=True
        )
    )
    factor = max(1, int(max(rows[1] - rows[0], columns[1] - columns[0]) / pixels))
    width = columns[1] - columns[0]
    parts = [
        join(value(raster.read(top, columns[0], height, width)), factor)
        for top, height in _bands(rows, factor, width)
    ]
    start = (rows[0] * scale[0] - box.y, columns[0] * scale[1] - box.x)
    return Layer(np.concatenate(parts), start, (scale[0] * factor, scale[1] * factor))


def _below(start: int, end: int, step: float, length: int) -> tuple[int, int]:
    """The first pixel of a raster that a side of a box touches, and the one behind the last."""
    first = min(int(start / step), length - 1)
    return first, max(min(int(np.ceil(end / step)), length), first + 1)


def _bands(rows: tuple[int, int], factor: int, width: int) -> Iterator[tuple[int, int]]:
    """First row and height of bands that hold whole blocks."""
    height = max(READ // max(width, 1) // factor, 1) * factor
    for top in range(rows[0], rows[1], height):
        yield top, min(height, rows[1] - top)


def _means(values: NDArray, factor: int) -> NDArray:
    """Means of square blocks; those at the end may be narrower."""
    if factor == 1:
        return values
    sums = _joined(values, factor, np.add)
    sizes = [np.diff([*_starts(length, factor), length]) for length in values.shape[:2]]
    counts = np.multiply.outer(*sizes)
    return sums / counts.reshape(*counts.shape, *[1] * (values.ndim - 2))


def _largest(values: NDArray, factor: int) -> NDArray:
    """Largest values of square blocks."""
    return values if factor == 1 else _joined(values, factor, np.maximum)


def _middles(values: NDArray, factor: int) -> NDArray:
    """The values in the middle of square blocks."""
    rows, columns = (
        np.minimum(_starts(length, factor) + factor // 2, length - 1) for length in values.shape[:2]
    )
    return values[rows[:, None], columns]


def _joined(values: NDArray, factor: int, join: np.ufunc) -> NDArray:
    starts = [_starts(length, factor) for length in values.shape[:2]]
    return join.reduceat(join.reduceat(values, starts[0], axis=0), starts[1], axis=1)


def _starts(length: int, factor: int) -> NDArray[np.int64]:
    return np.arange(0, length, factor)


def show(axes: Axes, view: View, layer: Layer, **style: Any) -> AxesImage:
    """Show a layer of a view in axes whose coordinates are slide pixels from the corner of the view."""
    frame_panel(axes)
    drawn = axes.imshow(layer.values, extent=layer.extent, **{"interpolation": "antialiased", **style})
    axes.set(xlim=(0, view.box.width), ylim=(view.box.height, 0))
    return drawn


def outline(
    axes: Axes,
    layer: Layer,
    *,
    level: float = HALF,
    casing: float = CASING,
    smooth: float = 0.0,
    **style: Any,
) -> None:
    """Draw where a layer reaches a level; nothing where it does nowhere or everywhere.

    Args:
        axes: Axes of `show`.
        layer: (h, w).
        level: Value on the outline.
        casing: Points of white on each side; 0: none.
        smooth: Standard deviation in pixels by which steps of a mask are rounded.
        style: Colours, widths and styles of lines, as `Axes.contour` takes them.
    """
    inside = layer.values >= level
    if not inside.any() or inside.all() or min(layer.values.shape) < 2:
        return
    y, x = layer.centres
    values = gaussian_filter(layer.values, smooth) if smooth else layer.values
    found = axes.contour(x, y, values, levels=[level], **style)
    if casing:
        width = float(np.max(found.get_linewidths())) + 2 * casing
        found.set(path_effects=[Stroke(linewidth=width, foreground="white"), Normal()])


def panel_widths(shown: Sequence[View], room: float) -> tuple[list[float], float]:
    """Widths of panels in a row that are equally high, in parts of one another, and their height in inches.

    Args:
        shown: The views.
        room: Inches that the row has.
    """
    widths = [view.aspect for view in shown]
    return widths, (room - 2 * EDGE * len(widths)) / sum(widths)
