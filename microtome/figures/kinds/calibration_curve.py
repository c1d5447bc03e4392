# SPDX-License-Identifier: MIT
"""Calibration of a window network: observed frequency against predicted value, and the fitted polynomial."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from microtome.figures.inputs import FigureInputs, SampleSources, file_of, needed
from microtome.figures.parts.colors import BLUE, GREY, LIGHT, VERMILLION
from microtome.figures.parts.panels import IGNORE, check_same_size, read_probability
from microtome.figures.parts.style import SINGLE_COLUMN, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.inference.calibration import Calibration, Histogram, apply, histogram
from microtome.io import images
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"calibrated", "images", "runs"})
SAMPLE_OPTIONS = ("samples",)
FILE_NAME = "calibration.json"
BINS = 20
HEIGHT = 3.4
CURVE_POINTS = 201
LARGEST_DOT, SMALLEST_DOT = 34.0, 5.0


@styled
def draw(
    inputs: FigureInputs, *, run: str = "", samples: Sequence[str] = (), bins: int = BINS
) -> FigureResult:
    """Draw how often the class occurs where the network predicts a value, and the calibration fitted to it.

    Args:
        inputs: Run records (``calibration.json`` in the run's folder) and maps from before calibration.
        run: The run; the first that was calibrated by default.
        samples: Samples to count; all that have a map from before calibration and a target by default.
        bins: Bins of the predicted value.

    Returns:
        The figure. Its data: low, high, pixels, positives, predicted (mean in the bin), observed (frequency),
        calibrated (polynomial at the mean).

    Raises:
        ValueError: There is no calibrated run, or no sample with a map from before calibration.
        FileNotFoundError: The run has no calibration.
    """
    record = inputs.record(run) if run else _first_calibrated(inputs)
    path = record.folder / FILE_NAME
    if not path.is_file():
        msg = f"{path} does not exist; set a calibration for run {record.run!r}, or draw another run"
        raise FileNotFoundError(msg)
    calibration = Calibration.from_dict(json.loads(path.read_text(encoding="utf-8")))
    names = list(samples) or [
        name for name, files in inputs.sources.items() if record.run in files.raw_predictions and files.target
    ]
    if not names:
        msg = f"no sample has a target and a map of run {record.run!r} from before calibration; predict one"
        raise ValueError(msg)
    counts = [_count(inputs, name, inputs.sample(name)[1], record.run, bins) for name in names]
    data = _bins(sum(counts[1:], counts[0]), calibration)
    figure = new_figure(SINGLE_COLUMN, HEIGHT, data_kind=inputs.data_kind)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    _draw_curve(top, data, calibration, inputs.output_class)
    _draw_counts(bottom, data, inputs.output_class)
    terms = ", ".join(f"{value:.3f}" for value in calibration.coefficients)
    caption = (
        f"Calibration of {record.label}: frequency of {inputs.output_class} among the pixels of "
        f"{len(names)} sample{'s' * (len(names) != 1)} against the value predicted for them, "
        "and the monotone polynomial fitted to "
        f"{calibration.pixels:,} held-out pixels (coefficients of 1, x, x², x³: {terms}; weighted root mean "
        f"square residual {calibration.residual:.3f}). Below: pixels per bin."
    )
    return FigureResult(figure, data.assign(run=record.run), caption)


def _first_calibrated(inputs: FigureInputs) -> RunRecord:
    records = inputs.select(())
    return next((record for record in records if (record.folder / FILE_NAME).is_file()), records[0])


def _count(inputs: FigureInputs, name: str, sources: SampleSources, run: str, bins: int) -> Histogram:
    path = file_of(sources.raw_predictions, run, sample=name, what="prediction from before calibration")
    probability = read_probability(path, inputs, inputs.output_class)
    label = images.read(needed(sources, "target", name))
    check_same_size(name, prediction=probability, label=label)
    positive = inputs.class_id(inputs.output_class)
    return histogram(probability, label == positive, bins, valid=label != IGNORE)


def _bins(counts: Histogram, calibration: Calibration) -> pd.DataFrame:
    edges = np.linspace(0, 1, counts.pixels.size + 1)
    frame = pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "pixels": counts.pixels, "positives": counts.positives}
    )
    frame = frame.assign(predicted=counts.sums)[frame["pixels"] > 0].reset_index(drop=True)
    frame["predicted"] /= frame["pixels"]
    frame["observed"] = frame["positives"] / frame["pixels"]
    return frame.assign(calibrated=apply(calibration, frame["predicted"].to_numpy().clip(0, 1)))


def _draw_curve(axes: Axes, data: pd.DataFrame, calibration: Calibration, positive: str) -> None:
    points = np.linspace(0, 1, CURVE_POINTS)
    area = np.sqrt(data["pixels"] / data["pixels"].max())
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, linestyle=":", label="identity")
    axes.plot(points, apply(calibration, points), color=VERMILLION, label="fitted, monotone")
    style = {"color": BLUE, "alpha": 0.85, "linewidths": 0, "zorder": 3, "label": "observed"}
    axes.scatter(data["predicted"], data["observed"], s=SMALLEST_DOT + LARGEST_DOT * area, **style)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel=f"frequency of {positive}")
    axes.grid()
    legend = axes.legend(loc="upper left")
    for handle in legend.legend_handles:
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([16])


def _draw_counts(axes: Axes, data: pd.DataFrame, positive: str) -> None:
    style = {"align": "edge", "color": LIGHT, "edgecolor": "white", "linewidth": 0.4}
    axes.bar(data["low"], data["pixels"], width=data["high"] - data["low"], **style)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set(xlabel=f"predicted value of {positive}", ylabel="pixels")
