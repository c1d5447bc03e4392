# SPDX-License-Identifier: MIT
"""A network that looks at a window around each pixel: how it is trained, how it goes over an image."""

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, needed
from microtome.figures.kinds.overlap_tile import coverage
from microtome.figures.parts.colors import BLUE, OF_INTEREST, OF_REST, VERMILLION
from microtome.figures.parts.panels import IGNORE, check_same_size, draw_frame, read_image, show_image
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.networks import windows

EXPLAINS = True
NEEDS = frozenset({"images"})
SAMPLE_OPTIONS = ("sample",)
WINDOW = 95
PER_CLASS = 2
STEPS = 4
"""Windows of a row that are drawn."""
TITLE = 0.3
"""Room above the pictures, inches."""


@styled
def draw(
    inputs: FigureInputs,
    *,
    shows: str = "training",
    sample: str = "",
    window: int = WINDOW,
    seed: int = 0,
) -> FigureResult:
    """Draw the examples that a window network is trained with, or the way of its window over an image.

    Args:
        inputs: Files of the samples; the target says which class is in a window's centre.
        shows: ``training``: windows around pixels of both classes, as many of each; ``prediction``: the
            window moved by a pixel at a time.
        sample: The sample; by default the first test sample that has what is shown.
        window: Side of the network's window, odd.
        seed: Seed of the choice of windows.

    Returns:
        The figure. Its data: class, row and column of each window's centre; of ``prediction`` the windows
        and how often a pixel is processed (mean, largest).

    Raises:
        ValueError: The sample or its target is missing, a class does not occur in it, or `shows` is unknown.
    """
    if shows not in ("training", "prediction"):
        msg = f"shows is {shows!r}, expected 'training' or 'prediction'"
        raise ValueError(msg)
    name, sources = inputs.sample(sample, needs=("image", "target"))
    image = read_image(needed(sources, "image", name))
    gray = image if image.ndim == 2 else image.mean(axis=-1)
    if shows == "prediction":
        return _prediction(inputs, gray, name, window)
    label = images.read(needed(sources, "target", name))
    check_same_size(name, image=gray, label=label)
    chosen = inputs.classes[:2]
    places = {kind: _places(label, inputs.class_id(kind), seed, name) for kind in chosen}
    figure = _draw_training(inputs, gray, label, places, window)
    rows = [(kind, *place) for kind, found in places.items() for place in found.tolist()]
    data = pd.DataFrame(rows, columns=["class", "row", "column"]).assign(sample=name, window=window)
    caption = (
        f"Training of a window network on sample {name}: windows of {window}×{window} pixels, as many around "
        f"pixels of {chosen[0]} as of {chosen[1]}, each with the label of its central pixel; the image is "
        f"continued by reflection. {data_sentence(inputs.data_kind)}"
    )
    return FigureResult(figure, data, caption)


def _places(label: NDArray, value: int, seed: int, sample: str) -> NDArray[np.int64]:
    """Centres of windows of a class, from top to bottom."""
    centres = np.argwhere((label == value) & (label != IGNORE))
    if len(centres) < PER_CLASS:
        msg = f"sample {sample!r} has {len(centres)} pixels of class {value}; name another sample"
        raise ValueError(msg)
    found = np.random.default_rng(seed).choice(centres, PER_CLASS, replace=False)
    return found[found[:, 0].argsort()]


