# SPDX-License-Identifier: MIT
"""The overlap-tile strategy: a tile with its mirrored context, and the work it saves."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, needed
from microtome.figures.parts.colors import BLUE, YELLOW
from microtome.figures.parts.panels import draw_frame, frame_panel, read_image, show_image
from microtome.figures.parts.pictures import write_titles
from microtome.figures.parts.style import DOUBLE_COLUMN, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io.images import as_channels_first
from microtome.io.raster import ArraySource, read_mirrored

EXPLAINS = True
NEEDS = frozenset({"images"})
SAMPLE_OPTIONS = ("sample",)
TILE_SHARE, CONTEXT_SHARE = 4, 8
"""Tile and context by default: a quarter and an eighth of the image's shorter side."""
SLIDING_WINDOW = 95
HEIGHT_EXTRA = 0.55
COLOR_MAP = "viridis"


@styled
def draw(
    inputs: FigureInputs,
    *,
    sample: str = "",
    tile: int | None = None,
    context: int | None = None,
    window: int = SLIDING_WINDOW,
) -> FigureResult:
    """Draw the strategy on an image, and count how often each pixel is processed.

    Args:
        inputs: Files of the samples.
        sample: The sample; by default the first test sample that has what is shown.
        tile: Side of the tile that is predicted, pixels.
        context: Pixels around the tile that the network needs.
        window: Side of the sliding window to compare with, odd.

    Returns:
        The figure. Its data: strategy, windows, side and step of the windows, mean and largest number of
        times a pixel is processed.

    Raises:
        ValueError: The sample is missing, or the tile is larger than the image.
    """
    name, sources = inputs.sample(sample, needs=("image",))
    image = read_image(needed(sources, "image", name))
    short = min(image.shape[:2])
    tile, context = tile or short // TILE_SHARE, short // CONTEXT_SHARE if context is None else context
    if tile < 1 or tile > short or context < 0:
        msg = f"tile {tile} and context {context} do not fit an image of {image.shape[:2]}; take smaller ones"
        raise ValueError(msg)
    sliding = coverage(image.shape[:2], side=window, step=1)
    tiled = coverage(image.shape[:2], side=tile + 2 * context, step=tile)
    height = DOUBLE_COLUMN / 4 * image.shape[0] / image.shape[1] + HEIGHT_EXTRA
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=inputs.data_kind)
    panels = figure.subplots(1, 4)
    _draw_mirrored(panels[0], image, tile, context)
    _draw_input(panels[1], image, tile, context)
    norm = LogNorm(1, float(sliding.max()))
    for axes, counts in zip(panels[2:], (sliding, tiled), strict=True):
        frame_panel(axes)
        artist = axes.imshow(counts, norm=norm, cmap=COLOR_MAP)
    titles = (
        "mirrored image",
        "input of one tile",
        f"sliding window, {window}",
        f"tiles of {tile} + {context}",
    )
    write_titles(panels, titles)
    bar = figure.colorbar(artist, ax=list(panels[2:]), location="bottom", aspect=30, shrink=0.9, pad=0.04)
    bar.outline.set_linewidth(0.5)
    bar.ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    bar.set_label("times a pixel is processed")
    rows = [_summary("sliding window", sliding, window, 1)]
    rows.append(_summary("overlap-tile", tiled, tile + 2 * context, tile))
    data = pd.DataFrame(rows)
    ratio = data["mean"].iloc[0] / data["mean"].iloc[1]
    caption = (
        f"Overlap-tile strategy on sample {name}. (a) The image is continued by reflection; predicting the "
        f"yellow tile of {tile}×{tile} pixels takes the blue region with {context} pixels of context, (b). "
        f"(c, d) How often a pixel is processed: {data['mean'].iloc[0]:,.0f} times on average by a "
        f"{window}-pixel window at every pixel, {data['mean'].iloc[1]:.2f} times by tiles, {ratio:,.0f} "
        f"times less."
    )
    return FigureResult(figure, data.assign(sample=name), caption)


def coverage(shape: tuple[int, int], *, side: int, step: int) -> NDArray[np.int64]:
    """Count, (H, W), by how many windows of a side each pixel is processed.

    One window is laid around every cell of `step` pixels, centred on it; windows may reach beyond the image.

    Example:
        >>> coverage((3, 4), side=3, step=1).tolist()
        [[4, 6, 6, 4], [6, 9, 9, 6], [4, 6, 6, 4]]
    """
    rows, columns = (_coverage_1d(length, side, step) for length in shape)
    return rows[:, None] * columns


def _coverage_1d(length: int, side: int, step: int) -> NDArray[np.int64]:
    starts = np.arange(0, length, step) - (side - step) // 2
    changes = np.zeros(length + 1, np.int64)
    np.add.at(changes, np.clip(starts, 0, length), 1)
    np.add.at(changes, np.clip(starts + side, 0, length), -1)
    return np.cumsum(changes[:-1])


def _draw_mirrored(axes: Axes, image: NDArray, tile: int, context: int) -> None:
    source = ArraySource(as_channels_first(image))
    height, width = image.shape[:2]
    wide = read_mirrored(source, -context, -context, height + 2 * context, width + 2 * context)
    show_image(axes, np.squeeze(np.moveaxis(wide, 0, -1)))
    edge, side = context - 0.5, tile + 2 * context
    draw_frame(axes, edge, edge, width, height, edgecolor="white", linewidth=0.9, linestyle="--")
    draw_frame(axes, -0.5, -0.5, side, side, edgecolor=BLUE, linewidth=2.0)
    draw_frame(axes, edge, edge, tile, tile, edgecolor=YELLOW, linewidth=1.6)


def _draw_input(axes: Axes, image: NDArray, tile: int, context: int) -> None:
    side = tile + 2 * context
    window = read_mirrored(ArraySource(as_channels_first(image)), -context, -context, side, side)
    show_image(axes, np.squeeze(np.moveaxis(window, 0, -1)))
    draw_frame(axes, context - 0.5, context - 0.5, tile, tile, edgecolor=YELLOW, linewidth=1.6)
    for spine in axes.spines.values():
        spine.set(color=BLUE, linewidth=1.6)


def _summary(strategy: str, counts: NDArray, side: int, step: int) -> dict[str, object]:
    windows = int(np.prod([-(-length // step) for length in counts.shape]))
    return {
        "strategy": strategy,
        "windows": windows,
        "side": side,
        "step": step,
        "mean": float(counts.mean()),
        "largest": int(counts.max()),
    }
