# SPDX-License-Identifier: MIT
"""What a window network sees: plain, foveated, non-uniformly sampled, and both."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, needed
from microtome.figures.parts.panels import IGNORE, check_same_size, read_image, show_image
from microtome.figures.parts.style import DOUBLE_COLUMN, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.networks import windows

EXPLAINS = True
NEEDS = frozenset({"images"})
SAMPLE_OPTIONS = ("sample",)
VARIANTS = {
    "plain": windows.WindowTransform(),
    "Fov": windows.WindowTransform(foveate=True),
    "Nu": windows.WindowTransform(nonuniform=True),
    "Fov + Nu": windows.WindowTransform(foveate=True, nonuniform=True),
}
WINDOW = 65
PER_CLASS = 3
SQUARE = 5
"""Side of the squares of the checkerboard, pixels."""
SPACE = 0.16
HEAD_HEIGHT = 0.38


@styled
def draw(
    inputs: FigureInputs, *, sample: str = "", window: int = WINDOW, per_class: int = PER_CLASS, seed: int = 0
) -> FigureResult:
    """Draw windows of a checkerboard and of both classes as each variant shows them.

    Args:
        inputs: Files of the samples; the target says which class is in a window's centre.
        sample: The sample; by default the first test sample that has what is shown.
        window: Side of the network's window, odd.
        per_class: Windows per class.
        seed: Seed of the choice of windows.

    Returns:
        The figure. Its data: variant, class, row and column of the centre, side of the raw window, grey
        value in the centre, standard deviation of the grey values at the border.

    Raises:
        ValueError: The sample or its target is missing, or a class does not occur in it.
    """
    name, sources = inputs.sample(sample, needs=("image", "target"))
    image, label = read_image(needed(sources, "image", name)), images.read(needed(sources, "target", name))
    check_same_size(name, image=image, label=label)
    kinds = inputs.classes[:2]
    centres = {kind: _choose(label, inputs.class_id(kind), per_class, seed, name) for kind in kinds}
    places = np.concatenate(list(centres.values()))
    rows = {variant: _windows(image, places, window, transform) for variant, transform in VARIANTS.items()}
    figure = _layout(rows, list(centres), per_class, inputs.data_kind)
    frames = [_data(variant, shown, centres, window) for variant, shown in rows.items()]
    data = pd.concat(frames, ignore_index=True)
    raw = windows.input_window(window, VARIANTS["Nu"])
    caption = (
        f"Windows of {window}×{window} pixels of sample {name} as the networks see them: plain, foveated "
        f"(Fov), sampled non-uniformly (Nu, from {raw}×{raw} pixels), and both. Left: a checkerboard; then "
        f"windows whose central pixel is {' or '.join(centres)}."
    )
    return FigureResult(figure, data.assign(sample=name), caption)


def _choose(label: NDArray, value: int, count: int, seed: int, sample: str) -> NDArray[np.int64]:
    centres = np.argwhere((label == value) & (label != IGNORE))
    if len(centres) < count:
        found = f"sample {sample!r} has {len(centres)} pixels of class {value}, fewer than {count}"
        msg = f"{found}; name another sample"
        raise ValueError(msg)
    return np.random.default_rng(seed).choice(centres, count, replace=False)


def _windows(
    image: NDArray, centres: NDArray, window: int, transform: windows.WindowTransform
) -> NDArray[np.float32]:
    """Cut and transform the windows; the first is the checkerboard."""
    raw = windows.input_window(window, transform)
    gray = image if image.ndim == 2 else image.mean(axis=-1)
    padded = torch.from_numpy(windows.mirror(gray[None].astype(np.float32), raw))
    cut = windows.extract_windows(padded, torch.from_numpy(centres), raw)
    board = torch.from_numpy(_checkerboard(raw))[None, None]
    return windows.transform_windows(torch.cat([board, cut]), window, transform)[:, 0].numpy()


def _checkerboard(side: int) -> NDArray[np.float32]:
    index = (np.arange(side) - side // 2 + SQUARE // 2) // SQUARE
    return ((index[:, None] + index) % 2).astype(np.float32)


def _layout(rows: dict[str, NDArray], classes: Sequence[str], per_class: int, data_kind: str) -> Figure:
    panels = 1 + per_class * len(classes)
    widths = [1, SPACE] + [width for _ in classes for width in (*[1] * per_class, SPACE)]
    cell = DOUBLE_COLUMN / (sum(widths) + 0.5)
    figure = new_figure(DOUBLE_COLUMN, cell * len(rows) + HEAD_HEIGHT, data_kind=data_kind)
    grid = figure.add_gridspec(len(rows), len(widths[:-1]), width_ratios=widths[:-1])
    places = [index for index, width in enumerate(widths[:-1]) if width == 1]
    heads = {0: "checkerboard"} | {1 + k * per_class: f"centre: {name}" for k, name in enumerate(classes)}
    for row, (variant, shown) in enumerate(rows.items()):
        for column in range(panels):
            axes = figure.add_subplot(grid[row, places[column]])
            show_image(axes, np.clip(shown[column], 0, 1))
            if row == 0 and column in heads:
                axes.set_title(heads[column])
            if column == 0:
                axes.set_ylabel(variant, rotation=0, ha="right", va="center", labelpad=6)
    return figure


def _data(variant: str, shown: NDArray, centres: dict[str, NDArray], window: int) -> pd.DataFrame:
    kinds = ["checkerboard"] + [kind for kind, found in centres.items() for _ in found]
    positions = [(np.nan, np.nan), *np.concatenate(list(centres.values())).tolist()]
    middle, rim = window // 2, np.ones((window, window), bool)
    rim[1:-1, 1:-1] = False
    return pd.DataFrame(
        {
            "variant": variant,
            "class": kinds,
            "row": [position[0] for position in positions],
            "column": [position[1] for position in positions],
            "raw_side": windows.input_window(window, VARIANTS[variant]),
            "centre_grey": shown[:, middle, middle],
            "rim_sd": shown[:, rim].std(axis=1),
        }
    )
