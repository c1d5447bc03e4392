# SPDX-License-Identifier: MIT
"""What a network for objects learns: the image, the mask, the markers and the objects they come from."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources, needed
from microtome.figures.parts.objects import Window, colour_labels, densest_window, read_labels
from microtome.figures.parts.panels import (
    IGNORE,
    check_same_size,
    pixel_size,
    read_image,
    scale_bar,
    show_image,
)
from microtome.figures.parts.pictures import common_aspect, picture_grid, write_row_label, write_titles
from microtome.figures.parts.samples import choose_samples, data_sentence
from microtome.figures.parts.style import styled
from microtome.figures.result import FigureResult
from microtome.io import images

EXPLAINS = True
NEEDS = frozenset({"images", "instances"})
USES = frozenset({"groups"})
SAMPLE_OPTIONS = ("samples",)
SHOWN = ("image", "instances")
MARKERS = {"shape_marker": "shape marker", "centre_marker": "centre marker"}
CROP = 300


@styled
def draw(
    inputs: FigureInputs,
    *,
    samples: Sequence[str] = (),
    groups: Sequence[str] = (),
    count: int = 1,
    crop: int = CROP,
    mpp: float | None = None,
) -> FigureResult:
    """Draw image, mask, shape marker, centre marker and objects of samples.

    Args:
        inputs: Files of the samples.
        samples: Samples to show; by default `count` of different groups.
        groups: Groups to show, one sample each.
        count: How many samples, where none is named.
        crop: Side of the square that is shown, the one with most of the objects; 0 for the whole image.
        mpp: Pixel size in micrometres, for a scale bar; by default what the image's file says.

    Returns:
        The figure. Its data: sample, group, objects, and the share of the pixels (of the whole image) that
        mask and markers take.

    Raises:
        ValueError: A sample lacks its image or its objects, or sizes differ.
    """
    chosen = choose_samples(inputs, samples=samples, groups=groups, count=count, needs=SHOWN)
    loaded = [_load(name, sources) for name, sources in chosen]
    markers = [what for what in MARKERS if any(what in arrays for arrays in loaded)]
    shown = ["image", "mask", *markers, "objects"]
    windows = [densest_window(arrays["objects"], crop) for arrays in loaded]
    pictures = [window.of(arrays["image"]) for window, arrays in zip(windows, loaded, strict=True)]
    aspect = common_aspect(pictures)
    figure, panels = picture_grid(len(chosen), len(shown), aspect=aspect, data_kind=inputs.data_kind)
    write_titles(panels[0], [MARKERS.get(what, what) for what in shown])
    for axes, (name, sources), arrays, window in zip(panels, chosen, loaded, windows, strict=True):
        _draw_row(axes, arrays, shown, window)
        write_row_label(axes[0], inputs, name)
        scale_bar(axes[0], window.width, pixel_size(sources.image, mpp))
    pairs = zip(chosen, loaded, strict=True)
    data = pd.DataFrame([_row(inputs, name, arrays) for (name, _), arrays in pairs])
    return FigureResult(figure, data, _caption(inputs, data, markers, windows, loaded))


def _load(name: str, sources: SampleSources) -> dict[str, NDArray]:
    """The arrays of a sample by what they are."""
    arrays = {
        "image": read_image(needed(sources, "image", name)),
        "objects": read_labels(needed(sources, "instances", name)),
    }
    mask = arrays["objects"] > 0 if sources.target is None else images.read(sources.target)
    arrays["mask"] = (mask > 0) & (mask != IGNORE)
    arrays |= {
        what: images.read(path) > 0 for what in MARKERS if (path := getattr(sources, what)) is not None
    }
    check_same_size(name, **arrays)
    return arrays


def _draw_row(axes: Sequence[Axes], arrays: dict[str, NDArray], shown: Sequence[str], window: Window) -> None:
    for panel, what in zip(axes, shown, strict=True):
        picture = window.of(arrays.get(what, np.zeros_like(arrays["mask"])))
        show_image(panel, colour_labels(picture) if what == "objects" else picture.astype(float))


def _row(inputs: FigureInputs, name: str, arrays: dict[str, NDArray]) -> dict[str, object]:
    objects = int(np.unique(arrays["objects"][arrays["objects"] > 0]).size)
    shares = {
        f"{what}_share": float(arrays[what].mean()) if what in arrays else float("nan")
        for what in ("mask", *MARKERS)
    }
    return {"sample": name, "group": inputs.groups.get(name, ""), "objects": objects, **shares}


def _caption(
    inputs: FigureInputs,
    data: pd.DataFrame,
    markers: Sequence[str],
    windows: Sequence[Window],
    loaded: Sequence[dict[str, NDArray]],
) -> str:
    names = {"mask": "mask", **{what: MARKERS[what] for what in markers}}
    shares = ", ".join(f"{text} {data[f'{what}_share'].mean():.1%}" for what, text in names.items())
    pairs = zip(windows, loaded, strict=True)
    is_whole = all(window.of(arrays["mask"]).size == arrays["mask"].size for window, arrays in pairs)
    side = f"{windows[0].height}×{windows[0].width}"
    part = "" if is_whole else f" Shown: the {side} pixels with most of the objects."
    return (
        f"Image, targets ({', '.join(names.values())}) and the {int(data['objects'].sum())} objects they are "
        f"made from (colours tell them apart and mean nothing else) of {', '.join(data['sample'])}. Share of "
        f"the pixels: {shares.replace('%', ' %')}.{part} {data_sentence(inputs.data_kind)}"
    )
