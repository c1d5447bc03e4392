# SPDX-License-Identifier: MIT
"""Objects found by a run: image, true outlines, found outlines by outcome, with the AJI of each image."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources, file_of, needed
from microtome.figures.parts import objects
from microtome.figures.parts.colors import YELLOW
from microtome.figures.parts.panels import check_same_size, pixel_size, read_image, scale_bar, show_image
from microtome.figures.parts.pictures import common_aspect, picture_grid, write_row_label, write_titles
from microtome.figures.parts.samples import (
    PHRASES,
    Order,
    choose_samples,
    data_sentence,
    rank_samples,
    score_of,
)
from microtome.figures.parts.style import SMALL, styled
from microtome.figures.result import FigureResult
from microtome.metrics.instances import aji
from microtome.metrics.names import metric_name
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"images", "instances", "runs"})
USES = frozenset({"groups"})
METRIC_OPTIONS = {"metric": ""}
SAMPLE_OPTIONS = ("samples",)
SHOWN = ("image", "instances", "segmented")
TITLES = ("image", "truth", "found")
AJI = "aji"
COUNT, CROP = 3, 400
Arrays = tuple[NDArray, NDArray, NDArray]
"""Image, true and found objects."""
BOX = {"boxstyle": "square,pad=0.25", "facecolor": "white", "edgecolor": "#D9D9D9", "linewidth": 0.4}
BADGE = {"ha": "right", "va": "top", "fontsize": SMALL, "bbox": BOX}


@styled
def draw(
    inputs: FigureInputs,
    *,
    run: str = "",
    samples: Sequence[str] = (),
    groups: Sequence[str] = (),
    order: Order = "",
    count: int = COUNT,
    crop: int = CROP,
    metric: str = AJI,
    part: str = "test",
    mpp: float | None = None,
) -> FigureResult:
    """Draw samples with their true and their found objects.

    Args:
        inputs: Run records and files of the samples.
        run: The run; the first by default.
        samples: Samples to show; they decide alone if given.
        groups: Groups to show, one sample each.
        order: ``worst`` or ``best`` first, by `metric`; by default samples of different groups.
        count: How many samples, where neither samples nor groups are named.
        crop: Side of the square that is shown, the one with most of the objects; 0 for the whole image.
        metric: Score of the whole image to print, as evaluated; higher is better.
        part: Part of the split that `order` ranks.
        mpp: Pixel size in micrometres, for a scale bar; by default what the image's file says.

    Returns:
        The figure. Its data: run, sample, group, the score, objects in the truth, found, matched, false
        positive and missed, of the whole image.

    Raises:
        ValueError: The run, a sample or one of its files is missing, or sizes differ.
    """
    record = inputs.select([run] if run else ())[0]
    ranking = rank_samples(record, metric, order, part=part) if order else None
    chosen = choose_samples(
        inputs, samples=samples, groups=groups, count=count, run=record.run, needs=SHOWN, ranking=ranking
    )
    loaded = [_load(name, sources, record.run) for name, sources in chosen]
    windows = [objects.densest_window(truth, crop) for _, truth, _ in loaded]
    aspect = common_aspect([w.of(image) for w, (image, _, _) in zip(windows, loaded, strict=True)])
    figure, panels = picture_grid(
        len(chosen), len(TITLES), aspect=aspect, data_kind=inputs.data_kind, handles=objects.outcome_handles()
    )
    write_titles(panels[0], TITLES)
    rows = []
    for axes, (name, sources), arrays, window in zip(panels, chosen, loaded, windows, strict=True):
        outcomes = objects.match(*arrays[1:])
        rows.append(_row(inputs, record, name, arrays, outcomes, metric))
        _draw_row(axes, arrays, outcomes, window)
        write_row_label(axes[0], inputs, name)
        score = f"{metric_name(metric)} {rows[-1][metric]:.2f}"
        axes[2].text(0.97, 0.965, score, transform=axes[2].transAxes, **BADGE)
        scale_bar(axes[0], window.width, pixel_size(sources.image, mpp))
    data = pd.DataFrame(rows)
    return FigureResult(figure, data, _caption(inputs, record, data, metric, order, windows, crop))


def _load(name: str, sources: SampleSources, run: str) -> Arrays:
    image = read_image(needed(sources, "image", name))
    truth = objects.read_labels(needed(sources, "instances", name))
    found = objects.read_labels(file_of(sources.segmented, run, sample=name, what="objects found"))
    check_same_size(name, image=image, truth=truth, found=found)
    return image, truth, found


def _draw_row(
    axes: Sequence[Axes], arrays: Arrays, outcomes: objects.Outcomes, window: objects.Window
) -> None:
    image, truth, found = (window.of(array) for array in arrays)
    show_image(axes[0], image)
    show_image(axes[1], image)
    objects.draw_outlines(axes[1], objects.outlines(truth), color=YELLOW)
    show_image(axes[2], objects.fade(image))
    objects.draw_outcomes(axes[2], truth, found, outcomes)


def _row(
    inputs: FigureInputs,
    record: RunRecord,
    name: str,
    arrays: Arrays,
    outcomes: objects.Outcomes,
    metric: str,
) -> dict[str, object]:
    score = score_of(record, metric, name)
    if np.isnan(score) and metric == AJI:
        score = aji(*arrays[1:])
    return {
        "run": record.run,
        "sample": name,
        "group": inputs.groups.get(name, ""),
        metric: score,
        "truth": outcomes.matched.size + outcomes.missed.size,
        "found": outcomes.matched.size + outcomes.false_positive.size,
        "matched": outcomes.matched.size,
        "false_positive": outcomes.false_positive.size,
        "missed": outcomes.missed.size,
    }


def _caption(
    inputs: FigureInputs,
    record: RunRecord,
    data: pd.DataFrame,
    metric: str,
    order: Order,
    windows: Sequence[objects.Window],
    crop: int,
) -> str:
    shown = metric_name(metric)
    scores = "; ".join(
        f"{row['group'] + ', ' if row['group'] else ''}{row['sample']}: {row[metric]:.3f}"
        for row in data.to_dict("records")
    )
    is_whole = all(max(window.height, window.width) < crop or not crop for window in windows)
    part = "" if is_whole else f"The {crop}×{crop} pixels with most of the true objects are shown. "
    return (
        f"Objects found by {record.label}{PHRASES[order]}: image, true outlines (yellow), and outlines by "
        f"outcome (objects match above an IoU of 0.5): {data['matched'].sum()} matched, "
        f"{data['false_positive'].sum()} false positives, {data['missed'].sum()} missed in the whole images. "
        f"{shown} of each whole image: {scores}. {part}{data_sentence(inputs.data_kind)}"
    )