def _draw_training(
    inputs: FigureInputs, gray: NDArray, label: NDArray, places: dict[str, NDArray], window: int
) -> Figure:
    tones = {name: OF_INTEREST if name == inputs.shown_class else OF_REST for name in places}
    count = sum(map(len, places.values()))
    side = DOUBLE_COLUMN / (3 + count / 2)
    figure = new_figure(
        DOUBLE_COLUMN, side * gray.shape[0] / gray.shape[1] + 2 * TITLE, data_kind=inputs.data_kind
    )
    grid = figure.add_gridspec(2, 2 + count // 2, width_ratios=[2, 2, *[1] * (count // 2)])
    pictures = {"slice": gray, "label": np.where(label == IGNORE, 0.5, label / max(int(label.max()), 1))}
    for column, (title, picture) in enumerate(pictures.items()):
        axes = figure.add_subplot(grid[:, column])
        show_image(axes, picture)
        axes.set_title(title, loc="center")
        for kind, centres in places.items():
            for row, place in centres.tolist():
                edge = window // 2 + 0.5
                draw_frame(
                    axes, place - edge, row - edge, window, window, edgecolor=tones[kind], linewidth=0.9
                )
        axes.set(xlim=(-0.5, gray.shape[1] - 0.5), ylim=(gray.shape[0] - 0.5, -0.5))
    padded = torch.from_numpy(windows.mirror(gray[None].astype(np.float32), window))
    for row, (kind, centres) in enumerate(places.items()):
        color = tones[kind]
        cut = windows.extract_windows(padded, torch.from_numpy(centres), window)[:, 0].numpy()
        for column, picture in enumerate(cut):
            axes = figure.add_subplot(grid[row, 2 + column])
            show_image(axes, np.clip(picture, 0, 1))
            for spine in axes.spines.values():
                spine.set(color=color, linewidth=1.4, visible=True)
            axes.set_title(kind if column == 0 else "", loc="left", color=color)
            axes.plot(window // 2, window // 2, "+", color=color, markersize=6)
    return figure


def _prediction(inputs: FigureInputs, gray: NDArray, name: str, window: int) -> FigureResult:
    """The window at the beginning of its way, and how often each pixel is processed on it."""
    counts = coverage(gray.shape, side=window, step=1)
    aspect = gray.shape[0] / gray.shape[1]
    figure = new_figure(DOUBLE_COLUMN, DOUBLE_COLUMN / 3 * aspect + TITLE, data_kind=inputs.data_kind)
    way, overlap, times = figure.subplots(1, 3)
    for axes, title in ((way, "way of the window"), (overlap, "two neighbours")):
        show_image(axes, gray)
        axes.set_title(title, loc="center")
    short = min(gray.shape)
    side = min(window, short // 2)
    for step in range(STEPS):
        shift = step * (short - side) / (STEPS - 1) / 4
        draw_frame(way, shift - 0.5, -0.5, side, side, edgecolor=BLUE, linewidth=0.8)
    for row in (0.5, 0.75):
        height, width = gray.shape
        ends = (
            (side / 2, side / 2 + (height - side) * (row - 0.5)),
            (width * 0.95, side / 2 + (height - side) * (row - 0.5)),
        )
        style = {"arrowstyle": "-|>", "mutation_scale": 8, "color": VERMILLION, "linewidth": 1.2}
        way.add_patch(FancyArrowPatch(*ends, **style))
    for shift, color in ((0, BLUE), (max(side // 12, 1), VERMILLION)):
        draw_frame(overlap, shift + side / 4, side / 4, side, side, edgecolor=color, linewidth=1.2)
    artist = times.imshow(counts, cmap="viridis")
    times.set_title("times processed", loc="center")
    times.set_axis_off()
    figure.colorbar(artist, ax=times, shrink=0.8).outline.set_linewidth(0.5)
    rows = [(counts.size, window, float(counts.mean()), int(counts.max()))]
    data = pd.DataFrame(rows, columns=["windows", "side", "mean", "largest"]).assign(sample=name)
    caption = (
        f"Sample {name} by a sliding window (drawn with larger steps): one of {window}×{window} pixels at "
        f"each of {counts.size:,} pixels, from left to right and top to bottom. Two neighbours share "
        f"{100 * (window - 1) / window:.1f} % of their pixels, "
        f"and a pixel is processed {counts.mean():,.0f} times "
        f"on average. {data_sentence(inputs.data_kind)}"
    )
    return FigureResult(figure, data, caption)
