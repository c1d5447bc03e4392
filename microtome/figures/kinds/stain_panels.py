# SPDX-License-Identifier: MIT
"""Stain normalization in pictures: images as they come, the target, and the images after normalization."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources, file_of, needed
from microtome.figures.parts import pictures
from microtome.figures.parts.panels import check_same_size, pixel_size, read_image, scale_bar, show_image
from microtome.figures.parts.samples import choose_samples, data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult

NEEDS = frozenset({"images", "names", "stains"})
USES = frozenset({"groups"})
SAMPLE_OPTIONS = ("samples",)
STAIN_OPTIONS = ("stain",)
SHOWN = ("image", "normalized")
COUNT = 3
LEAST_COLUMNS = 3
NAME_HEIGHT = 0.15
DENSITIES = np.linspace(0, 1.6, 9)
"""Amounts of stain in the swatches that stand for a target without a picture."""
CROP = 500
ROOM = 1.15
"""How much wider a panel is than before the layout."""


@styled
def draw(
    inputs: FigureInputs,
    *,
    stain: str = "",
    samples: Sequence[str] = (),
    groups: Sequence[str] = (),
    count: int = COUNT,
    crop: int = CROP,
    mpp: float | None = None,
) -> FigureResult:
    """Draw images before and after stain normalization beside the target.

    Args:
        inputs: Files of the samples, normalized images among them, and the target's profile.
        stain: Name of the stain normalization; the only or first by default.
        samples: Samples to show; by default `count` of different groups, not the target.
        groups: Groups to show, one sample each.
        count: How many samples, where none is named.
        crop: Side of the square in the middle that is shown, pixels; 0 for the whole image.
        mpp: Pixel size in micrometres, for a scale bar; by default what the image's file says.

    Returns:
        The figure. Its data: stain, sample, group, mean colour before and after, mean distance of the colours
        of a pixel before and after.

    Raises:
        ValueError: There is no stain normalization of that name, or a sample lacks a file.
    """
    name = stain_name(inputs, stain)
    content = read_target(inputs.stain_targets[name])
    chosen = choose_samples(
        without_target(inputs, content["target"]),
        samples=samples,
        groups=groups,
        count=count,
        run=name,
        needs=SHOWN,
    )
    pairs = [_pair(inputs, name, sample) for sample, _ in chosen]
    figure, target, panels = _grid(inputs, [before for before, _ in pairs], crop)
    is_picture = _draw_target(target, inputs, name, content, crop)
    method = inputs.name_of("stain", content["profile"].get("method") or name)
    for index, (column, (sample, _), pair) in enumerate(zip(panels.T, chosen, pairs, strict=True)):
        for axes, picture in zip(column, pair, strict=True):
            show_image(axes, _middle(picture, crop))
        letter(column[0], chr(ord("b") + index), inputs.groups.get(sample, ""))
        room = int(column[0].get_position().width * figure.get_figwidth() * ROOM / pictures.INCHES_PER_LETTER)
        column[1].set_xlabel(pictures.shorten(sample, room), fontsize=pictures.LABEL_SIZE)
    for axes, text in zip(panels[:, 0], ("input", f"normalized, {method}"), strict=True):
        axes.set_ylabel(text)
    width = _middle(pairs[0][0], crop).shape[1]
    scale_bar(panels[0, 0], width, pixel_size(chosen[0][1].image, mpp))
    rows = zip(chosen, pairs, strict=True)
    data = pd.DataFrame([_row(inputs, name, sample, *pair) for (sample, _), pair in rows])
    shown = "" if is_picture else ", shown as its stains in rising amounts"
    caption = (
        f"Stain normalization ({method}) of {', '.join(data['sample'])} (b and on) to the target (a), "
        f"{content['target']}{shown}: the colours become the target's, the structure stays. "
        f"{data_sentence(inputs.data_kind)}"
    )
    return FigureResult(figure, data, caption)


def stain_name(inputs: FigureInputs, name: str = "") -> str:
    """Choose a stain normalization by its name, the first if empty.

    Raises:
        ValueError: There is none of that name, or none at all.
    """
    known = list(inputs.stain_targets)
    if (name and name not in known) or not known:
        msg = f"no stain normalization {name!r}; those at hand: {known}; name one of the study's `stains`"
        raise ValueError(msg)
    return name or known[0]


def read_target(path: Path) -> Mapping[str, Any]:
    """Read ``target.json``: ``target`` (a sample), ``profile`` (`microtome.stain.StainProfile.as_json`).

    Raises:
        ValueError: It holds something else.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if not {"target", "profile"} <= set(content):
        msg = f"{path} holds {sorted(content)}, expected target and profile; fit the stain again"
        raise ValueError(msg)
    return content


