# SPDX-License-Identifier: MIT
"""Receiver operating characteristic of runs, over the pixels of all images together."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from microtome.figures.inputs import FigureInputs, file_of, needed
from microtome.figures.parts.colors import GREY, line_styles
from microtome.figures.parts.panels import IGNORE, check_same_size, outputs_of, read_probability
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import SINGLE_COLUMN, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"images", "runs"})
CLASS_OPTIONS = ("of",)
SAMPLE_OPTIONS = ("samples",)
PIXELS = 500_000
"""Most pixels that are counted, of all images together."""
POINTS = 512
"""Most points of a curve that are drawn."""
THRESHOLD = 0.5
HEIGHT = 3.3
LEGEND_ROW, LEGEND_MARGIN = 0.14, 0.05


@styled
def draw(
    inputs: FigureInputs,
    *,
    runs: Sequence[str] = (),
    samples: Sequence[str] = (),
    of: str = "",
    pixels: int = PIXELS,
    seed: int = 0,
) -> FigureResult:
    """Draw true positive rate against false positive rate at every threshold, with the area below.

    Args:
        inputs: Run records, probability maps and targets.
        runs: Runs to show, in order; all by default. Of several seeds the first that holds an image counts.
        samples: Images; by default those with a target that every run has a map of.
        of: Class that counts as positive; the positive class by default.
        pixels: Most pixels that are counted; of more a part is drawn, the same for every run, from each
            image in proportion.
        seed: Seed of that draw.

    Returns:
        The figure. Its data: run, label, threshold, false and true positive rate, area under the curve,
        pixels counted; at most 512 points a run.

    Raises:
        ValueError: A run, an image or a map is missing, no image is there, or the pixels are of one class.
    """
    positive = of or inputs.positive_class
    inputs.class_id(positive)
    records = {record.run: record for record in reversed(inputs.select(runs))}
    order = list(dict.fromkeys(record.run for record in inputs.select(runs)))
    names = list(samples) or _common(inputs, order)
    if not names:
        msg = f"no image has a target and a map by each of the runs {order}; predict the test images with all"
        raise ValueError(msg)
    chosen = _draw_pixels(inputs, names, pixels, seed)
    truth = np.concatenate([_labels(inputs, name)[where] for name, where in chosen.items()])
    truth = truth == inputs.class_id(positive)
    if truth.all() or not truth.any():
        found = "only" if truth.all() else "no"
        msg = f"the images {names} have {found} pixels of {positive!r}; a curve needs both, name other images"
        raise ValueError(msg)
    curves = [_curve(inputs, records[run], chosen, truth, positive) for run in order]
    data = pd.concat(curves, ignore_index=True)
    legend = LEGEND_ROW * len(order) + LEGEND_MARGIN
    figure = new_figure(SINGLE_COLUMN, HEIGHT + legend, data_kind=inputs.data_kind)
    axes, below = figure.subplots(2, 1, height_ratios=(HEIGHT, legend))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, linestyle=":")
    for run, style in line_styles(order).items():
        curve = data[data["run"] == run]
        label = f"{records[run].label}, AUC {curve['auc'].iloc[0]:.3f}"
        axes.plot(curve["fpr"], curve["tpr"], **style, label=label)
        point = curve.iloc[int(np.abs(curve["threshold"] - THRESHOLD).argmin())]
        axes.plot(point["fpr"], point["tpr"], "o", color=style["color"], markeredgecolor="white")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    below.set_axis_off()
    below.legend(*axes.get_legend_handles_labels(), loc="center", borderaxespad=0)
    return FigureResult(figure, data, _caption(inputs, names, truth, data, positive))


def _common(inputs: FigureInputs, runs: Sequence[str]) -> list[str]:
    """Images with a target that every run has a map of."""
    return [
        name
        for name, files in sorted(inputs.sources.items())
        if files.target is not None and all(run in files.predictions for run in runs)
    ]


def _labels(inputs: FigureInputs, name: str) -> NDArray:
    return images.read(needed(inputs.sample(name)[1], "target", name)).ravel()


def _draw_pixels(inputs: FigureInputs, names: Sequence[str], limit: int, seed: int) -> dict[str, NDArray]:
    """Positions of the labelled pixels that count, by image."""
    labelled = {name: np.flatnonzero(_labels(inputs, name) != IGNORE) for name in names}
    total = sum(places.size for places in labelled.values())
    if total <= limit:
        return labelled
    rng, share = np.random.default_rng(seed), limit / total
    return {
        name: np.sort(rng.choice(places, max(int(places.size * share), 1), replace=False))
        for name, places in labelled.items()
        if places.size
    }


def _curve(
    inputs: FigureInputs,
    record: RunRecord,
    chosen: Mapping[str, NDArray],
    truth: NDArray[np.bool_],
    positive: str,
) -> pd.DataFrame:
    scores = np.concatenate(
        [_probability(inputs, record, name, positive)[where] for name, where in chosen.items()]
    )
    fpr, tpr, thresholds = roc_curve(truth, scores)
    kept = _thinned(fpr, tpr)
    return pd.DataFrame(
        {
            "run": record.run,
            "label": record.label,
            "threshold": np.minimum(thresholds[kept], np.nextafter(1, 2)),
            "fpr": fpr[kept],
            "tpr": tpr[kept],
            "auc": float(roc_auc_score(truth, scores)),
            "pixels": truth.size,
        }
    )


def _probability(inputs: FigureInputs, record: RunRecord, name: str, positive: str) -> NDArray:
    _, sources = inputs.sample(name)
    path: Path = file_of(sources.predictions, record.run, sample=name, what="prediction")
    found = read_probability(path, inputs, positive, outputs=outputs_of(record))
    target = images.header(needed(sources, "target", name))
    check_same_size(name, prediction=found, target=np.empty((target.height, target.width), np.bool_))
    return found.ravel()


def _thinned(fpr: NDArray, tpr: NDArray) -> NDArray[np.intp]:
    """Points evenly spaced along a curve, the ends among them."""
    if fpr.size <= POINTS:
        return np.arange(fpr.size)
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(fpr)) + np.abs(np.diff(tpr)))])
    places = np.searchsorted(length, np.linspace(0, length[-1], POINTS))
    return np.unique(np.concatenate([[0], places.clip(0, fpr.size - 1), [fpr.size - 1]]))


def _caption(
    inputs: FigureInputs, names: Sequence[str], truth: NDArray, data: pd.DataFrame, positive: str
) -> str:
    areas = data.groupby("label", sort=False)["auc"].first()
    found = "; ".join(f"{label} {area:.4f}" for label, area in areas.items())
    return (
        f"Receiver operating characteristic of {positive} over {truth.size:,} pixels of {len(names)} test "
        f"image{'s' * (len(names) != 1)} together, "
        f"{truth.mean():.1%} of them {positive}; dots: threshold {THRESHOLD:g}. Area "
        f"under the curve: {found}. {data_sentence(inputs.data_kind)}"
    ).replace("%", " %")
