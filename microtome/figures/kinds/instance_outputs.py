# SPDX-License-Identifier: MIT
"""What a run makes of an image: each output of its network, and the objects found from them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources, file_of, needed
from microtome.figures.parts.markers_reached import mark_unreached, marker_output, segment_of, unreached
from microtome.figures.parts.objects import colour_labels, densest_window, read_labels
from microtome.figures.parts.panels import (
    check_same_size,
    outputs_of,
    pixel_size,
    read_image,
    scale_bar,
    show_image,
    show_probability,
)
from microtome.figures.parts.pictures import common_aspect, picture_grid, write_row_label, write_titles
from microtome.figures.parts.samples import choose_samples, data_sentence
from microtome.figures.parts.style import styled
from microtome.figures.result import FigureResult
from microtome.io import views
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"images", "instances", "runs"})
USES = frozenset({"groups", "method"})
SAMPLE_OPTIONS = ("samples",)
SHOWN = ("image", "predictions", "segmented")
CROP = 300
PREDICTED = "predicted "


@styled
def draw(
    inputs: FigureInputs,
    *,
    run: str = "",
    samples: Sequence[str] = (),
    groups: Sequence[str] = (),
    count: int = 1,
    crop: int = CROP,
    mpp: float | None = None,
) -> FigureResult:
    """Draw image, predicted mask and marker (probabilities, 0 dark to 1 bright) and found objects of samples.

    Args:
        inputs: Run records and files of the samples.
        run: The run; the first by default.
        samples: Samples to show; by default `count` of different groups.
        groups: Groups to show, one sample each.
        count: How many samples, where none is named.
        crop: Side of the square that is shown, the one with most of the objects found; 0 for the whole image.
        mpp: Pixel size in micrometres, for a scale bar; by default what the image's file says.

    Returns:
        The figure. Its data: run, sample, group, objects found, and the mean probability of each output
        (over the whole image).

    Raises:
        ValueError: The run, a sample or one of its files is missing, or sizes differ.
    """
    record = inputs.select([run] if run else ())[0]
    wanted = {"samples": samples, "groups": groups, "count": count}
    chosen = choose_samples(inputs, run=record.run, needs=SHOWN, **wanted)
    loaded = [_load(name, sources, record) for name, sources in chosen]
    missing = _unreached(inputs, record, chosen)
    windows = [densest_window(arrays["objects"], crop) for arrays in loaded]
    aspect = common_aspect([w.of(arrays["image"]) for w, arrays in zip(windows, loaded, strict=True)])
    figure, panels = picture_grid(len(chosen), len(loaded[0]), aspect=aspect, data_kind=inputs.data_kind)
    write_titles(panels[0], list(loaded[0]))
    for axes, (name, sources), arrays, window in zip(panels, chosen, loaded, windows, strict=True):
        for panel, (what, array) in zip(axes, arrays.items(), strict=True):
            _show(panel, what, window.of(array))
        if missing.get(name):
            mark_unreached(axes[1 + outputs_of(record).index(marker_output(outputs_of(record)))])
        write_row_label(axes[0], inputs, name)
        scale_bar(axes[0], window.width, pixel_size(sources.image, mpp))
    pairs = zip(chosen, loaded, strict=True)
    data = pd.DataFrame([_row(inputs, record, name, arrays) for (name, _), arrays in pairs])
    return FigureResult(figure, data, _caption(inputs, record, data, list(loaded[0])[1:-1], crop, missing))


def _unreached(
    inputs: FigureInputs, record: RunRecord, chosen: Sequence[tuple[str, SampleSources]]
) -> dict[str, str]:
    """What is said of samples in which no marker reaches the threshold."""
    segment = segment_of(inputs, record.run)
    found = {name: unreached(record, files.predictions[record.run], segment) for name, files in chosen}
    return {name: said for name, said in found.items() if said}


def _load(name: str, sources: SampleSources, record: RunRecord) -> dict[str, NDArray]:
    """Image, each output and the objects of a sample, by their titles."""
    maps = views.read_map(file_of(sources.predictions, record.run, sample=name, what="prediction"))
    outputs = [str(one).replace("_", " ") for one in record.card.get("outputs") or ("mask",)]
    if len(outputs) != len(maps):
        found = f"the outputs {outputs} and a map of sample {name!r} with {len(maps)} channels"
        msg = f"run {record.run!r} has {found}; predict again"
        raise ValueError(msg)
    arrays = {"image": read_image(needed(sources, "image", name))}
    arrays |= {f"{PREDICTED}{output}": channel for output, channel in zip(outputs, maps, strict=True)}
    arrays["objects"] = read_labels(file_of(sources.segmented, record.run, sample=name, what="objects found"))
    check_same_size(name, **arrays)
    return arrays


def _show(axes: Axes, what: str, array: NDArray) -> None:
    """The picture, a probability, or the objects, by their title."""
    if what.startswith(PREDICTED):
        show_probability(axes, array)
    else:
        show_image(axes, colour_labels(array) if what == "objects" else array)


def _row(inputs: FigureInputs, record: RunRecord, name: str, arrays: dict[str, NDArray]) -> dict[str, object]:
    found = np.unique(arrays["objects"][arrays["objects"] > 0]).size
    means = {
        f"mean_{what.removeprefix(PREDICTED).replace(' ', '_')}": float(array.mean(dtype=np.float64))
        for what, array in arrays.items()
        if what.startswith(PREDICTED)
    }
    head = {"run": record.run, "sample": name, "group": inputs.groups.get(name, "")}
    return {**head, "objects": int(found), **means}


def _caption(
    inputs: FigureInputs,
    record: RunRecord,
    data: pd.DataFrame,
    outputs: Sequence[str],
    crop: int,
    missing: Mapping[str, str],
) -> str:
    said = "".join(f" In {name} {text}." for name, text in missing.items())
    part = f" Shown: at most the {crop}×{crop} pixels with most of the objects." if crop else ""
    return (
        f"{', '.join(data['sample'])} by {record.label}: image, {', '.join(outputs)} (probability, dark 0, "
        f"bright 1), and the {int(data['objects'].sum())} objects found from them (colours tell them "
        f"apart and mean nothing else).{said}{part} {data_sentence(inputs.data_kind)}"
    )
