# SPDX-License-Identifier: MIT
"""Centre markers against shape markers: the targets, what a run of each predicts, and the objects found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources, needed
from microtome.figures.parts import objects, panels
from microtome.figures.parts.colors import SKY, YELLOW
from microtome.figures.parts.markers_reached import mark_unreached, segment_of, unreached
from microtome.figures.parts.pictures import common_aspect, picture_grid, write_titles
from microtome.figures.parts.samples import data_sentence, score_of
from microtome.figures.parts.style import TEXT, styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.metrics.instances import aji
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"images", "instances"})
USES = frozenset({"groups", "method"})
SAMPLE_OPTIONS = ("sample",)
MARKERS = {"centre_marker": "centre markers", "shape_marker": "shape markers"}
SHOWN = ("image", "instances", "centre_marker", "shape_marker")
TITLES = ("markers on the image", "marker, target", "marker, predicted", "objects found")
CROP = 160
MARKER_TONE = to_rgb(SKY)


@dataclass(frozen=True)
class _Side:
    """One kind of marker: its target and what its run made of it, as far as there is a run.

    `missing`: what is said of markers that are nowhere above the threshold.
    """

    what: str
    target: NDArray
    record: RunRecord | None = None
    predicted: NDArray | None = None
    found: NDArray | None = None
    outcomes: objects.Outcomes | None = None
    missing: str = ""


@styled
def draw(
    inputs: FigureInputs,
    *,
    runs: Sequence[str] = (),
    sample: str = "",
    crop: int = CROP,
    mpp: float | None = None,
) -> FigureResult:
    """Draw centre and shape markers of one sample, and the objects that runs with these markers find.

    Args:
        inputs: Run records and files of the samples.
        runs: Runs; the first whose outputs hold a kind of marker stands for it. All runs by default; the
            figure can be drawn from the targets alone.
        sample: The sample; by default the first test sample that has what is shown.
        crop: Side of the square that is shown, the one with most of the objects; 0 for the whole image.
        mpp: Pixel size in micrometres, for a scale bar; by default what the image's file says.

    Returns:
        The figure. Its data: marker, run, sample, markers in the target, share of the objects' pixels they
        take, objects in the truth, matched, false positive and missed, AJI, of the whole image.

    Raises:
        ValueError: The sample or one of its files is missing, a run's outputs are not those of its maps, or
            sizes differ.
    """
    records = inputs.select(runs) if inputs.runs else []
    run = next((r.run for r in records if set(MARKERS) & set(panels.outputs_of(r))), "")
    needs = (*SHOWN, "predictions", "segmented") if run else SHOWN
    name, sources = inputs.sample(sample, run=run, needs=needs)
    image = panels.read_image(needed(sources, "image", name))
    truth = objects.read_labels(needed(sources, "instances", name))
    sides = [_side(inputs, what, records, sources, name, truth) for what in MARKERS]
    panels.check_same_size(name, image=image, truth=truth, **{side.what: side.target for side in sides})
    window = objects.densest_window(truth, crop)
    has_run = any(side.record is not None for side in sides)
    titles = TITLES if has_run else TITLES[:2]
    aspect = common_aspect([window.of(image)])
    figure, grid = picture_grid(
        len(sides),
        len(titles),
        aspect=aspect,
        data_kind=inputs.data_kind,
        handles=objects.outcome_handles() if has_run else (),
        below=panels.COLOUR_BAR_HEIGHT if has_run else 0.0,
    )
    write_titles(grid[0], titles)
    for axes, side in zip(grid, sides, strict=True):
        _draw_row(axes, image, truth, side, window)
        axes[0].set_ylabel(MARKERS[side.what], fontsize=TEXT)
    panels.scale_bar(grid[0, 0], window.width, panels.pixel_size(sources.image, mpp))
    data = pd.DataFrame([_row(side, truth, name) for side in sides])
    return FigureResult(figure, data, _caption(inputs, data, sides, window, truth))


def _side(
    inputs: FigureInputs,
    what: str,
    records: Sequence[RunRecord],
    sources: SampleSources,
    name: str,
    truth: NDArray,
) -> _Side:
    target = images.read(needed(sources, what, name)) > 0
    maps = sources.predictions.keys() & sources.segmented.keys()
    record = next((r for r in records if what in panels.outputs_of(r) and r.run in maps), None)
    if record is None:
        return _Side(what, target)
    predicted = panels.read_output(sources.predictions[record.run], panels.outputs_of(record), what)
    found = objects.read_labels(sources.segmented[record.run])
    panels.check_same_size(name, truth=truth, prediction=predicted, found=found)
    missing = unreached(record, sources.predictions[record.run], segment_of(inputs, record.run))
    return _Side(what, target, record, predicted, found, objects.match(truth, found), missing)


def _draw_row(
    axes: Sequence[Axes], image: NDArray, truth: NDArray, side: _Side, window: objects.Window
) -> None:
    picture, shown = window.of(image), window.of(truth)
    marker = window.of(side.target)
    coloured = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)
    panels.show_image(axes[0], np.where(marker[..., None], np.asarray(MARKER_TONE), coloured))
    objects.draw_outlines(axes[0], objects.outlines(shown), color=YELLOW)
    panels.show_image(axes[1], marker.astype(float))
    if len(axes) == 2:
        return
    if side.predicted is None or side.found is None or side.outcomes is None:
        for panel in axes[2:]:
            panel.set_axis_off()
            panel.text(0.5, 0.5, "no run", ha="center", va="center", transform=panel.transAxes)
        return
    artist = panels.show_probability(axes[2], window.of(side.predicted))
    if side.missing:
        mark_unreached(axes[2])
    if side.what == list(MARKERS)[-1]:
        panels.probability_bar(axes[2].inset_axes(panels.COLOUR_BAR), artist)
    panels.show_image(axes[3], objects.fade(picture))
    objects.draw_outcomes(axes[3], shown, window.of(side.found), side.outcomes, width=0.8)


def _row(side: _Side, truth: NDArray, name: str) -> Mapping[str, object]:
    row = {
        "marker": side.what,
        "run": side.record.run if side.record else "",
        "sample": name,
        "marked": int(np.unique(truth[side.target & (truth > 0)]).size),
        "share_of_objects": float((side.target & (truth > 0)).sum() / max((truth > 0).sum(), 1)),
        "truth": int(np.unique(truth[truth > 0]).size),
    }
    if side.record is None or side.found is None or side.outcomes is None:
        return row
    score = score_of(side.record, "aji", name)
    return row | {
        "matched": side.outcomes.matched.size,
        "false_positive": side.outcomes.false_positive.size,
        "missed": side.outcomes.missed.size,
        "aji": aji(truth, side.found) if np.isnan(score) else score,
    }


def _caption(
    inputs: FigureInputs, data: pd.DataFrame, sides: Sequence[_Side], window: objects.Window, truth: NDArray
) -> str:
    found = [
        f"{MARKERS[side.what]} ({side.record.label}): AJI {row['aji']:.3f}, {row['missed']:.0f} of "
        f"{row['truth']} missed"
        for side, row in zip(sides, data.to_dict("records"), strict=True)
        if side.record is not None
    ]
    missing = "".join(f" By {s.record.label} {s.missing}." for s in sides if s.record and s.missing)
    shares = data["share_of_objects"]
    side = f"{window.height}×{window.width}"
    part = "" if window.of(truth).size == truth.size else f" The {side} pixels with most objects are shown."
    results = f" On the whole image: {'; '.join(found)}." if found else ""
    takes = f"take {shares.iloc[0]:.0%} of the objects' pixels, shape markers {shares.iloc[1]:.0%}"
    return (
        f"Centre markers and shape markers of sample {data['sample'].iloc[0]}: on the image (blue; true "
        f"outlines yellow), as targets{', as predicted, and the objects found with them' if found else ''}. "
        f"Centre markers {takes.replace('%', ' %')}.{results}{missing}{part} "
        f"{data_sentence(inputs.data_kind)}"
    )
