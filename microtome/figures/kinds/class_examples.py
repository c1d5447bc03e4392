# SPDX-License-Identifier: MIT
"""Examples of each class: the windows of images that its labels fill most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from microtome.figures.inputs import FigureInputs, needed
from microtome.figures.parts import panels
from microtome.figures.parts.pictures import picture_grid
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import SMALL, letter, styled
from microtome.figures.result import FigureResult
from microtome.io import images, views

NEEDS = frozenset({"images"})
USES = frozenset({"groups"})
SAMPLE_OPTIONS = ("samples",)
STEPS = 16
"""Places where windows are tried, for each side of a window."""
FRAME = 1.6
"""Width of the frames in the colours of the classes, points."""
ENOUGH = 0.7
"""An example of another group is taken if its class fills at least this share of what the best one has."""
TEXT = SMALL
BELOW = 0.05
"""Height of the line below a panel, inches."""


@dataclass(frozen=True)
class Example:
    """A window of an image.

    Attributes:
        class_id: What it is an example of.
        sample: The image.
        top: First row, pixels.
        left: First column.
        height: Rows.
        width: Columns.
        share: Of its pixels that are labelled as the class.
    """

    class_id: int
    sample: str
    top: int
    left: int
    height: int
    width: int
    share: float

    def of(self, array: NDArray) -> NDArray:
        """The window of a map (H, W)."""
        return array[self.top : self.top + self.height, self.left : self.left + self.width]


@styled
def draw(
    inputs: FigureInputs,
    *,
    samples: Sequence[str] = (),
    count: int = 2,
    size: int = 128,
    mpp: float | None = None,
) -> FigureResult:
    """Draw examples of each class, a column each.

    An example is the window of an image of which the class fills most; examples of a class come from
    different images, of different groups where these have nearly as good ones.

    Args:
        inputs: Images and their labels.
        samples: Images that examples are taken from; all that are evaluated by default.
        count: Examples of each class.
        size: Side of a window, pixels; at most that of the image.
        mpp: Pixel size in micrometres, for a scale bar; by default what the image's file says.

    Returns:
        The figure. Its data, by example: class, sample, group, top, left, height, width, share (of the
        window that is labelled as the class), grey_mean and grey_sd (of the window, 0 to 1).

    Raises:
        ValueError: No image has labels, or one that is named has none.
    """
    names = [inputs.sample(name)[0] for name in samples] or inputs.candidates(needs=("image", "target"))
    if not names:
        msg = f"no image has labels; the samples at hand: {sorted(inputs.sources)}; label one"
        raise ValueError(msg)
    best = [example for name in names for example in _best_of(inputs, name, size)]
    chosen = {
        number: _choose(inputs, [one for one in best if one.class_id == number], count)
        for number in range(len(inputs.classes))
    }
    figure, grid = picture_grid(
        count, len(inputs.classes), aspect=1.0, data_kind=inputs.data_kind, below=count * BELOW
    )
    for axes, name, title in zip_longest(
        grid[0], ascii_lowercase[: len(grid[0])], inputs.classes, fillvalue=""
    ):
        letter(axes, name, title)
    rows = [_draw(grid[:, number], inputs, found, mpp) for number, found in chosen.items()]
    data = pd.DataFrame([row for found in rows for row in found])
    return FigureResult(figure, data, _caption(inputs, data, size))


def _best_of(inputs: FigureInputs, sample: str, size: int) -> Iterator[Example]:
    """The best window of an image for each class that it shows."""
    target = images.read(needed(inputs.sources[sample], "target", sample))
    height, width = (min(size, side) for side in target.shape)
    step = max(1, min(height, width) // STEPS)
    coarse = target[::step, ::step]
    tops, lefts = (
        np.clip(np.arange(number) * step - side // 2, 0, whole - side)
        for number, side, whole in zip(coarse.shape, (height, width), target.shape, strict=True)
    )
    for number in np.unique(target[target < len(inputs.classes)]).tolist():
        filled = uniform_filter((coarse == number).astype(np.float32), STEPS, mode="constant")
        row, column = np.unravel_index(filled.argmax(), filled.shape)
        found = Example(number, sample, int(tops[row]), int(lefts[column]), height, width, 0.0)
        share = float((found.of(target) == number).mean())
        yield Example(number, sample, found.top, found.left, height, width, share)


def _choose(inputs: FigureInputs, found: Sequence[Example], count: int) -> list[Example]:
    """The best examples of a class, those of groups that are not shown yet first if they are good enough."""
    left, chosen = sorted(found, key=lambda one: (-one.share, one.sample)), list[Example]()
    while left and len(chosen) < count:
        seen = {inputs.groups.get(one.sample) for one in chosen}
        others = [one for one in left if inputs.groups.get(one.sample) not in seen]
        is_good = bool(others) and others[0].share >= ENOUGH * left[0].share
        chosen.append(others[0] if is_good else left[0])
        left.remove(chosen[-1])
    return chosen


def _draw(
    column: Sequence[Axes], inputs: FigureInputs, found: Sequence[Example], mpp: float | None
) -> list[dict[str, object]]:
    """Draw the examples of a class below each other; give their numbers."""
    rows = []
    for axes, one in zip(column, found, strict=False):
        path = needed(inputs.sources[one.sample], "image", one.sample)
        picture = _read(path, one)
        panels.show_image(axes, picture)
        color = list(inputs.palette.values())[one.class_id]
        for spine in axes.spines.values():
            spine.set(color=color, linewidth=FRAME)
        panels.scale_bar(axes, one.width, panels.pixel_size(path, mpp))
        group = inputs.groups.get(one.sample, "")
        axes.set_xlabel(", ".join(text for text in (group, one.sample) if text), fontsize=TEXT, labelpad=1.5)
        rows.append(_numbers(inputs, one, picture))
    for axes in column[len(found) :]:
        axes.set_axis_off()
    return rows


def _read(path: object, one: Example) -> NDArray:
    """A window of an image as it is shown: (h, w), or (h, w, 3), 0 to 1."""
    source = views.open_raster(path)
    block = np.moveaxis(source.read(one.top, one.left, one.height, one.width), 0, -1)
    shown = block if block.shape[-1] == len("RGB") else block.mean(axis=-1)
    return panels.to_show(shown, source.dtype)


def _numbers(inputs: FigureInputs, one: Example, picture: NDArray) -> dict[str, object]:
    return {
        **{"class": inputs.classes[one.class_id], "sample": one.sample},
        **{"group": inputs.groups.get(one.sample, ""), "top": one.top, "left": one.left},
        **{"height": one.height, "width": one.width, "share": one.share},
        **{"grey_mean": float(picture.mean()), "grey_sd": float(picture.std())},
    }


def _caption(inputs: FigureInputs, data: pd.DataFrame, size: int) -> str:
    least = data.loc[data["share"].idxmin()]
    missing = [name for name in inputs.classes if name not in set(data["class"])]
    none = f" No label shows {', '.join(missing)}." if missing else ""
    share = f"{least['share']:.0%}".replace("%", " %")
    return (
        f"Examples of each class: of different images the windows of {size} pixels a side that its labels "
        f"fill most (at least {share}, {least['class']} in {least['sample']}), as recorded.{none} "
        f"{data_sentence(inputs.data_kind)}"
    )