def stain_colours(matrix: NDArray, amounts: NDArray) -> NDArray[np.float64]:
    """Give the colours (S, A, 3), 0..1, of stains in some amounts (Beer and Lambert).

    Of vectors (S, 3), the optical density of red, green, blue, and concentrations (A,).

    Example:
        >>> stain_colours(np.array([[0.0, 1.0, 0.0]]), np.array([0.0, 1.0])).round(2).tolist()
        [[[1.0, 1.0, 1.0], [1.0, 0.37, 1.0]]]
    """
    return np.exp(-np.asarray(amounts)[None, :, None] * np.asarray(matrix)[:, None, :])


def without_target(inputs: FigureInputs, target: str) -> FigureInputs:
    """Leave the target out of a figure's samples, unless it is the only one."""
    rest = {name: files for name, files in inputs.sources.items() if name != target}
    fields = {name: getattr(inputs, name) for name in inputs.__dataclass_fields__}
    return FigureInputs(**{**fields, "sources": rest}) if rest else inputs


def _pair(inputs: FigureInputs, stain: str, sample: str) -> tuple[NDArray, NDArray]:
    _, sources = inputs.sample(sample)
    before = read_image(needed(sources, "image", sample))
    after = read_image(file_of(sources.normalized, stain, sample=sample, what="normalized image"))
    check_same_size(sample, image=before, normalized=after)
    return before, after


def _grid(inputs: FigureInputs, before: Sequence[NDArray], crop: int) -> tuple[Figure, Axes, NDArray]:
    """A figure with one panel for the target and, beside it, two rows of panels."""
    columns = len(before) + 1
    panel = (DOUBLE_COLUMN - pictures.LABEL_ROOM) / max(columns, LEAST_COLUMNS)
    height = 2 * panel * pictures.common_aspect([_middle(picture, crop) for picture in before])
    width = panel * columns + pictures.LABEL_ROOM
    figure = new_figure(width, height + pictures.TITLE_HEIGHT + NAME_HEIGHT, data_kind=inputs.data_kind)
    grid = figure.add_gridspec(2, columns)
    target = figure.add_subplot(grid[:, 0])
    panels = [[figure.add_subplot(grid[row, column]) for column in range(1, columns)] for row in range(2)]
    return figure, target, np.array(panels)


def _middle(array: NDArray, side: int) -> NDArray:
    """The square of a side in the middle of an array."""
    top, left = (max(length - side, 0) // 2 if side else 0 for length in array.shape[:2])
    return array[top : array.shape[0] - top, left : array.shape[1] - left]


def _draw_target(axes: Axes, inputs: FigureInputs, stain: str, content: Mapping[str, Any], crop: int) -> bool:
    """Show the target, or its stains where its image is not at hand; whether it is a picture."""
    sources = inputs.sources.get(content["target"], SampleSources())
    path = sources.image or sources.normalized.get(stain)  # the target normalized to itself changes little
    matrix = content["profile"].get("stain_matrix")
    if path is not None:
        show_image(axes, _middle(read_image(path), crop))
    elif matrix is not None:
        show_image(axes, stain_colours(np.asarray(matrix), DENSITIES))
        axes.set(aspect="auto", box_aspect=0.6, yticks=[0, 1], yticklabels=["H", "E"])
        axes.tick_params(left=False)
    else:
        axes.set_axis_off()
        axes.text(0.5, 0.5, content["target"], ha="center", va="center", transform=axes.transAxes)
        return False
    letter(axes, "a", "target")
    axes.set_xlabel(content["target"], fontsize=pictures.LABEL_SIZE)
    return path is not None


def _row(inputs: FigureInputs, stain: str, sample: str, before: NDArray, after: NDArray) -> dict[str, object]:
    means = {
        f"{colour}_{when}": float(255 * picture[..., index].mean())
        for when, picture in (("before", before), ("after", after))
        for index, colour in enumerate(("red", "green", "blue"))
    }
    change = float(255 * np.linalg.norm(after - before, axis=-1).mean())
    return {
        "stain": stain,
        "sample": sample,
        "group": inputs.groups.get(sample, ""),
        **means,
        "mean_change": change,
    }
