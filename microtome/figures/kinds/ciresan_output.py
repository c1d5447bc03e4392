# SPDX-License-Identifier: MIT
"""Output of a window network: input, raw dense probability, calibrated and filtered probability, label."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, file_of, needed
from microtome.figures.kinds.sample_panel import panel_row
from microtome.figures.parts.classes import tones_sentence
from microtome.figures.parts.panels import IGNORE, check_same_size, read_image, read_probability
from microtome.figures.parts.style import styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"calibrated", "images", "runs"})
CLASS_OPTIONS = ("of",)
SAMPLE_OPTIONS = ("sample",)
BINS = 20
SHOWN = ("image", "target", "predictions", "raw_predictions")


@styled
def draw(
    inputs: FigureInputs, *, run: str = "", sample: str = "", of: str = "", mpp: float | None = None
) -> FigureResult:
    """Draw one sample as a window network sees it, before and after calibration.

    Args:
        inputs: Run records and files of the samples.
        run: The run; the first with a map from before calibration by default.
        sample: The sample; by default the first test sample that has what is shown.
        of: Class whose probability is shown; the positive class by default.
        mpp: Pixel size in micrometres, for a scale bar.

    Returns:
        The figure. Its data: per probability bin the pixels of each map, and the share of the class among
        them.

    Raises:
        ValueError: The run, the sample or one of its files is missing.
    """
    record = inputs.record(run) if run else _first_calibrated(inputs)
    name, sources = inputs.sample(sample, run=record.run, needs=SHOWN)
    shown = of or inputs.positive_class
    uncalibrated = "prediction from before calibration"
    raw_path = file_of(sources.raw_predictions, record.run, sample=name, what=uncalibrated)
    final_path = file_of(sources.predictions, record.run, sample=name, what="prediction")
    raw, final = (read_probability(path, inputs, shown) for path in (raw_path, final_path))
    image, label = read_image(needed(sources, "image", name)), images.read(needed(sources, "target", name))
    check_same_size(name, image=image, raw=raw, prediction=final, label=label)
    titles = ("input", f"p({shown}), raw", f"p({shown}), calibrated, filtered", "label")
    kinds = ("image", "probability", "probability", "classes")
    figure = panel_row([image, raw, final, label], titles, kinds, mpp=mpp, inputs=inputs)
    truth = label == inputs.class_id(shown)
    stages = {"raw": raw, "calibrated": final}
    data = pd.concat([_histogram(p, truth, label, s) for s, p in stages.items()], ignore_index=True)
    errors = [float(np.abs(probability - truth)[label != IGNORE].mean()) for probability in (raw, final)]
    caption = (
        f"Sample {name} as segmented by {record.label}: input, dense probability of {shown} as the network "
        f"gives it, the same after calibration and median filtering, and label. Mean absolute error "
        f"{errors[0]:.3f} before, {errors[1]:.3f} after.{tones_sentence(inputs)}"
    )
    return FigureResult(figure, data.assign(run=record.run, sample=name), caption)


def _first_calibrated(inputs: FigureInputs) -> RunRecord:
    calibrated = {run for files in inputs.sources.values() for run in files.raw_predictions}
    records = inputs.select(())
    return next((record for record in records if record.run in calibrated), records[0])


def _histogram(probability: NDArray, truth: NDArray, label: NDArray, stage: str) -> pd.DataFrame:
    valid = label != IGNORE
    edges = np.linspace(0, 1, BINS + 1)
    pixels, _ = np.histogram(probability[valid], edges)
    positives, _ = np.histogram(probability[valid & truth], edges)
    share = np.divide(positives, pixels, out=np.full(BINS, np.nan), where=pixels > 0)
    bins = {"stage": stage, "low": edges[:-1], "high": edges[1:]}
    return pd.DataFrame({**bins, "pixels": pixels, "share_of_class": share})
